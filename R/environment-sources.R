#' Define an environment from an existing file
#'
#' A conda specification, a requirements file, an image, a Dockerfile, a folder with one, a `renv.lock`, or the packages of
#' this session: each becomes the same kind of definition as [r_environment()] makes.
#'
#' @section What is read: `environment_from_pip_requirements()` takes requirements files as people have them. It follows `-r` and `-c`
#'   to files beside the first or below, and takes indexes, hashes, `--trusted-host`, `--prefer-binary` (wheels alone if
#'   these do, else as without it), `${VARIABLE}` and UTF-16. Constraints decide versions and install nothing. Editable
#'   installations, files of this machine, repositories by SSH and variables that look like secrets are errors, which
#'   name the file, the line and the remedy. `environment_from_renv_lockfile()` takes R's version, the repositories and
#'   each package as it is locked, those of Bioconductor without their version, which R's version decides.
#'   `environment_from_session()` takes the packages that are loaded now, but R's own and espalier, in their versions.
#' @section Build contexts: the folder of `environment_from_docker_build_context()` is frozen when the environment is registered or used;
#'   until it is registered each use takes it as it is then. What `.espalierignore` or `.gitignore` name stays out, as for
#'   [estimator()].
#'
#' @param name The environment's name.
#' @param path The file; for `environment_from_docker_build_context()` the folder.
#' @param image An image, such as `"rocker/r-ver:4.3.1"`.
#' @param registry Where it lies, [container_registry()].
#' @param dockerfile The file, or its text; of a folder the path in it.
#' @param conda_specification,pip_requirements Files, to install what they say besides. Without, the Python of the image
#'   is used as it is.
#' @param conda_environment The folder of an installed environment of conda, or its name.
#' @param packages Names of packages, instead of those that are loaded.
#' @return An `Environment`; see [r_environment()].
#' @section Errors: `espalier_error_environment_invalid`, `espalier_error_bad_name`, `espalier_error_bad_argument`.
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
    espalier_abort("bad_argument", sprintf("`packages`: %s is not installed.", encodeString(missing[1L], quote = "\"")),
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
