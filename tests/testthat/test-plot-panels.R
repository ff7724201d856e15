# Panels, legends and axes, whatever is drawn in them.

test_that("the labels of all y axes fit into the margin", {
  y <- list(seq(-1.2e9, -3.7e10, length.out = 20), 0.737 + 1:20 / 1e4, exp(-(1:20) / 3), -(1:20) * 1e-7, c(0, 1e-300))
  panels <- lapply(y, function(y) list(name = "m", series = list(list(label = "m", x = seq_along(y), y = y)), xlab = "step"))
  for (inches in list(c(4.2, 4.2), c(6.7, 6.7), c(11, 8.3), c(16.7, 5.6))) for (drawn in list(panels, panels[1L])) {
    grDevices::pdf(NULL, inches[1L], inches[2L])
    room <- NULL
    measure <- function() {
      gap <- (graphics::par("mgp")[2L] + 0.2) * graphics::par("csi")
      wide <- max(graphics::strwidth(axis_text(graphics::axTicks(2L)), "inches"))
      room <<- c(room, graphics::par("mai")[2L] - gap - wide)
    }
    draw_panels(drawn, "title", list(panel.last = as.call(list(measure))))
    expect_gte(min(room), 0)
    expect_length(room, length(drawn))
    grDevices::dev.off()
  }
})

test_that("panels have a good shape on any device, and too many go to further pages", {
  expect_identical(panel_shape(2, c(8, 6)), c(2L, 1L))
  expect_identical(panel_shape(2, c(10, 5)), c(1L, 2L))
  expect_identical(panel_shape(5, c(10, 5)), c(2L, 3L))
  expect_identical(panel_shape(5, c(6.7, 6.7)), c(3L, 2L))
  expect_identical(panel_shape(3, c(1, 1)), c(1L, 1L))
  for (count in 1:40) for (inches in list(c(3, 2), c(7, 7), c(14, 5))) {
    shape <- panel_shape(count, inches)
    expect_true(all(shape >= 1L) && (prod(shape) >= count || all(inches / rev(shape) < 2 * .panel_inches)))
    expect_true(all(inches / rev(shape) >= .panel_inches))
  }
})

test_that("a text that doesn't fit is cut in its middle", {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  graphics::plot.new()
  expect_identical(fitted_text("short", 3), "short")
  cut <- fitted_text("validation_accuracy_top5_macro_averaged", 2)
  expect_match(cut, "^validation.*[.]{3}.*averaged$")
  expect_lte(graphics::strwidth(cut, "inches"), 2)
  expect_lte(nchar(fitted_text("anything at all", 0)), 7L)
})

pieces <- function(...) lapply(list(...), function(y) list(label = "m", x = seq_along(y), y = y))

test_that("a legend has rows of keys that fit, shorter labels where they are too long, and a count of the rest", {
  grDevices::pdf(NULL, 5, 4)
  withr::defer(grDevices::dev.off())
  graphics::plot.new()
  rows <- place_keys(list(c("train", "val")), 5, 3)
  expect_identical(lapply(rows, `[[`, "label"), list(c("train", "val")))
  long <- sprintf("learning_rate = %s, depth = 3", 1:9)
  short <- paste0("lr=", 1:9)
  rows <- place_keys(list(long, short), 2, 3)
  expect_identical(unlist(lapply(rows, `[[`, "label"))[1:2], c("lr=1", "lr=2"))
  for (inches in c(1, 2, 5, 12)) for (labels in list(long, short, "one", strrep("x", 300))) {
    rows <- place_keys(list(labels), inches, 3)
    expect_lte(length(rows), 3L)
    ends <- vapply(rows, function(row) max(row$at + .key_inches[["line"]] + graphics::strwidth(row$label, "inches")), 0)
    if (inches > 1) expect_lte(max(ends), inches)
  }
  rows <- place_keys(list(long), 2, 2)
  shown <- unlist(lapply(rows, `[[`, "label"))
  expect_identical(shown[length(shown)], sprintf("and %d more", 9L - length(shown) + 1L))
  expect_identical(place_keys(list(NULL), 5, 3), list())
})

