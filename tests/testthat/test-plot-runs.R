# plot() of several runs: dots and curves.

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
    plot(list_runs(experiment(ws, "none"))), "no numeric metric.\ni Log one in the script: log_metric_to_run\\(",
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
  expect_identical(run_labels(grid[-4]), c("depth = 2 (a)", "depth = 2 (b)", "depth = 3 (c)", "depth = 3 (d)"))
  # only the runs with the same settings get the ends of their ids
  again <- data.frame(run_id = c("e_1_0123f159", "e_2_4567f160", "e_3_4567f161"), param_lr = c(0.2, 0.2, 0.3))
  expect_identical(run_labels(again), c("lr = 0.2 (f159)", "lr = 0.2 (f160)", "lr = 0.3"))
  named <- data.frame(run_id = c("a", "b"), param_learning_rate = c(0.1, 0.2))
  expect_identical(vapply(short_labels(named), `[[`, "", 1L), c("learni_rate=0.1", "learn_rate=0.1", "lear_rate=0.1", "lea_rat=0.1", "lr=0.1", "0.1"))
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

test_that("curves of runs are laid over one another", {
  ws <- local_workspace()
  ex <- experiment(ws, "curves")
  for (rate in c("0.1", "0.2", "none")) {
    run <- start_logging_run(ex)
    set_run_tags(run, list(rate = rate))
    if (rate != "none") for (i in 1:5) log_metric_to_run("loss", if (i == 3L) NaN else i * as.double(rate), step = i)
    log_metric_to_run("auc", 0.5)
    complete_run(run)
  }
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  table <- list_runs(ex)
  drawn <- plot(table, "loss", log = "y")
  expect_identical(names(drawn), c("run_id", "label", "value", "name", "step", "time"))
  expect_identical(unique(drawn$label), c("rate = 0.2", "rate = 0.1"))
  expect_identical(nrow(drawn), 10L)
  expect_true(graphics::par("ylog"))
  expect_identical(plot(get_runs_in_experiment(ex), "loss"), drawn)
  expect_identical(plot(table[2:3, ], "loss")$label[[1]], "rate = 0.2")
  expect_identical(nrow(plot(table, "loss", curves = FALSE)), 2L)
  expect_identical(nrow(plot(table, "auc")), 3L)
  expect_identical(names(plot(table, c("loss", "auc"))), names(drawn))
  expect_error(plot(table, "auc", curves = TRUE), "no run logged \"auc\" more than once", class = "espalier_error_bad_argument")
  expect_error(plot.espalier_run_table(as.data.frame(table), "loss", curves = TRUE), NA)
  plain <- data.frame(run_id = table$run_id, metric_loss = c(NA, 1, 0.5))
  expect_error(plot.espalier_run_table(plain, "loss", curves = TRUE), "come from list_runs", class = "espalier_error_bad_argument")
  expect_error(plot(table, 1), "`metric` must be names of metrics", class = "espalier_error_bad_argument")
  expect_error(plot(get_runs_in_experiment(experiment(ws, "none"))), "at least one run", class = "espalier_error_bad_argument")
})

test_that("of very many runs the first are drawn, and counted", {
  ws <- local_workspace()
  ex <- experiment(ws, "many")
  for (k in seq_len(.most_overlaid + 2L)) {
    run <- start_logging_run(ex)
    for (i in 1:2) log_metric_to_run("loss", k + i)
    complete_run(run)
  }
  grDevices::pdf(NULL, 4, 3)
  withr::defer(grDevices::dev.off())
  expect_message(drawn <- plot(list_runs(ex), "loss"), "20 of 22 runs")
  expect_length(unique(drawn$run_id), .most_overlaid)
})
