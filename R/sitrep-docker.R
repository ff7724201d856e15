# Docker in espalier_sitrep(). The socket shows whether an engine may run and whether this user can use it. The version
# comes from the program docker, so that no Python is started.

#' @param may_write Whether this user may write to a socket.
#' @noRd
sitrep_docker <- function(may_write = function(place) file.access(place, 2L) == 0L) {
  if (.Platform$OS.type == "windows") return(fact("Docker", "not looked at", "jobs run on Linux"))
  named <- Sys.getenv("DOCKER_HOST")
  if (nzchar(named) && !startsWith(named, "unix://")) return(fact("Docker", named, "DOCKER_HOST; not looked at"))
  place <- if (nzchar(named)) sub("^unix://", "", named) else docker_socket()
  if (!file.exists(place)) {
    return(fact("Docker", "no engine runs", "only environments with Docker need one"))
  }
  if (!may_write(place)) {
    # (only a problem if an environment needs an image)
    why <- "to use it: sudo usermod -aG docker $USER, then log in again, or run rootless Docker"
    return(fact("Docker", "not usable", sprintf("this user can't use the engine at %s; %s", place, why)))
  }
  version <- docker_version()
  if (is.null(version)) return(fact("Docker", "an engine may be there", paste(place, "can be written")))
  if (!nzchar(version)) {
    # (only a problem if an environment needs an image)
    return(fact("Docker", "not running", paste("no answer at", place, "- sudo systemctl start docker")))
  }
  fact("Docker", paste("engine", version), place)
}

docker_socket <- function() {
  places <- c("/var/run/docker.sock", file.path(Sys.getenv("XDG_RUNTIME_DIR", "/nowhere"), "docker.sock"),
              path.expand("~/.docker/run/docker.sock"))
  c(places[file.exists(places)], places)[1L]
}

#' The engine's version from the program docker: "" if no engine answers, `NULL` if the program isn't installed
#' @noRd
docker_version <- function() {
  docker <- Sys.which("docker")
  if (!nzchar(docker)) return(NULL)
  output <- suppressWarnings(tryCatch(
    system2(docker, c("version", "--format", shQuote("{{.Server.Version}}")), stdout = TRUE, stderr = FALSE, timeout = 10),
    error = function(e) character()
  ))
  status <- attr(output, "status")
  if (!length(output) || (!is.null(status) && status != 0L)) "" else safe_line(output[1L])
}