test_that("no legend lies over data", {
  # (where a text stands in a PDF: "12.00 0 -0.00 12.00 x y Tm (text) Tj")
  heights <- function(file, text) {
    found <- regmatches(lines <- readLines(file, warn = FALSE), regexpr(sprintf("[0-9.]+ Tm [(]%s", text), lines))
    as.double(sub(" Tm.*", "", found)) / 72
  }
  series <- pieces(1:5, 5:1)
  series[[1]]$label <- "train_loss"
  series[[2]]$label <- "val_loss"
  panel <- list(name = "loss", series = series, xlab = "step")
  file <- withr::local_tempfile(fileext = ".pdf")
  for (inches in list(c(4.2, 2.8), c(9.7, 6.9), c(22, 12.5))) for (count in 1:3) for (keys in list(NULL, list(sprintf("run %d", 1:20)))) {
    tops <- NULL
    record <- function() tops <<- c(tops, graphics::grconvertY(graphics::par("usr")[4L], "user", "inches"))
    grDevices::pdf(file, inches[1L], inches[2L], compress = FALSE, useKerning = FALSE)
    draw_panels(rep(list(panel), count), "t", list(panel.last = as.call(list(record))), keys)
    grDevices::dev.off()
    labels <- heights(file, if (is.null(keys)) "train_loss" else "run ")
    expect_gte(length(labels), if (is.null(keys)) count else 6L)
    if (count == 1L || !is.null(keys)) expect_gt(min(labels), max(tops) - 0.01)
    if (count > 1L && is.null(keys)) expect_true(all(vapply(labels, function(y) min(abs(y - tops)) < 0.6, NA)))
  }
})

test_that("gaps, values that a log scale can't show, one point and none are drawn", {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  odd <- pieces(3, c(NaN, NA, Inf), c(1, NaN, 2, Inf, 3), -(1:3), numeric(), rep(1e6, 5), c(0, 1e-300))
  for (log in c("", "y", "x", "xy")) for (piece in odd) {
    expect_error(draw_panels(list(list(name = "m", series = list(piece), xlab = "step")), "t", list(log = log)), NA)
  }
  expect_identical(range_of(list(c(-1, NA, 5, Inf)), TRUE), c(5, 5))
  expect_identical(range_of(list(NaN), TRUE), c(1, 10))
})

test_that("a long series keeps its ends and peaks", {
  y <- sin(seq_len(1e5) / 1e4)
  y[c(777, 5e4)] <- c(99, -99)
  y[2e4 + 1:1000] <- NaN
  kept <- thinned(seq_along(y), y, 500L)
  expect_lte(length(kept), 4L * 500L)
  expect_true(all(c(1, 777, 5e4, 1e5) %in% kept))
  expect_true(anyNA(y[kept]))
  expect_false(is.unsorted(kept))
  expect_null(thinned(1:100, 1:100))
  expect_identical(thinned(1:5000, rep(NaN, 5000), 500L)[1:2], c(1L, 10L))
})

test_that("series differ in colour, line and mark", {
  for (count in c(1L, 2L, 7L, 12L, 20L)) {
    styles <- series_styles(count)
    expect_length(unique(styles$col), min(count, 8L))
    expect_identical(anyDuplicated(paste(styles$col, styles$lty)), 0L)
    looks <- paste(styles$lty, styles$pch)[seq_len(min(count, 7L))]
    expect_identical(anyDuplicated(looks), 0L)
  }
  expect_identical(series_styles(3, list(col = "red", lwd = 1:2))[c("col", "lwd")], list(col = rep("red", 3), lwd = c(1L, 2L, 1L)))
  expect_identical(axis_ticks(c(1, 1.5, 2), c(1, 2)), c(1, 2))
  expect_identical(axis_ticks(c(1, 1.5, 2), c(1, 1.2)), c(1, 1.5, 2))
  expect_identical(only_point(list(series = list(list(x = 1:2, y = c(NA, 0.5))))), list(x = 2L, y = 0.5))
  expect_null(only_point(list(series = list(list(x = 1:2, y = c(1, 0.5))))))
  expect_identical(step_text(c(0, 5e5, 1e6)), c("0", "0.5M", "1M"))
  expect_identical(step_text(c(0, 2e5)), c("0", "200k"))
  expect_identical(step_text(c(0, 50)), c("0", "50"))
})
