# What a job finds around it: an environment, and whether it runs in a container.

#' Set up the container of a job
#'
#' Use this for the argument `docker` of [estimator()] and [script_run_config()] if a container needs other settings
#' than `TRUE` gives it.
#'
#' The job's `cpus` and `memory` are the container's limits. A job that takes more memory is ended, with the code
#' `"job_out_of_memory"`. With `gpus` it sees those it was given.
#'
#' The job runs as you, without privileges, so its files are yours. Of this machine it sees its run's folder, its
#' inputs, espalier itself, and `mounts`. All but the first are read-only.
#'
#' A job that reaches the socket of a container engine can do anything on this machine. So some mounts and inputs are
#' refused: those that are or contain an engine's socket, other sockets, `/`, `/proc`, `/sys`, `/dev`, `/run`, and the
#' folders of engines. A network is refused if the job would reach an engine by it that asks for no key. You are warned
#' if you mount your home folder, `/etc`, or a folder in which a program listens at a socket.
#'
#' The engine is the one at `DOCKER_HOST` (`unix://` or `tcp://`), or else at the usual socket. Docker contexts don't
#' count. An engine on another machine is refused, because it couldn't see the run's folder.
#'
#' @param shm_size Size of `/dev/shm`: `"2 GB"`, or a number of bytes. Default: that of the environment, else Docker's
#'   64 MB.
#' @param network String: `"bridge"`, the default, `"none"`, `"host"`, or the name of a network of Docker.
#' @param mounts Character vector: files and folders of this machine that the job can read, at the same paths. A name is
#'   the path in the container. Default: none.
#' @param init Logical: whether a small init process passes signals on and collects ended processes. Default: `TRUE`.
#' @param user String `"uid:gid"`: the user to run as. Default: you. Only root may name root.
#' @return A list of class `espalier_docker_options`.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument has the wrong type. The rest is checked at submit.
#' @seealso [estimator()], [r_environment()]
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
      "bad_argument", "Can't use both `environment` and the job's own packages or images.",
      "Name the packages in r_environment()."
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
