#' Get or set the resources for runs
#'
#' Use these to keep a part of the machine for other work, or to find out what is free. The numbers hold for all your runs on
#' this machine, in all workspaces together. What is submitted beyond them waits in the queue. A run takes one processor
#' unless it asks for more ([resource_options()]), so `cpus` is also how many such runs are executed at once. A job that takes more than it
#' asked for isn't stopped.
#'
#' @param cpus How many processors, a whole number of at least 1. At first all that you may use.
#' @param gpus Which graphics processors, by the ids that `CUDA_VISIBLE_DEVICES` takes, such as `c("0", "1")`;
#'   `character()` for none. At first those that NVIDIA's driver lists.
#' @param memory How much memory: `"16 GB"`, or a number of bytes. At first all there is. `NULL`, the default of all three,
#'   changes nothing.
#' @return A data frame with a row for each resource: `resource`, `total`, `free` (memory in bytes), `ids`; of
#'   `set_host_resources()` invisibly.
#' @section Errors: `espalier_error_bad_argument`.
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
#' Use this if queued runs must go on after a reboot, before you use espalier again. Otherwise queued runs are started by
#' calls of espalier, by runs that end, and by the keeper, a small process that lives while anything is queued. `install_keeper()` lets systemd (a timer of yours) or, where there is none, cron (an entry `@reboot` of yours)
#' start them as well. With systemd that needs lingering to be on for you: `loginctl enable-linger`.
#'
#' @return `install_keeper()` and `get_keeper_status()` a list: `running` (whether the keeper runs now), `how` (`"systemd"`,
#'   `"cron"` or `NULL`) and `command` (what is called); `uninstall_keeper()` whether there was something. The two that
#'   change something return invisibly.
#' @section Errors: `espalier_error_not_supported` where there is neither.
#' @examplesIf espalier:::espalier_python_ready()
#' get_keeper_status()
#' @export
install_keeper <- function() {
  status <- Host__keeper_install()
  say(c(v = "After a reboot the queue is moved on by {status$how}.", " " = "Undo: {.code uninstall_keeper()}"))
  invisible(status)
}

#' @rdname install_keeper
#' @export
uninstall_keeper <- function() invisible(Host__keeper_uninstall())

#' @rdname install_keeper
#' @export
get_keeper_status <- function() Host__keeper_status()
