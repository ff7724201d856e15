# Submit warns of a parameter that the entry script doesn't have, or not of that type. A grid is refused.

test_that("a misspelled parameter is warned of, also beside scripts with other parameters", {
  ws <- local_workspace()
  folder <- local_project(
    train.R = c("library(espalier)", "p <- job_params(trees = 500L)"), score.R = c("library(espalier)", "p <- job_params(tres = 1)")
  )
  for (config in list(
    estimator(folder, entry_script = "train.R", script_params = list(tres = 100)),
    script_run_config(folder, "train.R", script_params = list(tres = 100))
  )) {
    expect_warning(
      run <- submit_experiment(experiment(ws, "exp"), config),
      "train.R has no parameter \"tres\" of `script_params`. Did you mean \"trees\"?", fixed = TRUE
    )
    expect_identical(get_run_status(ended(run)), "Completed")
  }
})

test_that("a grid is refused for a misspelled parameter, and for a value of another type", {
  ws <- local_workspace()
  exp <- experiment(ws, "exp")
  folder <- local_project(train.R = c("library(espalier)", "p <- job_params(trees = 500L)"))
  job <- estimator(folder, entry_script = "train.R")
  expect_error(
    submit_grid(exp, job, list(tres = 1:2)),
    "train.R has no parameter \"tres\" of `script_params`.\ni Did you mean \"trees\"?", fixed = TRUE, class = "espalier_error_bad_argument"
  )
  expect_error(
    submit_grid(exp, job, list(trees = c("1", "few"))), "^Row 2 of `grid`: The parameter `trees` must be a whole number, not \"few\"",
    class = "espalier_error_bad_argument"
  )
  expect_identical(nrow(list_runs(exp)), 0L)
})
