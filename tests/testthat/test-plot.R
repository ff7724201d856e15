# plot(run): what is drawn is what was logged.

logged_run <- function(ws, ...) {
  run <- start_logging_run(experiment(ws, "plots"))
  for (i in 1:5) log_metric_to_run("loss", 1 / i, step = 10 * i)
  for (value in c(0.5, NaN, 0.7)) log_metric_to_run("auc", value)
  log_metric_to_run("once", 1)
  log_metric_to_run("word", "text")
  complete_run(run)
}

test_that("series are drawn, a panel each, and returned", {
  ws <- local_workspace()
  run <- logged_run(ws)
  file <- withr::local_tempfile(fileext = ".png")
  skip_if(!capabilities("png"), "this R draws no PNG")
  grDevices::png(file)
  drawn <- plot(run)
  after <- graphics::par("mfrow")
  grDevices::dev.off()
  expect_true(file.size(file) > 1000)
  expect_identical(after, c(1L, 1L))
  expect_identical(names(drawn), c("name", "step", "value", "time"))
  expect_identical(unique(drawn$name), c("loss", "auc"))
  expect_equal(as.numeric(drawn$value), c(1 / 1:5, 0.5, 0.7))
})

test_that("steps, order and the user's own settings reach the plot", {
  ws <- local_workspace()
  run <- logged_run(ws)
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  plot(run, metrics = "loss")
  expect_equal(graphics::par("usr")[1:2], grDevices::extendrange(c(10, 50), f = 0.04))
  plot(run, metrics = "auc")
  expect_equal(graphics::par("usr")[1:2], grDevices::extendrange(c(1, 3), f = 0.04))
  expect_error(plot(run, metrics = "loss", ylab = "Loss", type = "l", log = "y", main = "m"), NA)
  expect_true(graphics::par("ylog"))
  expect_identical(nrow(plot(run, metrics = "once")), 1L)
})

test_that("nothing to draw is an error that names what there is", {
  ws <- local_workspace()
  run <- logged_run(ws)
  expect_error(plot(run, metrics = "none"), "\"none\".*loss", class = "espalier_error_bad_argument")
  expect_error(plot(run, metrics = "word"), "\"word\"", class = "espalier_error_bad_argument")
  empty <- ended(submit_command(ws, "true"))
  expect_error(plot(empty), "no metric", class = "espalier_error_bad_argument")
  once <- start_logging_run(experiment(ws, "plots"))
  log_metric_to_run("x", 1)
  complete_run(once)
  expect_error(plot(once), "Its metrics: x", class = "espalier_error_bad_argument")
})

test_that("a metric is compared over the runs of a table", {
  ws <- local_workspace()
  ex <- experiment(ws, "compared")
  for (i in 1:3) {
    run <- start_logging_run(ex)
    if (i < 3L) log_metric_to_run("auc", i / 10)
    log_metric_to_run("loss", 1 / i)
    set_run_tags(run, list(model = c("glm", "gam", "tree")[[i]], same = "a"))
    complete_run(run)
  }
  runs <- list_runs(ex)
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  drawn <- plot(runs, metric = "loss")
  expect_identical(names(drawn), c("run_id", "label", "value"))
  expect_identical(drawn$run_id, runs$run_id)
  expect_identical(drawn$label, paste("model =", runs$tag_model))
  expect_identical(drawn$value, runs$metric_loss)
  first <- plot(runs, main = "m", pch = 1)
  expect_identical(nrow(first), 2L)
  same <- cbind(metric_same = 1, as.data.frame(runs))
  expect_identical(plot.espalier_run_table(same)$value, first$value)
  expect_identical(plot.espalier_run_table(same[c("run_id", "metric_same")])$value, c(1, 1, 1))
  many <- as.data.frame(runs)[rep(1:3, 40), ]
  expect_identical(nrow(plot.espalier_run_table(many, metric = "loss")), 120L)
  expect_identical(plot(runs[runs$tag_model == "glm", ])$label, substring(runs$run_id[runs$tag_model == "glm"], nchar(runs$run_id[1]) - 7))
  expect_error(plot(runs, metric = "no"), "Their metrics: .*choose with metric =", class = "espalier_error_bad_argument")
  expect_error(
    plot(list_runs(experiment(ws, "none"))), "no numeric metric.\nLog one in the script: log_metric_to_run\\(",
    class = "espalier_error_bad_argument"
  )
})

test_that("settings with a value for each row go where the rows go", {
  table <- data.frame(run_id = c("a", "b", "c", "d"), metric_auc = c(0.1, NA, 0.3, 0.4))
  labels <- c("one", "two", "three", "four")
  settings <- list(
    labels = labels, pch = 1:4, col = factor(c("red", "blue", "green", "black")), groups = factor(c("x", "y", "z", "z")),
    bg = "white", xlim = c(0, 1, 2, 3)
  )
  expect_identical(values_drawn(settings, !is.na(table$metric_auc)), list(
    labels = c("four", "three", "one"), pch = c(4L, 3L, 1L), col = c("black", "green", "red"), groups = factor(c("z", "z", "x")),
    bg = "white", xlim = c(0, 1, 2, 3)
  ))
  file <- withr::local_tempfile(fileext = ".pdf")
  grDevices::pdf(file, compress = FALSE, useKerning = FALSE)
  plot.espalier_run_table(table, "auc", labels = labels)
  grDevices::dev.off()
  written <- regmatches(text <- readLines(file, warn = FALSE), regexpr("\\((one|two|three|four)\\)", text))
  expect_identical(written, c("(four)", "(three)", "(one)")) # from below
})

