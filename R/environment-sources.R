#' Define an environment from an existing file
#'
#' Use these if the packages of a job are listed already: in a conda specification, a requirements file, an image, a
#' Dockerfile, a `renv.lock`, or this session. The result is the same as that of [r_environment()].
#'
#' @section Requirements files: `-r` and `-c` are followed to files beside the first or below. Indexes, hashes,
#'   `--trusted-host`, `--prefer-binary`, `${VARIABLE}` and UTF-16 are read. With `--prefer-binary` wheels alone are
#'   used if they suffice. Constraints decide versions and install nothing. These are errors, with the file, the line
#'   and the remedy: editable installations, files of this machine, repositories by SSH, and variables that look like
#'   secrets.
#' @section Locked packages: `environment_from_renv_lockfile()` takes R's version, the repositories, and each package as
#'   it is locked. R's version decides those of Bioconductor. `environment_from_session()` takes the versions of the
#'   loaded packages, without R's own and espalier.
#' @section Build contexts: The folder of `environment_from_docker_build_context()` is frozen when the environment is
#'   registered. Until then each use takes it as it is. Files that `.espalierignore` or `.gitignore` name stay out, as
#'   for [estimator()].
#'
#' @param name String: name of the environment.
#' @param path String: path of the file, or of the folder for `environment_from_docker_build_context()`.
#' @param image String: an image, such as `"rocker/r-ver:4.3.1"`.
#' @param registry A [container_registry()] that has the image. Default: the public one that its name stands for.
#' @param dockerfile String: path of the Dockerfile, or its text. For a folder: the path in it.
#' @param conda_specification,pip_requirements Strings: paths of files with Python packages to install on top. Default:
#'   none, the Python of the image is used as it is.
#' @param conda_environment String: name or folder of an installed conda environment.
#' @param packages Character vector: names of installed packages. Default: all that are loaded.
#' @return An `Environment` object, see [r_environment()].
#' @section Errors:
#' * `espalier_error_environment_invalid`: the file can't be used. The message names the line or field.
#' * `espalier_error_bad_name`: the name breaks the rule of [r_environment()].
#' * `espalier_error_bad_argument`: an argument has the wrong type, or a file or package isn't there.
#' @seealso [r_environment()], [read_environment()] for espalier's own files
#' @examplesIf espalier:::espalier_python_ready()
#' file <- tempfile()
#' writeLines(c("numpy==1.26.4", "pandas>=2"), file)
#' environment_from_pip_requirements("tables", file)
#' environment_from_docker_image("mine", "rocker/tidyverse:4.3.1")
#' environment_from_session("now", packages = "jsonlite")
#' @export
environment_from_conda_specification <- function(name, path) {
  Environment__from_conda_specification(check_name(name), path_argument(path))
}

#' @rdname environment_from_conda_specification
#' @export
environment_from_pip_requirements <- function(name, path) {
  Environment__from_pip_requirements(check_name(name), path_argument(path))
}

#' @rdname environment_from_conda_specification
#' @export
environment_from_docker_image <- function(name, image, registry = NULL, conda_specification = NULL, pip_requirements = NULL) {
  Environment__from_docker_image(
    check_name(name), check_string(image, "image"), registry_argument(registry),
    path_argument(conda_specification, "conda_specification"), path_argument(pip_requirements, "pip_requirements")
  )
}

#' @rdname environment_from_conda_specification
#' @export
environment_from_dockerfile <- function(name, dockerfile, conda_specification = NULL, pip_requirements = NULL) {
  if (missing(dockerfile)) abort_missing("dockerfile")
  if (is.null(dockerfile)) abort_argument("dockerfile", "text, or the name of a file", dockerfile)
  Environment__from_dockerfile(
    check_name(name), dockerfile_argument(dockerfile), path_argument(conda_specification, "conda_specification"),
    path_argument(pip_requirements, "pip_requirements")
  )
}

#' @rdname environment_from_conda_specification
#' @export
environment_from_docker_build_context <- function(name, path, dockerfile = "Dockerfile", conda_specification = NULL,
                                      pip_requirements = NULL) {
  Environment__from_docker_build_context(
    check_name(name), path_argument(path), check_string(dockerfile, "dockerfile"),
    path_argument(conda_specification, "conda_specification"), path_argument(pip_requirements, "pip_requirements")
  )
}

#' @rdname environment_from_conda_specification
#' @export
environment_from_renv_lockfile <- function(name, path = "renv.lock") {
  Environment__from_renv_lockfile(check_name(name), path_argument(path))
}

#' @rdname environment_from_conda_specification
#' @export
environment_from_conda_environment <- function(name, conda_environment) {
  check_string(conda_environment, "conda_environment")
  if (grepl("/", conda_environment, fixed = TRUE)) conda_environment <- path_argument(conda_environment, "conda_environment")
  Environment__from_existing_conda_environment(check_name(name), conda_environment)
}

#' @rdname environment_from_conda_specification
#' @export
environment_from_session <- function(name, packages = NULL) {
  check_name(name)
  check_strings(packages, "packages")
  known <- Filter(Negate(is.null), lapply(session_packages(packages), session_package))
  repositories <- getOption("repos")
  repositories <- repositories[!is.na(repositories) & grepl("://", repositories, fixed = TRUE)]
  Environment__from_session(
    name, known, paste(R.version$major, R.version$minor, sep = "."), named_strings(as.list(repositories), "repos") %||% list()
  )
}

#' Names of packages: those given, or all that are loaded but R's own and this one
#' @noRd
session_packages <- function(packages) {
  if (is.null(packages)) return(setdiff(sort(loadedNamespaces(), method = "radix"), "espalier"))
  missing <- Filter(function(package) !nzchar(system.file(package = package)), packages)
  if (length(missing)) {
    espalier_abort("bad_argument", sprintf("Can't find the installed package %s.", encodeString(missing[1L], quote = "\"")),
                   argument = "packages")
  }
  packages
}

#' What the description of an installed package says about where it came from; NULL for R's own
#' @noRd
session_package <- function(package) {
  fields <- c("Package", "Version", "Priority", "Repository", "biocViews", "RemoteType", "RemoteHost", "RemoteUsername",
              "RemoteRepo", "RemoteSubdir", "RemoteRef", "RemoteSha", "RemoteUrl")
  description <- suppressWarnings(utils::packageDescription(package, fields = fields))
  if (!is.list(description)) return(NULL)
  found <- Filter(function(value) !is.na(value), unclass(description)[fields])
  if (identical(found$Priority, "base")) return(NULL)
  found$Priority <- NULL
  lapply(found, function(value) enc2utf8(as.character(value)))
}
