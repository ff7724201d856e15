# Series in panels side by side, sized by the device: small margins, one title and, where panels share it, one x axis.

# Inches that a panel takes at least; panels that don't fit go to further pages.
.panel_inches <- c(1.5, 0.95)

#' Draw series, a panel each
#'
#' @param panels Lists of `name`, `x`, `y`, `xlab` and perhaps `ylim`.
#' @param title What is drawn.
#' @param settings The user's, for [plot()][graphics::plot.default]: `main` and `xlab` take the place of ours.
#' @noRd
draw_panels <- function(panels, title, settings) {
  title <- settings$main %||% title
  if (!is.null(settings$xlab)) panels <- lapply(panels, replace, "xlab", settings$xlab)
  several <- length(panels) > 1L
  old <- graphics::par(c(if (several) c("mfrow", "oma"), "mar", "mgp", "tcl", "lab", "cex"))
  on.exit(graphics::par(old))
  shape <- if (several) panel_shape(length(panels), graphics::par("din")) else c(1L, 1L)
  # (one panel goes where the user's own layout has it)
  if (several) graphics::par(mfrow = shape)
  size <- if (several) graphics::par("din") / rev(shape) else graphics::par("fin")
  same <- function(values) several && length(unique(values)) == 1L
  one_label <- same(lapply(panels, `[[`, "xlab"))
  one_axis <- one_label && same(lapply(panels, function(panel) range(panel$x)))
  graphics::par(
    cex = min(1, max(0.6, sqrt(prod(size)) / 3)), mgp = c(1.4, 0.35, 0), tcl = -0.25,
    lab = c(pmax(2L, pmin(7L, as.integer(size / c(0.8, 0.5)))), 7L),
    mar = c(0, 0, 0, 0)
  )
  if (several) graphics::par(oma = c(if (one_axis) 2.2 else if (one_label) 1.2 else 0, 0, 1.8, 0))
  left <- left_margin(panels, settings)
  graphics::par(mar = c(if (one_axis) 0.6 else if (one_label) 1.5 else 2.6, left, if (several) 1.5 else 3, 1))
  for (at in seq_along(panels)) {
    place <- (at - 1L) %% prod(shape) + 1L
    lowest <- place + shape[2L] > prod(shape) || at + shape[2L] > length(panels)
    draw_panel(panels[[at]], settings, ticks = lowest || !one_axis, label = !one_label)
    if (place == 1L) draw_title(title, several, line = if (several) 0.4 else 1.6)
    if (place == 1L && one_label) {
      draw_label(panels[[1L]]$xlab, 1L, line = if (one_axis) 0.9 else 0.1, outer = TRUE)
    }
  }
}

#' Rows and columns of a page, such that panels are about 1.7 times as wide as high and few places stay empty
#' @noRd
panel_shape <- function(count, inches) {
  most <- as.integer(pmax(1, inches / .panel_inches))
  count <- min(count, prod(most))
  columns <- seq_len(min(count, most[1L]))
  rows <- ceiling(count / columns)
  ratio <- (inches[1L] / columns) / (inches[2L] / rows)
  misfit <- abs(log(ratio / 1.7)) + (rows * columns - count) / count + ifelse(rows > most[2L], Inf, 0)
  best <- which.min(misfit)
  as.integer(c(rows[best], columns[best]))
}

#' Lines that the widest label of the y axes takes, horizontal, with the user's own label beside it
#'
#' Labels can be measured once a figure has begun: it begins one, which the first panel then goes on with.
#' @noRd
left_margin <- function(panels, settings) {
  graphics::plot.new()
  labels <- lapply(panels, function(panel) {
    y <- settings$ylim %||% panel$ylim %||% panel$y
    logarithmic <- if (grepl("y", settings$log %||% "", fixed = TRUE)) "y" else ""
    if (nzchar(logarithmic)) y <- y[y > 0]
    graphics::plot.window(c(0, 1), range(y, finite = TRUE), log = logarithmic)
    format(graphics::axTicks(2L))
  })
  graphics::par(new = TRUE)
  wide <- max(graphics::strwidth(unlist(labels), "inches", cex = settings$cex.axis %||% 1))
  # (the labels stand off the axis by a third of a line, and don't touch the edge)
  wide / (graphics::par("csi") * graphics::par("mex")) + 0.9 + if (is.null(settings$ylab)) 0 else 1.2
}

draw_panel <- function(panel, settings, ticks, label) {
  usual <- list(
    x = panel$x, y = panel$y, type = if (length(panel$x) > 100L) "l" else "o", pch = 20, col = "#1f5a94", bty = "l",
    las = 1, ylim = panel$ylim, xaxt = "n"
  )
  args <- utils::modifyList(usual, settings[setdiff(names(settings), c("main", "xlab", "ylab"))])
  do.call(graphics::plot, c(args, list(xlab = "", ylab = "")))
  # (that of the lowest panels has its labels beyond the figure)
  if (is.null(settings$xaxt) && !isFALSE(settings$axes)) graphics::axis(1L, labels = ticks, xpd = NA)
  if (label) draw_label(panel$xlab, 1L, line = 1.5)
  if (!is.null(settings$ylab)) draw_label(settings$ylab, 2L, line = graphics::par("mar")[2L] - 1.1)
  name <- fitted_text(panel$name, 0.95 * graphics::par("fin")[1L])
  draw_label(name, 3L, line = 0.3, adj = 0, at = graphics::grconvertX(0.02, "nfc", "user"))
}

draw_title <- function(title, outer, line = 0.6) {
  wide <- graphics::par(if (outer) "din" else "fin")[1L]
  draw_label(fitted_text(title, 0.95 * wide, font = 2L), 3L, line = line, outer = outer, font = 2L)
}

# (mtext() alone doesn't scale with the panel)
draw_label <- function(text, side, ...) graphics::mtext(text, side, cex = graphics::par("cex"), ...)

#' A text with an ellipsis in its middle if it is wider than so many inches
#' @noRd
fitted_text <- function(text, inches, font = 1L) {
  fits <- function(text) graphics::strwidth(text, "inches", font = font) <= inches
  count <- nchar(text)
  kept <- count
  short <- text
  while (!fits(short) && kept > 4L) {
    kept <- kept - 1L
    short <- paste0(substr(text, 1L, ceiling(kept / 2)), "...", substring(text, count - floor(kept / 2) + 1L))
  }
  short
}
