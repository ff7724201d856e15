#' Read and write environments as YAML
#'
#' Use these to keep an environment under version control, or to share it. `write_environment()` writes a file that
#' people and git can read, and `read_environment()` reads it back. Nothing is lost.
#'
#' @section Fields: All are optional but `name`. Values are text, also where they look like numbers: `version: 4.10` is
#'   4.10. Anchors, tags and unknown fields are errors.
#'   \preformatted{name: tidy
#'   description: text
#'   tags: {team: trees}
#'   r:
#'     version: "4.3"
#'     rscript_path: /opt/R/bin/Rscript     # instead of all others of `r`
#'     snapshot_date: 2024-05-01
#'     repositories: {internal: "https://cran.example.org"}
#'     cran:
#'       - {name: glmnet, version: 4.1-8, repository: internal}
#'     github:
#'       - {repository: user/repo, subdir: pkg, ref: v1.0, auth_token: {secret: github}}
#'     urls: ["https://example.org/p_1.0.tar.gz"]
#'     bioconductor: [limma]
#'   python:
#'     version: "3.11"
#'     interpreter_path: /opt/py/bin/python # instead of all others of `python`
#'     conda: {channels: [conda-forge], dependencies: ["numpy=1.26"]}
#'     pip: ["pandas==2.2.2"]
#'     index_url: https://me@pypi.example.org/simple
#'     extra_index_urls: []
#'     index_password: {secret: pypi}
#'   docker:
#'     base_image: team/base:1.0            # or base_dockerfile, or build_context
#'     base_dockerfile: |
#'       FROM debian:12
#'     build_context: {path: /srv/image, dockerfile: Dockerfile}
#'     registry: {address: registry.example.org, username: me, password: {secret: registry}}
#'     apt: [libxml2-dev]
#'     steps: ["RUN echo done"]
#'     platform: linux/amd64
#'     ca_certificate: |
#'       -----BEGIN CERTIFICATE-----
#'     pip_config: |
#'       [global]
#'   variables: {OMP_NUM_THREADS: "4"}
#'   use_gpu: false
#'   shm_size: 2g}
#'
#' @param environment An environment, as [r_environment()] returns it.
#' @param path String: path of a file, which is replaced if it exists. For the two functions about a directory: a
#'   folder.
#' @param overwrite Logical: whether files in the folder are replaced. Default: `FALSE`.
#' @param workspace A [workspace()] that has locked or built the environment. The Dockerfile then has the digests of
#'   base images and the versions of packages. Default: `NULL`, the text has what the definition names.
#' @return `read_environment()` and `load_environment_from_directory()`: an `Environment` object.
#'   `get_environment_yaml()`: one string. `write_environment()` and `save_environment_to_directory()`: the paths of the
#'   files written, invisibly.
#'
#'   `get_dockerfile()`: one string, the Dockerfile of the first stage of the image. Comments list the packages that
#'   espalier installs after that.
#' @section Errors:
#' * `espalier_error_environment_invalid`: the file can't be read, or a field is wrong.
#' * `espalier_error_bad_argument`: an argument has the wrong type.
#' * `espalier_error_file_exists`: a file in the folder exists, without `overwrite`.
#' @seealso [r_environment()], [read_job()] for jobs
#' @examplesIf espalier:::espalier_python_ready()
#' env <- r_environment("tidy", r_version = "4.3", cran_packages = "glmnet")
#' file <- tempfile(fileext = ".yml")
#' write_environment(env, file)
#' cat(readLines(file), sep = "\n")
#' read_environment(file) == env
#' cat(get_dockerfile(env))
#' @name environment_yaml
#' @export
read_environment <- function(path) with_notes_told(Environment__from_file(path_argument(path)))

#' @rdname environment_yaml
#' @export
write_environment <- function(environment, path) {
  check_object(environment, "Environment", "environment")
  path <- path_argument(path)
  environment$write(path)
  invisible(path)
}

#' @rdname environment_yaml
#' @export
get_environment_yaml <- function(environment) {
  check_object(environment, "Environment", "environment")
  environment$as_text()
}

#' @rdname environment_yaml
#' @export
get_dockerfile <- function(environment, workspace = NULL) {
  check_object(environment, "Environment", "environment")
  if (is.null(workspace)) return(environment$dockerfile())
  check_object(workspace, "Workspace", "workspace")
  workspace$images$dockerfile(environment)
}

#' @rdname environment_yaml
#' @export
save_environment_to_directory <- function(environment, path, overwrite = FALSE) {
  check_object(environment, "Environment", "environment")
  invisible(environment$save_to_directory(path_argument(path), check_flag(overwrite, "overwrite")))
}

#' @rdname environment_yaml
#' @export
load_environment_from_directory <- function(path) Environment__load_from_directory(path_argument(path))
