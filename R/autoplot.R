# ggplot2's autoplot(), for who has ggplot2: the same panels as plot() draws.

# (of ggplot2, in aes())
utils::globalVariables(".data")

#' Plot runs with ggplot2
#'
#' Use these in place of [plot()][plot.Run] to change a theme, a scale or a label with ggplot2, or to combine plots.
#' They need the package ggplot2.
#'
#' @param object A run, a chart of [get_run_metrics()], the result of [list_runs()], or a list of runs.
#' @param metrics Of a run: character vector of names of metrics, or a list of them, as in [plot()][plot.Run]. Default:
#'   all.
#' @param metric,curves Of several runs, as in [plot()][plot.espalier_run_table].
#' @param ... Not used.
#' @return A ggplot. A run's charts aren't drawn together with its series: plot one by
#'   `autoplot(get_run_metrics(run)$roc)`.
#' @section Errors:
#' * `espalier_error_bad_argument`: there is nothing to draw.
#' @seealso [plot.Run], [plot.espalier_run_table]
#' @examplesIf espalier:::espalier_python_ready() && requireNamespace("ggplot2", quietly = TRUE)
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' for (i in 1:20) log_metric_to_run("loss", exp(-i / 5), step = i)
#' complete_run(run)
#' ggplot2::autoplot(run) + ggplot2::scale_y_log10()
#' @name autoplot.Run
NULL

#' @rdname autoplot.Run
#' @exportS3Method ggplot2::autoplot
autoplot.Run <- function(object, metrics = NULL, ...) {
  panels <- panels_of_run(object, metrics)$panels
  series <- Filter(function(panel) is.null(panel$chart), panels)
  if (length(series)) {
    charts <- vapply(setdiff(panels, series), `[[`, "", "name")
    if (length(charts)) {
      say(c(
        i = "Not drawn, because charts and series are different plots: {charts}.",
        " " = "Use {.code plot(run)} for all, or {.code autoplot(get_run_metrics(run)[[{encodeString(charts[1L], quote = '\"')}]])}."
      ))
    }
    return(gg_series(series, paste("Run", identity_of(object)[["id"]])))
  }
  if (length(panels) == 1L) return(gg_chart(panels[[1L]]$chart, panels[[1L]]$name))
  refuse_metric("The run has no metric that was logged more than once, but several charts.", vapply(panels, `[[`, "", "name"))
}

#' @rdname autoplot.Run
#' @exportS3Method ggplot2::autoplot
autoplot.espalier_run_table <- function(object, metric = NULL, curves = NULL, ...) {
  found <- compared_runs(object, metric, curves)
  title <- paste(found$metric, collapse = ", ")
  if (!is.null(found$panels)) return(gg_series(found$panels, title, found$keys[[1L]]))
  # (from above, in the order of the table)
  found$drawn$label <- factor(found$drawn$label, rev(unique(found$drawn$label)))
  ggplot2::ggplot(found$drawn, ggplot2::aes(.data$value, .data$label)) +
    ggplot2::geom_point(colour = .series_colours[1L]) +
    ggplot2::labs(title = title, x = "last value", y = NULL)
}

#' @rdname autoplot.Run
#' @exportS3Method ggplot2::autoplot
autoplot.espalier_runs <- function(object, metric = NULL, curves = NULL, ...) {
  autoplot.espalier_run_table(table_of_runs(object), metric, curves)
}

#' @rdname autoplot.Run
#' @exportS3Method ggplot2::autoplot
autoplot.espalier_chart <- function(object, ...) gg_chart(object, chart_title(object))

