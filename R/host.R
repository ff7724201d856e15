#' Get or set the resources for runs
#'
#' Use these to keep a part of the machine for other work, or to find out what is free. The numbers hold for all your
#' runs on this machine, in all workspaces together. Runs beyond them wait in the queue.
#'
#' A run takes one processor unless it asks for more ([resource_options()]), so `cpus` also limits how many runs are
#' executed at once. A local job that takes more than it asked for isn't stopped.
#'
#' @param cpus Number of processors, at least 1. At first all that you may use. `NULL`, the default, changes nothing.
#' @param gpus Character vector: ids of graphics processors as in `CUDA_VISIBLE_DEVICES`, `c("0", "1")`, or
#'   `character()` for none. At first those that NVIDIA's driver lists. `NULL`, the default, changes nothing.
#' @param memory Memory: `"16 GB"`, or a number of bytes. At first all there is. `NULL`, the default, changes nothing.
#' @return A data frame with a row for each resource, invisibly for `set_host_resources()`. Columns: `resource`, `total`
#'   and `free` (memory in bytes), `ids`.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument has the wrong type or value.
#' @seealso [resource_options()]
#' @examplesIf espalier:::espalier_python_ready()
#' get_host_resources()
#' \dontrun{
#' set_host_resources(cpus = 2)
#' }
#' @export
get_host_resources <- function() host_table(Host__resources())

host_table <- function(found) structure(found, class = c("espalier_host_resources", class(found)))

#' @export
print.espalier_host_resources <- function(x, ...) {
  shown <- drop_table_class(x)
  for (column in intersect(c("total", "free"), names(shown))) {
    values <- as.numeric(shown[[column]])
    shown[[column]] <- ifelse(shown$resource %in% "memory", format_bytes(values), vapply(values, format, ""))
  }
  print_plain(shown, ...)
  invisible(x)
}

#' @rdname get_host_resources
#' @export
set_host_resources <- function(cpus = NULL, gpus = NULL, memory = NULL) {
  ids <- if (is.null(gpus)) NULL else check_strings(as.character(gpus), "gpus")
  invisible(host_table(Host__resources(check_number(cpus, "cpus", null = TRUE), ids, memory_argument(memory, "memory"))))
}

#' Start queued runs after a reboot
#'
#' Use this if queued runs must go on after a reboot, before you use espalier again. Otherwise calls of espalier, ending
#' runs, and the keeper start them. The keeper is a small process that lives while anything is queued.
#'
#' `install_keeper()` adds a timer of systemd for your user, or an entry `@reboot` of cron where there is no systemd.
#' With systemd your user needs lingering: `loginctl enable-linger`.
#'
#' @return `install_keeper()`, invisibly, and `get_keeper_status()`: a list with `running` (whether the keeper runs
#'   now), `how` (`"systemd"`, `"cron"` or `NULL`) and `command` (the command that it calls). `uninstall_keeper()`:
#'   invisibly, whether there was something to remove.
#' @section Errors:
#' * `espalier_error_not_supported`: the machine has neither systemd nor cron.
#' @seealso [get_host_resources()], [espalier_sitrep()]
#' @examplesIf espalier:::espalier_python_ready()
#' get_keeper_status()
#' @export
install_keeper <- function() {
  status <- Host__keeper_install()
  say(c(v = "After a reboot {status$how} starts queued runs.", " " = "Undo: {.code uninstall_keeper()}"))
  invisible(status)
}

#' @rdname install_keeper
#' @export
uninstall_keeper <- function() invisible(Host__keeper_uninstall())

#' @rdname install_keeper
#' @export
get_keeper_status <- function() Host__keeper_status()
