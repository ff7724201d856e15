# What a job finds around it: an environment, and whether it runs in a container.

#' Set up the container of a job
#'
#' For the argument `docker` of [estimator()] and [script_run_config()], where `TRUE` means all of this by default. The job's
#' `cpus` and `memory` are the container's limits: a job that takes more memory is ended, with the code
#' `"job_out_of_memory"`. With `gpus` it sees those it was given.
#'
#' The job runs as you, so that its files are yours, without any privileges. Of this machine it sees its run's folder, its
#' inputs, espalier itself, and `mounts`, all but the first read-only.
#'
#' A job that reaches the socket of a container engine can do anything on this machine. So `mounts` and inputs are refused
#' if one is or contains the socket of an engine, under any name. So are other sockets, `/`, `/proc`, `/sys`,
#' `/dev`, `/run` and the folders of engines. The same goes for a network by which the job would reach an engine that asks
#' for no key. You are warned if you mount your home folder, `/etc`, or a folder in which a program listens at a socket.
#'
#' The engine is that of this machine: the one at `DOCKER_HOST`, `unix://` or `tcp://`, or else at the usual socket; Docker
#' contexts do not count. An engine on another machine is refused, because it couldn't see the run's folder.
#'
#' @param shm_size Size of `/dev/shm`, `"2 GB"` or bytes; by default what the environment says, else Docker's 64 MB.
#' @param network `"bridge"`, `"none"`, `"host"`, or the name of a network of Docker.
#' @param mounts Files and folders of this machine that the job can read, at the same paths; with names, the name is the
#'   path in the container.
#' @param init Run a small init process that passes signals on and collects what has ended.
#' @param user `"uid:gid"` to run as, in place of you; root only if you are.
#' @return A list of class `espalier_docker_options`.
#' @section Errors: `espalier_error_bad_argument`.
#' @seealso [r_environment()]
#' @examples
#' docker_options(network = "none", mounts = "/usr/share/dict", shm_size = "1 GB")
#' @export
docker_options <- function(shm_size = NULL, network = NULL, mounts = NULL, init = TRUE, user = NULL) {
  options <- list(
    shm_size = memory_argument(shm_size, "shm_size"),
    network = check_string(network, "network", null = TRUE),
    mounts = mounts_argument(mounts),
    init = if (!check_flag(init, "init")) FALSE,
    user = check_string(user, "user", null = TRUE)
  )
  new_value(options, "espalier_docker_options")
}

#' @export
format.espalier_docker_options <- function(x, ...) {
  header("Docker options", facts = if (length(x)) docker_options_text(unclass(x)) else "default")
}

docker_options_text <- function(x) {
  text <- vapply(x, function(v) paste(encodeString(unlist(v)), collapse = " "), "")
  if (length(x$mounts)) text[["mounts"]] <- paste(encodeString(names(x$mounts)), collapse = " ")
  paste(names(text), text, sep = " = ", collapse = ", ")
}

#' Path here -> path in the container
#' @noRd
mounts_argument <- function(x) {
  if (!length(x)) return(NULL)
  if (is.list(x)) x <- unlist(x)
  if (!is.character(x) || anyNA(x)) abort_argument("mounts", "a character vector of paths", x)
  here <- vapply(unname(x), path_argument, "", "mounts")
  there <- if (is.null(names(x))) here else ifelse(nzchar(names(x)), names(x), here)
  stats::setNames(as.list(unname(there)), here)
}

# ---- arguments of a job ------------------------------------------------------------------------------

#' TRUE, FALSE, or options, as the core takes them
#' @noRd
docker_argument <- function(x) {
  if (inherits(x, "espalier_docker_options")) return(if (length(x)) unclass(x) else TRUE)
  if (is.null(x) || (is.logical(x) && length(x) == 1L && !is.na(x))) return(x)
  abort_argument("docker", "TRUE, FALSE, or docker_options()", x)
}

#' An environment, or the name of a registered one, as the core takes it
#' @noRd
environment_argument <- function(x, arg = "environment") {
  if (is.null(x)) return(NULL)
  if (inherits(x, "Environment")) return(list(definition = identity_of(x)[["definition"]]))
  if (!is_string(x) || !nzchar(x)) {
    abort_argument(arg, "made by r_environment(), or the name of a registered environment", x)
  }
  parts <- regmatches(x, regexec("^(.*?)(?::([^:]*))?$", x, perl = TRUE))[[1L]]
  Filter(nzchar, list(name = parts[2L], version = parts[3L]))
}

#' The environment that azuremlsdk's arguments of a job describe; NULL when they say nothing
#'
#' It has no name, which the experiment gives it.
#' @noRd
environment_of_packages <- function(cran_packages, github_packages, custom_url_packages, custom_docker_image,
                                    image_registry_details, use_gpu, shm_size) {
  r <- Filter(length, list(
    cran = cran_argument(cran_packages), github = github_argument(github_packages),
    urls = check_strings(custom_url_packages, "custom_url_packages")
  ))
  docker <- Filter(length, list(
    base_image = check_string(custom_docker_image, "custom_docker_image", null = TRUE),
    registry = registry_argument(image_registry_details)
  ))
  if (!length(r) && !length(docker)) return(NULL)
  r <- with_session_repositories(r)
  Filter(length, list(
    r = if (length(r)) r, docker = if (length(docker)) docker, use_gpu = if (use_gpu) TRUE,
    shm_size = size_argument(shm_size)
  ))
}

#' A job's environment from both ways to say it, which exclude each other, and its container
#' @noRd
environment_fields <- function(environment, docker, packages = NULL, shm_size = NULL) {
  if (!is.null(environment) && !is.null(packages)) {
    espalier_abort(
      "bad_argument", "Give either `environment` or packages and images of the job's own, and not both.",
      "Packages are named in r_environment() then."
    )
  }
  docker <- docker_argument(docker)
  if (is.null(docker) && !is.null(packages$docker$base_image)) docker <- TRUE  # (an image means a container)
  if (!is.null(shm_size) && is.null(packages)) {
    if (isTRUE(docker)) docker <- list()
    if (is.list(docker) && is.null(docker$shm_size)) docker$shm_size <- memory_argument(shm_size, "shm_size")
    if (!is.list(docker)) ignore_cloud_arguments(shm_size = shm_size)
  }
  list(environment = environment_argument(environment) %||% packages, docker = docker)
}

#' @noRd
asked_environment_text <- function(x) {
  if (!is.null(x$definition)) {
    fields <- json_parse(x$definition)
    x <- fields[c("name", "version")]
    if (is.null(x$name)) return(paste("one without a name, of", toString(names(Filter(length, fields)))))
  }
  paste0(encodeString(x$name), if (!is.null(x$version)) paste0(":", x$version))
}

docker_text <- function(x) if (is.list(x) && length(x)) docker_options_text(x) else if (isFALSE(x)) "off" else "on"
