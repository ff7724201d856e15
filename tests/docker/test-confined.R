# Children of an R job in a container, followed in it; the base image has neither reticulate nor cli.

test_that("an R job in a container follows its children", {
  home <- withr::local_tempdir()
  withr::local_envvar(
    ESPALIER_STATE_DIR = file.path(home, "state"), ESPALIER_CACHE_DIR = file.path(home, "cache")
  )
  ws <- workspace("confined", path = file.path(home, "workspaces"))
  env <- r_environment("base", custom_docker_image = Sys.getenv("ESPALIER_TEST_IMAGE"))
  project <- file.path(home, "project")
  dir.create(project)
  writeLines(c(
    "library(espalier)",
    "log_metric_to_run('auc', 0.75)",
    "log_metric_to_run('n', 3L)",
    "log_table_to_run('t', data.frame(a = c(1, NA, Inf), b = c('x', '!y', NA)))",
    "cat('the child says\\n')"
  ), file.path(project, "child.R"))
  writeLines(c(
    "library(espalier)",
    "child <- submit_child_run(config = estimator('.', entry_script = 'child.R'), tags = list(fold = 'a'))",
    "wait_for_run_completion(child, show_output = TRUE)",
    "cat('status', child$get_status(), get_run_status(child), '\\n')",
    "m <- get_run_metrics(child)",
    "stopifnot(identical(m$auc, 0.75), identical(m$n, 3L), identical(m$t, data.frame(a = c(1, NA, Inf), b = c('x', '!y', NA))))",
    "stopifnot(identical(names(get_run_metrics(get_current_run(), recursive = TRUE)[[2]]), c('auc', 'n', 't')))",
    "stopifnot(identical(get_run_metrics(child, name = 'auc'), list(auc = 0.75)))",
    "stopifnot(length(get_child_runs(tags = list(fold = 'a'))) == 1)",
    "print(child)",
    "folds <- create_child_runs(tag_key = 'fold', tag_values = c('x', 'y'))",
    "for (fold in folds) { log_metric_to_run('rmse', 0.5, run = fold); complete_run(fold) }",
    "cat('folds', vapply(folds, get_run_status, ''), '\\n')",
    "writeLines('n', 'note.txt'); upload_files_to_run(c('outputs/deep/note', 'note'), c('note.txt', 'note.txt'))",
    "set_run_tags(get_current_run(), list(stage = '!prod', n = 2)); set_run_tags(child, list(of = 'mine'))",
    "escaped <- tryCatch(submit_child_run(config = script_run_config(command = 'true', docker = docker_options(network = 'host'), environment = NULL)), error = function(e) class(e)[1])",
    "cat('escape', if (is.character(escaped)) escaped else 'worked', '\\n')"
  ), file.path(project, "parent.R"))
  run <- submit_experiment(
    experiment(ws, "pima"),
    estimator(project, entry_script = "parent.R", environment = env, docker = docker_options(network = "none"))
  )
  wait_for_run_completion(run, show_output = FALSE, raise_on_error = FALSE)
  log <- paste(get_run_log(run), collapse = "\n")
  expect_identical(get_run_status(run), "Completed", info = log)
  expect_match(log, "the child says", fixed = TRUE)
  expect_match(log, "status Completed Completed", fixed = TRUE)
  expect_match(log, "folds Completed Completed", fixed = TRUE)
  expect_no_match(log, "escape worked", fixed = TRUE)
  expect_identical(get_run_tags(run), list(stage = "!prod", n = "2"))
  expect_identical(get_run_tags(get_child_runs(run, type = "script")[[1]])$of, "mine")
  expect_true(all(c("outputs/deep/note", "note") %in% get_run_file_names(run)))
  folds <- get_child_runs(run, type = "interactive")
  expect_identical(lapply(folds, get_run_metrics), list(list(rmse = 0.5), list(rmse = 0.5)))
})
