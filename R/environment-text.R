#' Read and write environments as YAML
#'
#' `write_environment()` writes an environment to a file that people and git can read, `read_environment()` reads it back;
#' nothing is lost. `get_environment_yaml()` gives the text. What an environment leaves open is not written.
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
#' @param environment An environment, made by [r_environment()] or others.
#' @param path A file, which is replaced if it is there; of the two that name a directory, a folder.
#' @param overwrite Replace files that are there.
#' @param workspace A [workspace()], or `NULL`: the text then has only what the definition says.
#' @return `read_environment()` and `load_environment_from_directory()` an environment; `get_environment_yaml()` one string;
#'   `get_dockerfile()` one string: the Dockerfile from which the engine builds the first stage of the image, and
#'   as comments the packages that espalier installs after that. With `workspace` base images have their digests and
#'   packages their versions, if the workspace has locked or built the environment;
#'   `write_environment()` the file and `save_environment_to_directory()` the files written, invisibly.
#' @section Errors: `espalier_error_environment_invalid`, `espalier_error_bad_argument`, `espalier_error_file_exists`.
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
