# Submit warns of a parameter that the entry script doesn't have.

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
