#' How many runs this machine executes at once
#'
#' The limit holds for you on this machine, in all workspaces together; what is submitted beyond it waits in the queue,
#' in order. A run that asks for several processors (`cpus` of [estimator()]) takes as many of these places. More of
#' what the machine gives to runs is set with [host_resources()].
#'
#' @param value The new limit, a whole number of at least 1; `NULL` leaves it as it is. At first it is the number of
#'   processors.
#' @return The limit, invisibly when it was set.
#' @section Errors: `espalier_error_bad_argument`.
#' @examplesIf espalier:::espalier_python_ready()
#' max_concurrent_runs()
#' @export
max_concurrent_runs <- function(value = NULL) {
  now <- Host__max_concurrent_runs(check_number(value, "value", null = TRUE))
  if (is.null(value)) now else invisible(now)
}

#' What this machine gives to runs
#'
#' Runs ask for processors, graphics processors and memory ([estimator()]). This is what there is for all your runs on
#' this machine, in all workspaces together, and what of it is free now. Nobody enforces it: a job that takes more
#' than it asked for is not stopped.
#'
#' @param cpus Set how many processors, a whole number; the same as [max_concurrent_runs()].
#' @param gpus Set which graphics processors, by the ids that `CUDA_VISIBLE_DEVICES` takes, such as `c("0", "1")`;
#'   `character()` for none. At first those that NVIDIA's driver lists.
#' @param memory Set how much memory: `"16 GB"`, or a number of bytes. At first all there is.
#' @return A data frame with a row for each resource: `resource`, `total`, `free` (memory in bytes), `ids`. Invisibly
#'   when something was set.
#' @section Errors: `espalier_error_bad_argument`.
#' @examplesIf espalier:::espalier_python_ready()
#' host_resources()
#' @export
host_resources <- function(cpus = NULL, gpus = NULL, memory = NULL) {
  ids <- if (is.null(gpus)) NULL else check_strings(as.character(gpus), "gpus")
  now <- Host__resources(
    check_number(cpus, "cpus", null = TRUE), ids, memory_argument(memory, "memory")
  )
  if (is.null(cpus) && is.null(gpus) && is.null(memory)) now else invisible(now)
}

#' Have the queue moved on after a reboot
#'
#' Queued runs are moved on by whatever you do with espalier, by runs that end, and, while anything is queued, by the
#' keeper, a small process that comes and goes by itself. After a reboot nothing of that runs until you use espalier
#' again. `keeper_install()` lets systemd (a timer of yours) or, where there is none, cron (an entry `@reboot` of yours)
#' move the queue on as well. With systemd that needs lingering to be on for you: `loginctl enable-linger`.
#'
#' @return `keeper_install()` and `keeper_status()` a list: `running` (whether the keeper runs now), `how` (`"systemd"`,
#'   `"cron"` or `NULL`) and `command` (what is called); `keeper_uninstall()` whether there was something. The two that
#'   change something return invisibly.
#' @section Errors: `espalier_error_not_supported` where there is neither.
#' @examplesIf espalier:::espalier_python_ready()
#' keeper_status()
#' @export
keeper_install <- function() {
  status <- Host__keeper_install()
  say(c(v = "After a reboot the queue is moved on by {status$how}.", " " = "Undo: {.code keeper_uninstall()}"))
  invisible(status)
}

#' @rdname keeper_install
#' @export
keeper_uninstall <- function() invisible(Host__keeper_uninstall())

#' @rdname keeper_install
#' @export
keeper_status <- function() Host__keeper_status()
