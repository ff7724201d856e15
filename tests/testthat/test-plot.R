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
