#' Plot the metrics of a run
#'
#' One panel for each metric that was logged more than once, over its steps (or its order).
#'
#' @param x A run.
#' @param metrics Names of the metrics to draw; by default all that were logged more than once.
#' @param ... Passed to [plot()][graphics::plot.default].
#' @return The data frame drawn, invisibly.
#' @section Errors: `espalier_error_bad_argument` when there is nothing to draw.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' for (i in 1:20) log_metric_to_run("loss", exp(-i / 5), step = i)
#' complete_run(run)
#' plot(run)
#' @export
plot.Run <- function(x, metrics = NULL, ...) {
  history <- get_run_metric_history(x)
  at <- seq_len(nrow(history))
  split(at, history$name) <- lapply(split(at, history$name), seq_along)
  history$at <- at
  history <- history[is.finite(suppressWarnings(as.numeric(history$value))), , drop = FALSE]
  counts <- table(history$name)
  names <- metrics %||% names(counts)[counts > 1L]
  unknown <- setdiff(names, names(counts))
  if (length(unknown) || !length(names)) {
    espalier_abort(
      "bad_argument", if (length(unknown)) sprintf("The run has no numeric metric \"%s\".", unknown[[1]]) else
        "The run has no metric that was logged more than once.",
      if (length(counts)) paste0("Its metrics: ", paste(names(counts), collapse = ", "), "; choose with metrics =.")
    )
  }
  old <- graphics::par(mfrow = grDevices::n2mfrow(length(names)))
  on.exit(graphics::par(old))
  for (name in names) {
    rows <- history[history$name == name, , drop = FALSE]
    ordered <- anyNA(rows$step)
    drawn <- list(x = if (ordered) rows$at else rows$step, y = as.numeric(rows$value), type = "o", pch = 20,
                  xlab = if (ordered) "order of logging" else "step", ylab = name)
    do.call(graphics::plot, utils::modifyList(drawn, list(...)))
  }
  invisible(history[history$name %in% names, c("name", "step", "value", "time"), drop = FALSE])
}
