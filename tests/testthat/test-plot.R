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
  expect_identical(plot(runs[runs$tag_model == "glm", ])$label, substring(runs$run_id[runs$tag_model == "glm"], nchar(runs$run_id[1]) - 7))
  expect_error(plot(runs, metric = "no"), "Their metrics: .*choose with metric =", class = "espalier_error_bad_argument")
  expect_error(
    plot(list_runs(experiment(ws, "none"))), "no numeric metric.\nLog one in the script: log_metric_to_run\\(",
    class = "espalier_error_bad_argument"
  )
})

test_that("labels tell runs apart and are short", {
  table <- data.frame(run_id = c("e_1_0123abcd", "e_2_4567abcd"), tag_a = c("x", "x"), param_rate = c(0.001, 0.1))
  expect_identical(run_labels(table), c("rate = 0.001", "rate = 0.1"))
  expect_identical(run_labels(table[1:2]), c("0123abcd", "4567abcd"))
  table$tag_a <- c(strrep("a", 40), "b")
  expect_identical(run_labels(table)[[1L]], paste0("a = ", strrep("a", 21), "..."))
})
