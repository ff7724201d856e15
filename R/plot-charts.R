# Charts in a panel: confusion matrix, ROC curves of an accuracy table, predictions, residuals.

#' Labels of the curves, where there are several
#' @noRd
chart_keys <- function(chart) {
  curves <- drawn_curves(chart)
  if (length(curves) < 2L) return(list(NULL))
  areas <- vapply(curves, area_under, 0)
  list(sprintf("%s, AUC %.3f", names(curves), areas), sprintf("%s %.2f", names(curves), areas))
}

# Of two classes the second one: the first one's curve is its mirror image.
drawn_curves <- function(chart) {
  if (chart$schema_type != "accuracy_table") return(NULL)
  curves <- roc_curves(chart)
  if (length(curves) == 2L) curves[2L] else curves
}

#' What stands beside the name of a chart
#' @noRd
chart_remark <- function(chart) {
  curves <- drawn_curves(chart)
  if (length(curves) == 1L) return(sprintf(", AUC %.3f", area_under(curves[[1L]])))
  if (chart$schema_type == "predictions") return(", mean \u00b1 sd")
  if (chart$schema_type != "confusion_matrix") return("")
  counts <- chart$data$matrix
  if (sum(counts) > 0) sprintf(", accuracy %.3f", sum(diag(counts)) / sum(counts)) else ""
}

#' Lines that the labels of the y axis take
#' @noRd
chart_margin <- function(chart, inches) {
  labels <- switch(chart$schema_type,
    confusion_matrix = fitted_texts(chart$data$class_labels, 0.25 * inches), accuracy_table = "0.0",
    predictions = format(pretty(chart$data$bin_edges)), residuals = format(pretty(chart$data$bin_counts), big.mark = ",")
  )
  widest_lines(labels) + 2.1
}

draw_chart <- function(panel, styles) {
  chart <- panel$chart
  names <- switch(chart$schema_type,
    confusion_matrix = draw_confusion(chart$data),
    accuracy_table = draw_roc(drawn_curves(chart), styles),
    predictions = draw_predictions(chart$data),
    residuals = draw_residuals(chart$data)
  )
  draw_label(fitted_text(panel$xlab %||% names[1L], 0.95 * graphics::par("fin")[1L]), 1L, line = 1.5)
  draw_ylab(panel$ylab %||% names[2L])
}

#' Shares of each true class, from white to blue, with the counts where they fit
#' @noRd
draw_confusion <- function(data) {
  counts <- data$matrix
  count <- nrow(counts)
  graphics::plot.new()
  graphics::plot.window(c(0.5, count + 0.5), c(count + 0.5, 0.5), xaxs = "i", yaxs = "i")
  totals <- rowSums(counts)
  share <- counts / ifelse(totals > 0, totals, 1)
  shades <- grDevices::colorRampPalette(c("white", .series_colours[1L]))(101L)
  at <- cbind(as.vector(col(counts)), as.vector(row(counts)))
  # (a picture of many cells is one object, not one of each cell)
  if (count > 100L) {
    cells <- matrix(shades[round(100 * share) + 1L], count)
    graphics::rasterImage(cells, 0.5, count + 0.5, count + 0.5, 0.5, interpolate = FALSE)
  } else graphics::rect(at[, 1L] - 0.5, at[, 2L] - 0.5, at[, 1L] + 0.5, at[, 2L] + 0.5,
                 col = shades[round(100 * as.vector(share)) + 1L], border = if (count <= 30L) "grey80" else NA)
  cell <- graphics::par("pin") / count
  texts <- if (count <= 100L) format(as.vector(counts), big.mark = ",", trim = TRUE)
  if (count <= 100L && max(graphics::strwidth(texts, "inches")) < 0.9 * cell[1L] && graphics::strheight("0", "inches") < 0.8 * cell[2L]) {
    graphics::text(at[, 1L], at[, 2L], texts, col = ifelse(as.vector(share) > 0.75, "white", "black"))
  }
  # (every second, third, ... class where there are too many for a label each)
  labelled <- function(side, by, room) {
    shown <- seq(1L, count, by = by)
    graphics::axis(side, shown, fitted_texts(data$class_labels[shown], room), tick = FALSE, las = 1, gap.axis = 0)
  }
  across <- max(1L, ceiling(4 * graphics::par("cin")[1L] * graphics::par("cex") / cell[1L]))
  labelled(1L, across, 0.92 * across * cell[1L])
  labelled(2L, max(1L, ceiling(line_inches() / cell[2L])), 0.25 * graphics::par("fin")[1L])
  c("predicted", "truth")
}

draw_roc <- function(curves, styles) {
  graphics::plot.new()
  graphics::plot.window(0:1, 0:1)
  draw_axes()
  graphics::segments(0, 0, 1, 1, lty = 3, col = "grey50")
  for (at in seq_along(curves)) {
    style <- style_at(styles, at)
    graphics::lines(curves[[at]]$false, curves[[at]]$true, col = style$col, lty = style$lty, lwd = style$lwd)
  }
  c("false positive rate", "true positive rate")
}

#' Means with a standard deviation to both sides, and where they would be if all predictions were right
#' @noRd
draw_predictions <- function(data) {
  edges <- data$bin_edges
  middle <- (edges[-1L] + edges[-length(edges)]) / 2
  mean <- as.double(data$bin_averages)
  error <- as.double(data$bin_errors)
  error[is.na(error)] <- 0
  graphics::plot.new()
  graphics::plot.window(range(edges), range(c(mean - error, mean + error, range(edges)), finite = TRUE))
  draw_axes()
  limits <- range(edges)
  graphics::segments(limits[1L], limits[1L], limits[2L], limits[2L], lty = 3, col = "grey50")
  graphics::segments(middle, mean - error, middle, mean + error, col = .series_colours[1L])
  graphics::points(middle, mean, pch = 16, col = .series_colours[1L])
  c("true value", "predicted")
}

draw_residuals <- function(data) {
  edges <- data$bin_edges
  graphics::plot.new()
  graphics::plot.window(range(edges), c(0, max(data$bin_counts, 1)), yaxs = "i")
  draw_axes()
  graphics::rect(edges[-length(edges)], 0, edges[-1L], data$bin_counts, col = "#A6CEE8", border = "white")
  if (min(edges) < 0 && max(edges) > 0) graphics::abline(v = 0, lty = 3, col = "grey30")
  c("residual", "rows")
}

draw_axes <- function() {
  graphics::axis(1L)
  graphics::axis(2L, las = 1)
  graphics::box(bty = "l")
}
