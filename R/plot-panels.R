# Panels side by side, sized by the device: small margins, one title, one legend and, where panels share it, one x axis.
#
# A panel is a list of `name`, `series` (each a list of `label`, `x`, `y`), `xlab` and perhaps `ylim`; or of `name` and
# `chart`, see plot-charts.R.

# Inches that a panel takes at least; panels that don't fit go to further pages.
.panel_inches <- c(1.5, 0.95)

#' Draw panels
#'
#' @param panels What is drawn.
#' @param title What it is of.
#' @param settings The user's, for [plot()][graphics::plot.default]: `main`, `xlab` and `ylab` take the place of ours.
#' @param keys Labels of the series that all panels have, for one legend above them: a list of these, and of shorter
#'   ones for where they are too long. Without them a panel with several series has its own legend.
#' @noRd
draw_panels <- function(panels, title, settings, keys = NULL) {
  title <- settings$main %||% title
  if (!is.null(settings$xlab)) panels <- lapply(panels, replace, "xlab", settings$xlab)
  panels <- lapply(panels, thin_panel)
  several <- length(panels) > 1L
  old <- graphics::par(c(if (several) c("mfrow", "oma"), "mar", "mgp", "tcl", "lab", "cex"))
  on.exit(graphics::par(old))
  shape <- if (several) panel_shape(length(panels), graphics::par("din")) else c(1L, 1L)
  # (one panel goes where the user's own layout has it)
  if (several) graphics::par(mfrow = shape)
  size <- if (several) graphics::par("din") / rev(shape) else graphics::par("fin")
  shared <- shared_axis(panels, settings)
  graphics::par(
    cex = min(1, max(0.62, sqrt(prod(size)) / 3.5)), mgp = c(1.4, 0.35, 0), tcl = -0.25,
    lab = c(pmax(2L, pmin(7L, as.integer(size / c(0.8, 0.5)))), 7L),
    mar = c(0, 0, 0, 0)
  )
  drawn <- vapply(panels, function(panel) max(length(panel$series), length(key_choices(panel)[[1L]])), 0L)
  styles <- series_styles(max(length(keys[[1L]]), drawn), settings)
  # (text can be measured once a figure has begun; the first panel goes on with it)
  graphics::plot.new()
  legend <- place_keys(keys, if (several) graphics::par("din")[1L] else size[1L], max_rows = 0.3 * graphics::par("din")[2L] / line_inches())
  heads <- if (is.null(keys)) lapply(panels, function(panel) place_keys(key_choices(panel), size[1L], 3))
  head_rows <- max(if (several) 1 else 0, vapply(heads, function(rows) length(rows), 0L))
  if (several) {
    graphics::par(oma = c(if (shared$axis) 2.3 else if (shared$label) 1.3 else 0, 0, 1.8 + length(legend), 0))
  }
  above <- 0.4 + head_rows * 1.1 + if (several) 0 else 1.6 + length(legend)
  ylab <- function(panel) settings$ylab %||% panel$ylab %||% if (!several && is.null(panel$chart)) panel$name
  left <- left_margin(Filter(function(panel) is.null(panel$chart), panels), settings)
  # (go on with the figure that was begun: `oma` alone would begin another page)
  if (several) graphics::par(mfg = c(1L, 1L)) else graphics::par(new = TRUE)
  for (at in seq_along(panels)) {
    panel <- panels[[at]]
    panel$ylab <- ylab(panel)
    place <- (at - 1L) %% prod(shape) + 1L
    lowest <- place + shape[2L] > prod(shape) || at + shape[2L] > length(panels)
    side <- if (is.null(panel$chart)) left else chart_margin(panel$chart, size[1L])
    graphics::par(mar = c(
      if (shared$axis) 0.6 else if (shared$label) 1.6 else 2.8, side + if (is.null(panel$ylab)) 0 else 1.2, above, 1
    ))
    draw_panel(panel, settings, styles, ticks = lowest || !shared$axis, label = !shared$label)
    keyed <- length(heads) && length(heads[[at]])
    if (keyed) {
      draw_keys(heads[[at]], styles, from_top = if (several) 0.2 else 1.6)
    } else if (several) {
      name <- fitted_text(panel_heading(panel), 0.95 * graphics::par("fin")[1L])
      draw_label(name, 3L, line = 0.3, adj = 0, at = graphics::grconvertX(0.02, "nfc", "user"))
    }
    if (place == 1L) {
      draw_title(title, several, line = if (several) 0.4 + length(legend) else above - 1.4)
      draw_keys(legend, styles, from_top = if (several) 1.7 else 1.6, outer = several)
      if (shared$label) draw_label(panels[[1L]]$xlab, 1L, line = if (shared$axis) 0.9 else 0.1, outer = TRUE)
    }
  }
}