#' @param labels Of the runs, for one legend; else the series' own names are the labels.
#' @noRd
gg_series <- function(panels, title, labels = NULL) {
  data <- do.call(rbind, lapply(panels, function(panel) {
    panel <- thin_panel(panel)
    do.call(rbind, lapply(panel$series, function(series) {
      y <- ifelse(is.finite(series$y), series$y, NA)
      data.frame(panel = panel$name, series = series$label, style = series$style, x = series$x, y = y)
    }))
  }))
  names <- if (is.null(labels)) unique(data$series) else make.unique(labels, " ")
  data$panel <- factor(data$panel, unique(data$panel))
  data$series <- factor(data$series, names)
  keyed <- if (is.null(labels)) unlist(lapply(panels, function(panel) key_choices(panel)[[1L]])) else names
  # (the first of each panel looks the same, as in plot())
  style <- if (is.null(labels)) data$style[match(names, data$series)] else seq_along(names)
  styles <- series_styles(max(style))
  scale_of <- function(scale, values) {
    scale(values = structure(values[style], names = names), breaks = if (length(keyed)) keyed else names)
  }
  xlab <- unique(vapply(panels, `[[`, "", "xlab"))
  shared <- shared_axis(panels, list())$axis
  aes <- ggplot2::aes(.data$x, .data$y, colour = .data$series, linetype = .data$series, shape = .data$series)
  plot <- ggplot2::ggplot(data, aes) +
    ggplot2::geom_line(na.rm = TRUE, show.legend = length(keyed) > 0L) +
    scale_of(ggplot2::scale_colour_manual, styles$col) +
    scale_of(ggplot2::scale_linetype_manual, styles$lty) +
    scale_of(ggplot2::scale_shape_manual, styles$pch) +
    ggplot2::labs(
      title = title, x = if (length(xlab) == 1L) xlab, y = if (length(panels) == 1L) panels[[1L]]$name,
      colour = NULL, linetype = NULL, shape = NULL
    ) +
    ggplot2::theme(legend.position = "top")
  if (all(data$x == round(data$x), na.rm = TRUE)) {
    plot <- plot + ggplot2::scale_x_continuous(breaks = function(limits) axis_ticks(pretty(limits), data$x))
  }
  if (max(table(data$panel, data$series)) <= styles$points) {
    plot <- plot + ggplot2::geom_point(na.rm = TRUE, show.legend = length(keyed) > 0L)
  }
  if (length(panels) > 1L) plot <- plot + ggplot2::facet_wrap("panel", scales = if (shared) "free_y" else "free")
  plot
}

gg_chart <- function(chart, title) {
  title <- paste0(title, chart_remark(chart))
  data <- as.data.frame(chart)
  colour <- .series_colours[1L]
  switch(chart$schema_type,
    confusion_matrix = {
      totals <- tapply(data$count, data$truth, sum)[as.character(data$truth)]
      data$share <- as.vector(ifelse(totals > 0, data$count / totals, 0))
      data$truth <- factor(data$truth, rev(levels(data$truth)))
      ggplot2::ggplot(data, ggplot2::aes(.data$predicted, .data$truth, fill = .data$share)) +
        ggplot2::geom_tile(colour = "grey80") +
        ggplot2::geom_text(ggplot2::aes(label = .data$count), colour = ifelse(data$share > 0.75, "white", "black")) +
        ggplot2::scale_fill_gradient(low = "white", high = colour, limits = 0:1) +
        ggplot2::labs(title = title, fill = "share of truth")
    },
    accuracy_table = {
      curves <- drawn_curves(chart)
      data <- do.call(rbind, Map(function(name, points) data.frame(class = name, points), names(curves), curves))
      styles <- series_styles(length(curves))
      ggplot2::ggplot(data, ggplot2::aes(.data$false, .data$true, colour = .data$class, linetype = .data$class)) +
        ggplot2::geom_abline(linetype = 3, colour = "grey50") +
        ggplot2::geom_line(show.legend = length(curves) > 1L) +
        ggplot2::scale_colour_manual(values = styles$col) +
        ggplot2::scale_linetype_manual(values = styles$lty) +
        ggplot2::labs(title = title, x = "false positive rate", y = "true positive rate")
    },
    predictions = {
      data <- data[!is.na(data$average), ]
      data$middle <- (data$from + data$to) / 2
      spread <- ggplot2::aes(ymin = .data$average - .data$error, ymax = .data$average + .data$error)
      ggplot2::ggplot(data, ggplot2::aes(.data$middle, .data$average)) +
        ggplot2::geom_abline(linetype = 3, colour = "grey50") +
        ggplot2::geom_pointrange(spread, colour = colour) +
        ggplot2::labs(title = title, x = "true value", y = "predicted")
    },
    residuals = ggplot2::ggplot(data) +
      ggplot2::geom_rect(
        ggplot2::aes(xmin = .data$from, xmax = .data$to, ymin = 0, ymax = .data$count), fill = "#A6CEE8", colour = "white"
      ) +
      ggplot2::labs(title = title, x = "residual", y = "rows")
  )
}
