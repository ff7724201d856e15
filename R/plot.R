#' Plot the metrics of a run
#'
#' Use it to look at learning curves, also while the run goes on. Each metric that was logged more than once gets a
#' panel. `train_loss` and `val_loss`, or `loss` and `val_loss`, share a panel. Charts of
#' [log_confusion_matrix_to_run()] are drawn too.
#'
#' As many panels are drawn as fit on one page, and a message names the others. Panels of metrics that you name go to
#' further pages. A line has a gap at a value that is `NA`, `NaN` or infinite, or not above zero on a log scale. Of a
#' very long series, each column of pixels shows the least and the largest value.
#'
#' @param x A run, or a chart of [get_run_metrics()].
#' @param metrics Character vector: metrics to draw, a panel each. Or a list with an element for each panel, whose name
#'   is the panel's title: `list(loss = c("train", "val"))`. By default all metrics that were logged more than once, and
#'   all charts.
#' @param ... Passed to [plot()][graphics::plot.default], such as `log = "y"`, `ylim`, `col`, `lwd`, `main`, `xlab`,
#'   `ylab`.
#' @return The data frame drawn, invisibly: `name`, `step`, `value` and `time`.
#' @section Errors:
#' * `espalier_error_bad_argument`: there is nothing to draw, or the run has no such metric.
#' @seealso [plot()][plot.espalier_run_table] of several runs, [autoplot()][autoplot.Run] for ggplot2.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' for (i in 1:20) {
#'   log_metric_to_run("train_loss", exp(-i / 5), step = i)
#'   log_metric_to_run("val_loss", 0.1 + exp(-i / 6), step = i)
#' }
#' complete_run(run)
#' plot(run)
#' plot(run, "val_loss", log = "y")
#' @export
plot.Run <- function(x, metrics = NULL, ...) {
  found <- panels_of_run(x, metrics)
  panels <- found$panels
  if (is.null(metrics)) panels <- fitting_panels(panels)
  draw_panels(panels, paste("Run", identity_of(x)[["id"]]), list(...))
  invisible(found$history)
}

#' The panels that fit on a page; the others are named
#' @noRd
fitting_panels <- function(panels) {
  fits <- panels_on_page(length(panels))
  if (fits == length(panels)) return(panels)
  others <- vapply(panels[-seq_len(fits)], `[[`, "", "name")
  others <- c(utils::head(others, 5L), if (length(others) > 5L) sprintf("%d more", length(others) - 5L))
  say(c(
    i = "{fits} of {length(panels)} panels fit on the device. Not drawn: {others}.",
    " " = "Choose with {.code metrics =}, or draw on a larger device."
  ))
  panels[seq_len(fits)]
}

#' @rdname plot.Run
#' @export
plot.espalier_chart <- function(x, ...) {
  settings <- list(...)
  draw_panels(list(list(name = chart_title(x), chart = x)), paste0(chart_title(x), chart_remark(x)), settings)
  invisible(as.data.frame(x))
}

#' Show the details of a run
#'
#' Use it for a quick look at a run. It prints [get_run_details()], and draws the metrics as [plot()][plot.Run] does.
#' Call it again while the run goes on.
#'
#' @param run A run.
#' @return The run, invisibly.
#' @section Errors:
#' * `espalier_error_run_missing`: the run doesn't exist.
#' @seealso [get_run_details()], [plot()][plot.Run]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' for (i in 1:20) log_metric_to_run("loss", exp(-i / 5), step = i)
#' complete_run(run)
#' plot_run_details(run)
#' @export
plot_run_details <- function(run) {
  check_object(run, "Run", "run")
  print(get_run_details(run))
  # (a run without metrics is nothing unusual here)
  found <- tryCatch(panels_of_run(run, NULL), espalier_error_bad_argument = function(e) NULL)
  if (!is.null(found)) draw_panels(fitting_panels(found$panels), paste("Run", identity_of(run)[["id"]]), list())
  invisible(run)
}
