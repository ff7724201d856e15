# Which run the log_*_to_run() verbs write to. The only ambient "current" object of the package.

.active <- new.env(parent = emptyenv())

#' Make a run folder the one that is logged to; its folder must exist
#' @noRd
set_active_run <- function(dir) {
  check_string(dir, "dir")
  if (!dir.exists(dir)) {
    espalier_abort("run_missing", sprintf("Can't find the run folder %s.", dir), path = dir)
  }
  .active$dir <- normalizePath(dir)
  invisible(.active$dir)
}

#' End that; the event file is closed
#' @noRd
clear_active_run <- function() {
  dir <- .active$dir
  if (!is.null(dir)) {
    close_event_writer(dir)
    rm("dir", envir = .active)
    inform_again("not_recorded")
  }
  invisible(dir)
}

#' The folder of the interactive run, or NULL
#' @noRd
active_run_dir <- function() .active$dir

#' The folder to log to: of `run`, of the interactive run, of the job; NULL (with one note) if none. It may have been moved,
#' see log_folder()
#' @noRd
log_target <- function(run = NULL) {
  dir <- log_dir(run)
  if (!is.null(dir)) return(dir)
  inform_once("not_recorded", c(
    "Not inside a run: values of the log_*_to_run() functions are recorded nowhere.",
    "To record them, call start_logging_run() first, or submit the script with submit_experiment()."
  ))
  NULL
}

#' The same, without a note
#' @noRd
log_dir <- function(run) {
  if (!is.null(run)) return(run_dir_of(run))
  dir <- .active$dir
  if (!is.null(dir)) return(dir)
  dir <- Sys.getenv("ESPALIER_RUN_DIR")
  if (nzchar(dir)) dir
}

#' The folder of the interactive run, else of the job this process belongs to, else NULL
#' @noRd
current_run_dir <- function() {
  dir <- .active$dir
  if (is.null(dir)) job_dir() else dir
}

run_dir_of <- function(run) {
  # (a run's own field would ask the core, and so start Python inside a job)
  dir <- if (inherits(run, "Run")) run_folder(identity_of(run)) else if (is.environment(run) || is.list(run)) run[["run_dir"]]
  if (!is_string(dir) || !nzchar(dir)) abort_argument("run", "a run", run)
  if (is.null(.writers$events[[dir]]) && is.null(.writers$parts[[dir]]) && !dir.exists(dir)) {
    espalier_abort("run_missing", sprintf("Can't find the folder of the run: %s", dir),
                   path = dir)
  }
  if (startsWith(dir, "/")) dir else normalizePath(dir)
}

# runs/<2 hex>/<id> below the workspace (docs/protocol.md): the one place where R spells it.
run_folder <- function(identity) {
  id <- identity[["id"]]
  end <- nchar(id)
  file.path(identity[["workspace"]], "runs", substr(id, end - 7L, end - 6L), id)
}

run_identity <- function(dir) c(workspace = dirname(dirname(dirname(dir))), id = basename(dir))
