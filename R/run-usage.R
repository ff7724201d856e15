#' Get the resource use of a run
#'
#' Use it to see how many processors and how much memory a job needs. [plot()] draws the samples.
#'
#' Samples are taken each second at first, and less often the longer the run takes. A job of less than a second has
#' none. The sums of an ended run are in `get_run_details(run)$usage`, and in columns of [list_runs()].
#'
#' @param run A run.
#' @return A data frame of class `espalier_usage` with a row for each sample:
#' * `time`, and `seconds` since the start;
#' * `cores`: processors in use since the sample before;
#' * `cpu_seconds`: seconds of processors used so far;
#' * `memory_bytes` and `processes` at that moment. Memory that processes share counts for each of them;
#' * `read_bytes` and `written_bytes`: from and to disks, so far;
#' * `gpu_memory_bytes`, if there is a GPU.
#' @section Errors:
#' * `espalier_error_run_missing`: the run doesn't exist.
#' * `espalier_error_damaged`: the samples can't be read. If only some lines are damaged, the rest is returned with the
#'   warning `espalier_warning_damaged`.
#' * `espalier_error_bad_argument`: `plot()` finds no samples.
#' @seealso [get_run_details()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- submit_experiment(experiment(ws, "busy"), script_run_config(command = c("sleep", "1.5")))
#' wait_for_run_completion(run, show_output = FALSE)
#' get_run_usage(run)
#' @export
get_run_usage <- function(run) {
  check_object(run, "Run", "run")
  used <- run$get_usage()
  structure(used, class = c("espalier_usage", class(used)), run_id = identity_of(run)[["id"]])
}

#' @rdname get_run_usage
#' @param x A table of `get_run_usage()`.
#' @param ... Passed to [plot()][graphics::plot.default].
#' @export
plot.espalier_usage <- function(x, ...) {
  all <- x
  # (of a job that is ending its last sample finds processes without memory)
  alive <- which(x$memory_bytes > 0)
  x <- x[seq_len(max(0L, alive)), , drop = FALSE]
  if (!nrow(x)) espalier_abort("bad_argument", "Can't plot the use: there are no samples.",
                               "A job has its first one after a second.")
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
