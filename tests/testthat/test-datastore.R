# The default datastore and compute targets, as scripts of azuremlsdk use them.

test_that("files are uploaded, listed and found; what is there stays without overwrite", {
  local_utf8()
  datastore <- get_default_datastore(local_workspace())
  file <- file.path(local_project(iris.csv = "a,b"), "iris.csv")
  expect_snapshot({
    upload_files_to_datastore(datastore, list(file), target_path = "irisdata")
    upload_files_to_datastore(datastore, file, target_path = "irisdata")
    datastore
  })
  expect_silent(upload_files_to_datastore(datastore, file, show_progress = FALSE))
  expect_identical(datastore$files(), c("iris.csv", "irisdata/iris.csv"))
  expect_identical(readLines(datastore$path("irisdata/iris.csv")), "a,b")
  expect_identical(readRDS(saved(datastore))$path("irisdata"), datastore$path("irisdata"))
})

test_that("what can't be uploaded is an error, and nothing is uploaded", {
  local_utf8()
  datastore <- get_default_datastore(local_workspace())
  file <- file.path(local_project(a.csv = "1"), "a.csv")
  expect_snapshot({
    upload_files_to_datastore(datastore, c(file, "/nowhere/none.csv"))
    upload_files_to_datastore(datastore, file, target_path = "../elsewhere")
    upload_files_to_datastore(datastore, 3)
  }, error = TRUE)
  expect_identical(datastore$files(), character())
})

test_that("a path in the datastore is an input, also among script_params", {
  ws <- local_workspace()
  datastore <- get_default_datastore(ws)
  file <- file.path(local_project(women.csv = c("x", "1", "2")), "women.csv")
  upload_files_to_datastore(datastore, file, target_path = "data", show_progress = FALSE)
  run <- submit_lines(ws, c(
    "p <- espalier::job_params(data_folder = '.', n = 1L)",
    "espalier::log_metric_to_run('rows', nrow(read.csv(file.path(p$data_folder, 'women.csv'))) * p$n)"
  ), script_params = list("--data_folder" = datastore$path("data"), n = 3L), compute_target = get_compute(ws, "local"))
  ended(run)
  expect_identical(get_run_metrics(run)$rows, 6L)
  expect_identical(get_run_details(run)$runDefinition$inputs[[1]]$name, "data_folder")
})

test_that("a compute target is found by its name, or NULL", {
  ws <- local_workspace()
  expect_identical(get_compute(ws, "docker")$name, "docker")
  expect_null(get_compute(ws, "cpu-cluster"))
  expect_output(print(get_compute(ws, "local")), "<Compute target local>", fixed = TRUE)
})

# As azuremlsdk's sample of training on this machine: the same verbs in the same order, with a script of the same make.
test_that("a script of azuremlsdk runs with another library() line", {
  skip_if_no_core()
  folder <- local_project(
    .here = "",
    train.R = c(
      "library(espalier)",
      "flowers <- read.csv('flowers.csv', stringsAsFactors = TRUE)",
      "held_out <- seq(5, nrow(flowers), by = 5)",
      "model <- lm(Petal.Width ~ Petal.Length + Species, flowers[-held_out, ])",
      "error <- predict(model, flowers[held_out, ]) - flowers$Petal.Width[held_out]",
      "message(paste('rows left out:', length(held_out)))",
      "log_metric_to_run('RMSE', c(RMSE = sqrt(mean(error^2))))" # (a value with a name, as caret's)
    ),
    setup.R = c("library(espalier)", "write_workspace_config(workspace('ws', path = '.espalier'))")
  )
  utils::write.csv(iris, file.path(folder, "flowers.csv"), row.names = FALSE)
  home <- withr::local_tempdir()
  expect_equal(run_script(readLines(file.path(folder, "setup.R")), folder, home)$status, 0L)
  result <- run_script(c(
    "library(espalier)",
    "ws <- load_workspace_from_config()",
    "job <- estimator(source_directory = \".\",",
    "                 entry_script = \"train.R\",",
    "                 compute_target = \"local\")",
    "name <- \"petals-on-this-machine\"",
    "exp <- experiment(ws, name)",
    "run <- submit_experiment(exp, job)",
    "plot_run_details(run)",
    "wait_for_run_completion(run, show_output = TRUE)",
    "metrics <- get_run_metrics(run)",
    "metrics"
  ), folder, home)
  expect_equal(result$status, 0L, info = result$printed)
  expect_match(result$printed, "rows left out: 30", fixed = TRUE)
  expect_match(result$printed, "petals-on-this-machine_[0-9]+_[0-9a-f]+: Completed")
  expect_match(result$printed, "[$]RMSE\n\\[1\\] 0[.][0-9]+")
})

test_that("a path in script_params without a name is refused", {
  datastore <- get_default_datastore(local_workspace())
  file <- datastore$path("a.csv")
  refused <- function(params) {
    expect_error(estimator(local_project(train.R = ""), entry_script = "train.R", script_params = params), "has no name",
                 class = "espalier_error_bad_argument")
  }
  refused(list(file))
  refused(list(n = 1, file))
})
