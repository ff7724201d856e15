# autoplot(), where ggplot2 is installed.

test_that("runs, tables of runs and charts become ggplots that can be built", {
  skip_if_not_installed("ggplot2")
  ws <- local_workspace()
  ex <- experiment(ws, "gg")
  for (rate in c(0.1, 0.2)) {
    run <- start_logging_run(ex)
    set_run_tags(run, list(rate = rate))
    for (i in 1:5) for (name in c("train_loss", "val_loss", "lr")) log_metric_to_run(name, if (i == 3L) NaN else i * rate, step = i)
    log_metric_to_run("auc", rate)
    log_confusion_matrix_to_run("confusion", factor(c("a", "b")), predicted = c("a", "a"))
    log_accuracy_table_to_run("roc", factor(c("a", "b", "c")), predicted = diag(3))
    log_predictions_to_run("fuel", 1:9, predicted = 9:1)
    log_residuals_to_run("residuals", 1:9)
    complete_run(run)
  }
  built <- function(plot) {
    expect_s3_class(plot, "ggplot")
    ggplot2::ggplot_build(plot)$data[[1]]
  }
  expect_message(plot <- ggplot2::autoplot(run), "Not drawn.*confusion, roc, fuel.*plot\\(run\\)")
  drawn <- built(plot)
  expect_identical(length(unique(drawn$PANEL)), 2L)
  expect_identical(unique(drawn$colour), .series_colours[1:2])
  expect_identical(length(unique(drawn$linetype)), 2L)
  curves <- built(ggplot2::autoplot(list_runs(ex), "val_loss"))
  expect_identical(unique(curves$colour), .series_colours[1:2])
  expect_identical(nrow(built(ggplot2::autoplot(get_runs_in_experiment(ex), "auc"))), 2L)
  metrics <- get_run_metrics(run)
  for (name in c("confusion", "roc", "fuel", "residuals")) built(ggplot2::autoplot(metrics[[name]]))
  built(ggplot2::autoplot(run, "roc"))
  expect_error(ggplot2::autoplot(run, c("roc", "fuel")), "several charts", class = "espalier_error_bad_argument")
  expect_error(ggplot2::autoplot(run, "none"), "no numeric metric", class = "espalier_error_bad_argument")
})

test_that("loading espalier loads no ggplot2", {
  found <- in_new_session("cat('ggplot2' %in% loadedNamespaces())")
  expect_identical(utils::tail(found, 1L), "FALSE")
})
