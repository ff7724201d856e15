# The run with the best value of a metric.

logged_run <- function(exp, values, parent = NULL) {
  run <- if (is.null(parent)) start_logging_run(exp) else create_child_run(parent)
  for (value in values) log_metric_to_run("auc", value, run = run)
  complete_run(run)
}

test_that("best_run() finds it among all runs, an experiment's, some, and those below one", {
  ws <- local_workspace()
  exp <- experiment(ws, "e")
  peak <- logged_run(exp, c(0.2, 0.99, 0.5))
  high <- logged_run(exp, 0.7)
  same <- logged_run(exp, 0.7)
  other <- logged_run(experiment(ws, "other"), c(0.9, NaN, 0.8))
  logged_run(exp, NA_real_)
  expect_true(best_run(ws, "auc") == other)
  expect_true(best_run(exp, "auc") == high)
  expect_true(best_run(exp, "auc", maximize = FALSE) == peak)
  expect_true(best_run(exp, "auc", which = "best") == peak)
  expect_true(best_run(ws, "auc", maximize = FALSE, which = "first") == peak)
  expect_true(best_run(list(same, peak), "auc") == same)
  expect_true(best_run(get_runs_in_experiment(exp), "auc") == high)
  parent <- start_logging_run(exp)
  child <- logged_run(exp, 0.1, parent)
  expect_true(best_run(parent, "auc") == child)
  expect_true(best_run(exp, "auc", maximize = FALSE, include_children = TRUE) == child)
  log_metric_to_run("auc", 2, run = parent)
  fail_run(parent)
  expect_true(best_run(exp, "auc", status = NULL) == parent)
  expect_identical(list_runs(exp, max(metrics.auc) > 0.9, sort = "-max(metrics.auc)")[["max(metric_auc)"]], c(2, 0.99))
})

test_that("a run shows its parameters and metrics", {
  ws <- local_workspace()
  run <- submit_lines(ws, c("library(espalier)", "p <- job_params(lr = 0.5)", "log_metric_to_run('auc', 0.75)"))
  wait_for_run_completion(run, show_output = FALSE)
  shown <- capture.output(best_run(ws, "auc"))
  expect_match(shown, "parameters: *lr = 0.5$", all = FALSE)
  expect_match(shown, "metrics: *auc = 0.75$", all = FALSE)
})

test_that("what best_run() can't find, it names", {
  ws <- local_workspace()
  run <- logged_run(experiment(ws, "e"), 0.7)
  expect_snapshot(error = TRUE, {
    best_run(ws, "AUC")
    best_run(experiment(ws, "none"), "auc")
    best_run(run, "auc", status = NULL)
    best_run(ws, "auc", which = "mean")
    best_run(list(), "auc")
    best_run("e", "auc")
    best_run(ws)
  })
  expect_error(best_run(ws, metrics.auc), "Write the name in quotes: best_run(x, \"auc\").", fixed = TRUE)
  expect_error(best_run(ws, "auc", maximise = FALSE), "Did you mean `maximize`?", fixed = TRUE)
  expect_error(best_run(list(run, logged_run(experiment(local_workspace("b"), "e"), 1)), "auc"), "several workspaces")
})
