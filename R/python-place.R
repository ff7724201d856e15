# A folder that is complete or absent, also after a crash: it is filled under another name and then renamed.
# Two sessions at once fill it once.

#' Fill a folder, unless it is there
#'
#' A session that is killed leaves a folder under the other name, which the next one removes. So does a full disk.
#'
#' @param folder Where it shall be.
#' @param again Whether to fill it even if it is there.
#' @param fill Is given the folder to fill; signals an error if it can't.
#' @noRd
place_whole <- function(folder, again, fill) {
  root <- dirname(folder)
  dir.create(root, FALSE, TRUE) # (FALSE too where another session was first)
  if (!dir.exists(root)) abort_no_folder(root)
  lock <- paste0(folder, ".lock")
  take_lock(lock)
  .held$locks <- c(.held$locks, lock)
  on.exit({
    .held$locks <- setdiff(.held$locks, lock)
    unlink(lock, recursive = TRUE)
  })
  if (!again && is_whole(folder)) return(invisible())
  drop_halves(root)
  half <- file.path(root, sprintf(".half-%d-%s", Sys.getpid(), basename(folder)))
  unlink(half, recursive = TRUE)
  on.exit(unlink(half, recursive = TRUE), add = TRUE)
  fill(half)
  if (!file.create(file.path(half, ".ok"))) abort_no_folder(root)
  # (renamed aside, because a folder that is being deleted has its stamp until that file's turn comes)
  old <- file.path(root, sprintf(".half-%d-old-%s", Sys.getpid(), basename(folder)))
  unlink(old, recursive = TRUE)
  if (file.exists(folder) && !file.rename(folder, old)) abort_no_folder(root)
  if (!file.rename(half, folder) && !is_whole(folder)) {
    file.rename(old, folder)
    abort_no_folder(root)
  }
  unlink(old, recursive = TRUE)
  invisible()
}

#' Whether a folder was filled to the end
#' @noRd
is_whole <- function(folder) file.exists(file.path(folder, ".ok"))

#' Remove what sessions left that were killed
#' @noRd
drop_halves <- function(root) {
  halves <- list.files(root, "^[.]half-[0-9]+-", all.files = TRUE)
  dead <- Filter(function(name) !is_running(sub("^[.]half-([0-9]+)-.*", "\\1", name)), halves)
  unlink(file.path(root, dead), recursive = TRUE)
}

abort_no_folder <- function(folder) {
  espalier_abort("python_missing", sprintf("Can't write to the folder %s.", folder),
                 "Make it writable and see whether its disk is full, or set R_USER_DATA_DIR to another folder.")
}

# ---- the lock --------------------------------------------------------------------------------------

#' A folder as the lock: making one either succeeds or not, on every file system
#' @noRd
take_lock <- function(lock, patience = 600) {
  tries <- 0L
  repeat {
    if (dir.create(lock, showWarnings = FALSE)) {
      suppressWarnings(try(writeLines(lock_owner(), file.path(lock, "owner")), silent = TRUE))
      return(invisible())
    }
    age <- as.numeric(difftime(Sys.time(), file.mtime(lock), units = "secs"))
    owner <- lock_state(lock)
    if (is.na(age)) {
      # (the lock may have gone just now; a full disk takes no folder either)
      tries <- tries + 1L
      if (tries > 25L || !dir.exists(dirname(lock)) || file.access(dirname(lock), 2L) != 0L) abort_no_folder(dirname(lock))
    } else if (owner == "dead" || age > patience * (if (owner == "alive") 6 else 1)) {
      # (one that is alive touches its lock, so after an hour it is another process with the same number)
      if (unlink(lock, recursive = TRUE) != 0L || identical(lock_state(lock), "dead")) abort_no_folder(dirname(lock))
      next
    } else {
      inform_once("build_elsewhere", "Another session is setting up espalier's Python environment. Waiting for it.")
    }
    Sys.sleep(0.2)
  }
}

# Locks that this session has, which it touches while it waits for a program.
.held <- new.env(parent = emptyenv())

touch_locks <- function() for (lock in .held$locks) suppressWarnings(Sys.setFileTime(lock, Sys.time()))

lock_owner <- function() paste(Sys.info()[["nodename"]], Sys.getpid())

#' Whether the lock's owner runs on this machine: "alive", "dead", or "unknown", as on another machine
#' @noRd
lock_state <- function(lock) {
  owner <- tryCatch(readLines(file.path(lock, "owner"), 1L), error = function(e) "", warning = function(w) "")
  host <- paste0(Sys.info()[["nodename"]], " ")
  if (length(owner) != 1L || !startsWith(owner, host)) return("unknown")
  if (is_running(substring(owner, nchar(host) + 1L))) "alive" else "dead"
}

#' Whether a process is there, of any user: a signal to one of another user's fails as one to none
#' @noRd
is_running <- function(pid) {
  number <- suppressWarnings(as.integer(pid)) # (NA above what a process's number can be)
  if (is.na(number) || number < 1L) return(FALSE)
  if (dir.exists("/proc/self")) {
    state <- tryCatch(readLines(file.path("/proc", number, "status"), 3L), error = function(e) character(), warning = function(w) character())
    return(length(state) > 0L && !any(grepl("^State:\\s*[ZX]", state))) # (a zombie has ended)
  }
  if (isTRUE(tools::pskill(number, 0L))) return(TRUE)
  .Platform$OS.type == "unix" && run_quietly("ps", c("-p", number))$status == 0L
}

write_record <- function(record) {
  place <- file.path(managed_root(), "current.dcf")
  fresh <- tempfile(sprintf("current-%d-", Sys.getpid()), managed_root())
  on.exit(unlink(fresh))
  written <- tryCatch({
    write.dcf(as.data.frame(record), fresh, width = 10000L)
    file.rename(fresh, place)
  }, error = function(e) FALSE)
  if (!isTRUE(written)) abort_no_folder(managed_root())
}