#' Whether panels have the name of their x axis in common, and the axis itself
#' @noRd
shared_axis <- function(panels, settings) {
  plain <- length(panels) > 1L && all(vapply(panels, function(panel) is.null(panel$chart), NA))
  label <- plain && length(unique(lapply(panels, `[[`, "xlab"))) == 1L
  limits <- lapply(panels, function(panel) x_limits(panel, settings))
  list(label = label, axis = label && length(unique(limits)) == 1L)
}

x_limits <- function(panel, settings) {
  settings$xlim %||% range_of(lapply(panel$series, `[[`, "x"), grepl("x", settings$log %||% "", fixed = TRUE))
}

y_limits <- function(panel, settings) {
  settings$ylim %||% panel$ylim %||%
    range_of(lapply(panel$series, `[[`, "y"), grepl("y", settings$log %||% "", fixed = TRUE))
}

#' The range of what can be shown on an axis; of nothing some range
#' @noRd
range_of <- function(values, logarithmic) {
  values <- unlist(values, use.names = FALSE)
  values <- values[is.finite(values) & (!logarithmic | values > 0)]
  if (length(values)) range(values) else if (logarithmic) c(1, 10) else c(0, 1)
}

#' How many panels a page of the device takes
#' @noRd
panels_on_page <- function(count) {
  if (count < 2L) count else min(count, prod(panel_shape(count, graphics::par("din"))))
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

#' Lines that the widest label of the y axes takes, horizontal
#' @noRd
left_margin <- function(panels, settings) {
  labels <- lapply(panels, function(panel) {
    logarithmic <- if (grepl("y", settings$log %||% "", fixed = TRUE)) "y" else ""
    graphics::plot.window(c(0, 1), y_limits(panel, settings), log = logarithmic)
    axis_text(graphics::axTicks(2L))
  })
  # (the labels stand off the axis by a third of a line, and don't touch the edge)
  widest_lines(unlist(labels), settings$cex.axis) + 0.9
}

widest_lines <- function(labels, cex = NULL) {
  if (!length(labels)) return(0)
  max(graphics::strwidth(labels, "inches", cex = cex %||% 1)) / line_inches()
}

line_inches <- function() graphics::par("csi") * graphics::par("mex")

axis_text <- function(ticks) {
  # (as axis() itself would, but for 1e+05 and 100000, which differ in width)
  text <- format(ticks)
  if (all(grepl("^ *-?[0-9.]+$", text))) text else vapply(ticks, function(tick) format(tick), "")
}

#' Numbers of steps: 200k and 1.5M in place of 2e+05 and 1500000
#' @noRd
step_text <- function(ticks) {
  if (max(abs(ticks)) < 1e5) return(format(ticks, trim = TRUE))
  unit <- if (max(abs(ticks)) < 1e6) 1e3 else if (max(abs(ticks)) < 1e9) 1e6 else 1e9
  text <- format(ticks / unit, trim = TRUE, drop0trailing = TRUE)
  ifelse(ticks == 0, "0", paste0(text, c("k", "M", "G")[match(unit, c(1e3, 1e6, 1e9))]))
}

#' Of whole steps only the whole ticks: there is no step 1.5
#' @noRd
axis_ticks <- function(ticks, x) {
  x <- x[is.finite(x)]
  whole <- ticks[ticks == round(ticks)]
  if (length(x) && all(x == round(x)) && length(whole)) whole else ticks
}

#' The only point of a panel, of which an axis would show nothing; `NULL` where there are more
#' @noRd
only_point <- function(panel) {
  x <- unlist(lapply(panel$series, `[[`, "x"))
  y <- unlist(lapply(panel$series, `[[`, "y"))
  if (sum(is.finite(y)) == 1L && length(panel$series) == 1L) list(x = x[is.finite(y)], y = y[is.finite(y)])
}

draw_panel <- function(panel, settings, styles, ticks, label) {
  if (!is.null(panel$chart)) return(draw_chart(panel, styles))
  own <- settings[setdiff(names(settings), c("main", "xlab", "ylab", "col", "lty", "lwd", "pch", "type", "panel.first", "panel.last"))]
  usual <- list(
    x = NA, type = "n", bty = "l", las = 1, xlim = x_limits(panel, settings), ylim = y_limits(panel, settings), xaxt = "n"
  )
  point <- only_point(panel)
  if (!is.null(point)) usual$yaxt <- "n"
  if (grepl("y", settings$log %||% "", fixed = TRUE)) usual$x <- 1
  do.call(graphics::plot, c(utils::modifyList(usual, own), list(xlab = "", ylab = "")))
  eval(settings$panel.first)
  # (that of the lowest panels has its labels beyond the figure)
  if (is.null(settings$xaxt) && !isFALSE(settings$axes)) {
    at <- axis_ticks(graphics::axTicks(1L), unlist(lapply(panel$series, `[[`, "x")))
    if (!is.null(point)) at <- point$x
    graphics::axis(1L, at, labels = if (ticks) step_text(at) else FALSE, xpd = NA)
  }
  for (at in seq_along(panel$series)) draw_series(panel$series[[at]], style_at(styles, panel$series[[at]]$style %||% at), settings)
  if (!is.null(point)) graphics::text(point$x, point$y, format(point$y), pos = 3L)
  eval(settings$panel.last)
  if (label) draw_label(panel$xlab, 1L, line = 1.5)
  draw_ylab(panel$ylab)
}

draw_ylab <- function(text) {
  if (is.null(text)) return(invisible())
  draw_label(fitted_text(text, graphics::par("pin")[2L]), 2L, line = graphics::par("mar")[2L] - 1.1)
}

#' A line with points if they are few; gaps where a value is missing or infinite
#' @noRd
draw_series <- function(series, style, settings) {
  x <- series$x
  y <- series$y
  logged <- strsplit(settings$log %||% "", "")[[1L]]
  lost <- !is.finite(y) | ("y" %in% logged & y <= 0) | ("x" %in% logged & x <= 0)
  y[lost] <- NA
  type <- settings$type %||% if (sum(!lost) > style$points) "l" else "o"
  graphics::lines(x, y, type = type, col = style$col, lty = style$lty, lwd = style$lwd, pch = style$pch, cex = 0.8)
  # (a point between two gaps has no line)
  alone <- !lost & c(TRUE, lost[-length(lost)]) & c(lost[-1L], TRUE)
  if (type == "l") graphics::points(x[alone], y[alone], col = style$col, pch = style$pch, cex = 0.8)
}

# Okabe and Ito's colours, which people with any kind of colour blindness tell apart; lines and marks differ as well, for
# print without colours.
.series_colours <- c("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C564B")
.series_marks <- c(16, 17, 15, 18, 1, 2, 0)

series_styles <- function(count, settings = list()) {
  count <- max(1L, count)
  # (the colours begin again with another line: a longer scale has neighbours that look the same)
  lines <- if (count > length(.series_colours)) rep(1:6, each = length(.series_colours)) else 1:6
  list(
    col = rep_len(as.character(settings$col %||% .series_colours), count), lty = rep_len(settings$lty %||% lines, count),
    pch = rep_len(settings$pch %||% .series_marks, count), lwd = rep_len(settings$lwd %||% 1.4, count),
    points = if (count > 1L) 40L else 100L
  )
}

style_at <- function(styles, at) c(lapply(styles[c("col", "lty", "pch", "lwd")], `[[`, at), styles["points"])

#' What a panel's legend says: labels, and shorter ones
#' @noRd
key_choices <- function(panel) {
  if (!is.null(panel$chart)) return(chart_keys(panel$chart))
  list(if (length(panel$series) > 1L) vapply(panel$series, function(series) series$label, ""))
}

panel_heading <- function(panel) {
  if (is.null(panel$chart)) panel$name else paste0(panel$name, chart_remark(panel$chart))
}

.key_inches <- c(line = 0.32, gap = 0.06, apart = 0.15)

#' Rows of a legend, from left to right: data frames of `label`, `at` (inches from the left) and `style`
#'
#' Labels that take more than half of the width are cut. Of those that don't fit a count is given.
#' @param choices A list of labels, and of shorter ones.
#' @noRd
place_keys <- function(choices, inches, max_rows) {
  labels <- choices[[1L]]
  if (!length(labels)) return(list())
  scale <- graphics::par("cex")
  line <- .key_inches[["line"]] * scale + .key_inches[["gap"]] * scale
  room <- 0.96 * inches
  most <- max(0.3, room * if (length(labels) > 1L) 0.46 else 0.9) - line
  for (labels in choices) if (max(graphics::strwidth(labels, "inches")) <= most) break
  short <- fitted_texts(labels, most)
  wide <- line + graphics::strwidth(short, "inches") + .key_inches[["apart"]] * scale
  rows <- list()
  left <- 0
  for (at in seq_along(short)) {
    if (left > 0 && left + wide[at] > room) left <- 0
    if (left == 0) rows[[length(rows) + 1L]] <- data.frame()
    rows[[length(rows)]] <- rbind(rows[[length(rows)]], data.frame(label = short[at], at = left, style = at))
    left <- left + wide[at]
  }
  most <- max(1, floor(max_rows))
  if (length(rows) <= most) return(rows)
  shown <- sum(vapply(rows[seq_len(most)], nrow, 0L))
  last <- rows[[most]]
  more <- length(labels) - shown + 1L
  last[nrow(last), c("label", "style")] <- list(sprintf("and %d more", more), NA)
  rows[[most]] <- last
  rows[seq_len(most)]
}

#' @param from_top Lines between the top edge of the figure, or of the device, and the first row.
#' @noRd
draw_keys <- function(rows, styles, from_top, outer = FALSE) {
  if (!length(rows)) return(invisible())
  scale <- graphics::par("cex")
  area <- if (outer) "ndc" else "nfc"
  left <- graphics::grconvertX(graphics::grconvertX(0.02, area, "inches"), "inches", "inches")
  top <- graphics::grconvertY(1, area, "inches")
  x <- function(inches) graphics::grconvertX(inches, "inches", "user")
  for (row in seq_along(rows)) {
    keys <- rows[[row]]
    y <- graphics::grconvertY(top - line_inches() * (from_top + row - 0.4), "inches", "user")
    for (key in seq_len(nrow(keys))) {
      start <- left + keys$at[key]
      end <- start + .key_inches[["line"]] * scale
      if (!is.na(keys$style[key])) {
        style <- style_at(styles, keys$style[key])
        graphics::segments(x(start), y, x(end), y, col = style$col, lty = style$lty, lwd = style$lwd, xpd = NA)
        graphics::points(x((start + end) / 2), y, col = style$col, pch = style$pch, cex = 0.8, xpd = NA)
      }
      graphics::text(x(end + .key_inches[["gap"]] * scale), y, keys$label[key], adj = c(0, 0.4), xpd = NA)
    }
  }
}

draw_title <- function(title, outer, line = 0.6) {
  wide <- graphics::par(if (outer) "din" else "fin")[1L]
  # (over the middle of the figure, not of the axes)
  at <- if (outer) 0.5 else graphics::grconvertX(0.5, "nfc", "user")
  draw_label(fitted_text(title, 0.95 * wide, font = 2L), 3L, line = line, outer = outer, font = 2L, at = at)
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

fitted_texts <- function(texts, inches) vapply(texts, fitted_text, "", inches = inches, USE.NAMES = FALSE)

# A device has some thousand columns of pixels: more points make a file slow, and the picture no finer.
.columns_drawn <- 2000L

thin_panel <- function(panel) {
  panel$series <- lapply(panel$series, function(series) {
    kept <- thinned(series$x, series$y)
    if (is.null(kept)) return(series)
    replace(series, c("x", "y"), list(series$x[kept], series$y[kept]))
  })
  panel
}

#' Which points of a long series are drawn: of each column of pixels the first, the last, the least and the largest, so that
#' no peak is lost; `NULL` for all
#' @noRd
thinned <- function(x, y, columns = .columns_drawn) {
  count <- length(x)
  if (count <= 4L * columns) return(NULL)
  column <- ceiling(seq_len(count) / count * columns)
  by_value <- order(column, y)
  starts <- which(!duplicated(column))
  ends <- c(starts[-1L] - 1L, count)
  # (missing values come last, so the largest is that before them)
  missing <- c(0L, cumsum(is.na(y)))
  valued <- ends - (missing[ends + 1L] - missing[starts])
  sort(unique(c(starts, ends, by_value[starts], by_value[pmax(starts, valued)])))
}
