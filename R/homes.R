# Where espalier keeps what belongs to a user and not to a workspace; the rule is that of the core (adapters/homes.py):
# below the user's home folder, or where variables point, and in a private folder of the machine if there is no home
# that can be written.

#' R's folder of data for this package
#' @noRd
data_folder <- function() {
  place <- tools::R_user_dir("espalier", "data")
  if (is_absolute(place) && can_be_made(place)) return(place)
  # (a folder that the user named is reported, not replaced)
  if (nzchar(Sys.getenv("R_USER_DATA_DIR"))) place else file.path(private_folder(), "R", "data")
}

#' Where the core keeps this user's queue
#' @noRd
state_folder <- function() core_folder("ESPALIER_STATE_DIR", "XDG_STATE_HOME", "~/.local/state", "espalier", "state")

#' Where this package and the core keep what can be made again: the place of `tools::R_user_dir()`
#' @noRd
cache_folder <- function() {
  caches <- switch(Sys.info()[["sysname"]],
    Darwin = "~/Library/Caches/org.R-project.R", Windows = file.path(Sys.getenv("LOCALAPPDATA"), "R", "cache"), "~/.cache"
  )
  core_folder("ESPALIER_CACHE_DIR", c("R_USER_CACHE_DIR", "XDG_CACHE_HOME"), caches, "R/espalier", "cache")
}

core_folder <- function(variable, bases, below_home, own, name) {
  place <- path.expand(Sys.getenv(variable))
  if (nzchar(place)) return(place)
  bases <- path.expand(Sys.getenv(bases))
  bases <- bases[is_absolute(bases)]
  if (length(bases)) return(file.path(bases[1L], own))
  place <- file.path(path.expand(below_home), own)
  if (is_absolute(place) && can_be_made(place)) place else file.path(private_folder(), name)
}

is_absolute <- function(path) grepl("^(/|[A-Za-z]:[/\\\\]|[/\\\\]{2})", path)

#' Whether a folder is there, or can be made; makes nothing
#' @noRd
can_be_made <- function(folder) {
  at <- folder
  while (!dir.exists(at) && dirname(at) != at) {
    if (file.exists(at)) return(FALSE)
    at <- dirname(at)
  }
  at == folder || file.access(at, 3L) == 0L
}

#' This user's folder in a place that all users share; what another user has made there doesn't count
#' @noRd
private_folder <- function(shared = c("/var/tmp", "/tmp")) {
  uid <- file.info(tempdir())$uid
  for (folder in file.path(shared, paste0("espalier-", uid))) {
    dir.create(folder, showWarnings = FALSE, mode = "0700")
    found <- file.info(folder)
    closed <- bitwAnd(as.integer(found$mode), 63L) == 0L # (077: nothing for others)
    if (isTRUE(found$isdir) && !nzchar(Sys.readlink(folder)) && found$uid == uid && closed) return(folder)
  }
  espalier_abort(
    "not_supported",
    sprintf("Can't find a folder to write to: neither a home folder nor a private folder espalier-%s in %s.", uid, shared[1L]),
    "Set HOME, or R_USER_DATA_DIR, R_USER_CACHE_DIR, ESPALIER_STATE_DIR and ESPALIER_CACHE_DIR, to folders of your own."
  )
}