test_that("a list of runs is plotted as its table", {
  ws <- local_workspace()
  ex <- experiment(ws, "listed")
  for (i in 1:2) {
    run <- start_logging_run(ex)
    log_metric_to_run("loss", i)
    complete_run(run)
  }
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  runs <- get_runs_in_experiment(ex)
  expect_identical(plot(runs, main = "m"), plot(list_runs(ex), "loss"))
})

test_that("labels tell runs apart and are short", {
  table <- data.frame(run_id = c("e_1_0123abcd", "e_2_4567abcd"), tag_a = c("x", "x"), param_rate = c(0.001, 0.1))
  expect_identical(run_labels(table), c("rate = 0.001", "rate = 0.1"))
  expect_identical(run_labels(table[1:2]), c("0123abcd", "4567abcd"))
  grid <- data.frame(run_id = letters[1:4], tag_same = "x", tag_arm = c("p", "p", "q", "q"), param_rate = c(0.1, 0.2), param_depth = c(2L, 2L, 3L, 3L))
  expect_identical(run_labels(grid)[2:3], c("rate = 0.2, depth = 2", "rate = 0.1, depth = 3"))
  expect_identical(run_labels(grid[-4]), letters[1:4])
  table$tag_a <- c(strrep("a", 40), "b")
  expect_identical(run_labels(table)[[1L]], paste0("a = ", strrep("a", 21), "..."))
})

test_that("runs that aren't drawn don't decide on labels, a metric may be named as its column, and labels leave room", {
  grid <- expand.grid(param_learning_rate = c(0.1, 0.01, 0.001), param_max_depth = c(3L, 6L), param_lambda = c(0.5, 1.25))
  grid <- data.frame(run_id = sprintf("e_17_%08d", 1:12), grid, metric_AUC = 1:12 / 12)
  grid[4L, c("metric_AUC", "param_lambda")] <- NA
  for (pixels in c(300, 480, 1200)) {
    grDevices::pdf(NULL, pixels / 72, pixels / 72)
    drawn <- plot.espalier_run_table(grid, "metric_AUC")
    expect_identical(drawn$label[[1L]], "learning_rate = 0.1, max_depth = 3, lambda = 0.5")
    graphics::plot.new()
    fitted <- fitted_labels(grid[-4L, ], drawn$label, 0.35 * pixels / 72, 1)
    expect_lte(max(graphics::strwidth(fitted, "inches")), 0.35 * pixels / 72)
    expect_false(anyDuplicated(fitted) > 0L)
    grDevices::dev.off()
  }
  expect_identical(fitted[[1L]], drawn$label[[1L]])
})

test_that("the labels of all y axes fit into the margin", {
  y <- list(seq(-1.2e9, -3.7e10, length.out = 20), 0.737 + 1:20 / 1e4, exp(-(1:20) / 3), -(1:20) * 1e-7, c(0, 1e-300))
  panels <- lapply(y, function(y) list(name = "m", x = seq_along(y), y = y, xlab = "step"))
  for (inches in list(c(4.2, 4.2), c(6.7, 6.7), c(11, 8.3), c(16.7, 5.6))) for (drawn in list(panels, panels[1L])) {
    grDevices::pdf(NULL, inches[1L], inches[2L])
    room <- NULL
    measure <- function() {
      gap <- (graphics::par("mgp")[2L] + 0.2) * graphics::par("csi")
      wide <- max(graphics::strwidth(format(graphics::axTicks(2L)), "inches"))
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

test_that("most of a device is plot, and par() is put back", {
  ws <- local_workspace()
  run <- start_logging_run(experiment(ws, "panels"))
  for (i in 1:3) for (name in c(letters[1:4], strrep("long_name_of_a_metric_", 5))) log_metric_to_run(name, i * 10000, step = i)
  log_metric_to_run("ordered", 1)
  log_metric_to_run("ordered", 2)
  complete_run(run)
  for (inches in list(c(9.7, 4.9), c(8.3, 6.2), c(6.7, 6.7), c(2.8, 2.1))) {
    grDevices::pdf(NULL, inches[1L], inches[2L])
    graphics::par(mfrow = c(1, 1))
    before <- graphics::par(no.readonly = TRUE)
    shares <- NULL
    setHook("plot.new", function(...) shares <<- c(shares, prod(graphics::par("pin")) / prod(graphics::par("fin"))))
    plot(run, metrics = letters[1:4])
    setHook("plot.new", NULL, "replace")
    shares <- shares[-1L] # (a figure is begun to measure labels, and the first panel goes on with it)
    expect_length(shares, 4L)
    expect_gt(min(shares), if (inches[1L] > 5) 0.55 else 0.3)
    plot(run)
    plot(run, metrics = "ordered", ylab = "y", xlab = "x", main = "m", axes = FALSE)
    kept <- c("mfrow", "oma", "mar", "mgp", "tcl", "lab", "cex")
    expect_equal(graphics::par(kept), before[kept])
    grDevices::dev.off()
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
