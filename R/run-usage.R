#' Get the resource use of a run
#'
#' Processors, memory and disks that the job's processes used while it ran, sampled each second at first and less often
#' the older the run is. Jobs of less than a second have no samples. What a run used in all, once it has ended, is in
#' `get_run_details(run)$usage`, and in the columns `cpu_seconds` and `max_memory_bytes` of [list_runs()].
#'
#' @param run A run.
#' @return A data frame of class `espalier_usage`, a row a sample: `time`, `seconds` since the start, `cores` (processors
#'   in use since the sample before), `cpu_seconds` so far, `memory_bytes` and `processes` at that moment, `read_bytes`
#'   and `written_bytes` (from and to disks) so far; `gpu_memory_bytes` where there is a GPU. Memory that processes share
#'   counts for each of them.
#' @section Errors: `espalier_error_run_missing`; `espalier_error_damaged` if the samples can't be read at all. Damaged lines
#'   are left out with a warning, `espalier_warning_damaged`.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- submit_experiment(experiment(ws, "busy"), script_run_config(command = c("sleep", "1.5")))
#' wait_for_run_completion(run, show_output = FALSE)
#' get_run_usage(run)
#' get_run_details(run)$usage
#' @export
get_run_usage <- function(run) {
  check_object(run, "Run", "run")
  used <- run$get_usage()
  structure(used, class = c("espalier_usage", class(used)), run_id = identity_of(run)[["id"]])
}

#' @rdname get_run_usage
#' @param x What `get_run_usage()` gave.
#' @param ... Passed to [plot()][graphics::plot.default].
#' @export
plot.espalier_usage <- function(x, ...) {
  all <- x
  # (of a job that is ending its last sample finds processes without memory)
  alive <- which(x$memory_bytes > 0)
  x <- x[seq_len(max(0L, alive)), , drop = FALSE]
  if (!nrow(x)) espalier_abort("bad_argument", "There are no samples to plot.", "The job took less than a second, or waits.")
  drawn <- list("cores" = x$cores, "memory, MB" = x$memory_bytes / 1e6,
                "read and written, MB" = (x$read_bytes + x$written_bytes) / 1e6)
  if (!is.null(x$gpu_memory_bytes)) drawn[["GPU memory, MB"]] <- x$gpu_memory_bytes / 1e6
  panels <- lapply(names(drawn), function(name) {
    series <- list(list(label = name, x = x$seconds, y = drawn[[name]]))
    list(name = name, series = series, xlab = "seconds", ylim = c(0, max(drawn[[name]], 0, na.rm = TRUE)))
  })
  title <- attr(all, "run_id", exact = TRUE)
  draw_panels(panels, if (is.null(title)) "Usage" else paste("Usage of run", title), list(...))
  invisible(all)
}
