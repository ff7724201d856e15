test_that("children of a session's run", {
  ws <- local_workspace()
  run <- start_logging_run(experiment(ws, "exp"))
  one <- create_child_run(run, "first", "exp_7_0123abcd")
  log_metric_to_run("m", 1, run = one)
  complete_run(one)
  expect_error(create_child_run(run, run_id = "exp_7_0123abcd"), class = "espalier_error_run_exists")
  expect_error(create_child_run(run, run_id = "x"), class = "espalier_error_bad_name")
  folds <- create_child_runs(run, tag_key = "fold", tag_values = 1:2)
  expect_s3_class(folds, "espalier_runs")
  expect_length(create_child_runs(run, 3), 3L)
  for (wrong in list(list(), list(0), list(1001), list(1, "x"), list(tag_key = "x"), list(tag_values = "x"))) {
    expect_error(do.call(create_child_runs, c(list(run), wrong)), class = "espalier_error_bad_argument")
  }
  fail_run(folds[[2]], "no convergence")
  job <- submit_child_run(run, script_run_config(command = "true"), tags = list(fold = 1))
  ended(job)

  ids <- function(...) vapply(get_child_runs(run, ...), function(child) child$id, "")
  expect_length(ids(), 7L)
  expect_identical(ids(tags = list(fold = 1)), c(folds[[1]]$id, job$id))
  expect_identical(ids(status = "Failed"), folds[[2]]$id)
  expect_identical(ids(type = "command"), job$id)
  expect_identical(as.data.frame(get_child_runs(run, status = "Failed"))$parent, run$id)
  expect_identical(get_run_metrics(run, recursive = TRUE, run_type = "interactive")[[one$id]], list(m = 1))

  complete_run(run)
  expect_identical(get_run_status(folds[[1]]), "Completed")
  table <- list_runs(ws)
  expect_identical(table$children, 7L)
  expect_identical(table$parent, NA_character_)
  expect_identical(nrow(list_runs(ws, include_children = TRUE)), 8L)
  expect_length(get_runs_in_experiment(experiment(ws, "exp")), 1L)
  expect_length(get_runs_in_experiment(experiment(ws, "exp"), include_children = TRUE), 8L)
  expect_output(print(list_runs(ws, include_children = TRUE)), "parent")
  expect_output(print(one), "parent: +exp_")
})

test_that("an R job submits children, waits for them with one slot, and needs no Python", {
  ws <- local_workspace()
  old <- get_host_resources()$total[[1L]]
  withr::defer(set_host_resources(cpus = old))
  set_host_resources(cpus = 1)
  folder <- local_project(
    child.R = c("library(espalier)", "p <- job_params(a = 1)", "log_metric_to_run('x', p$a)", "if (p$a == 3) stop('three')"),
    parent.R = c(
      "library(espalier)",
      "kids <- lapply(1:3, function(i) submit_child_run(",
      "  config = estimator('.', entry_script = 'child.R', script_params = list(a = i)), tags = list(i = i)))",
      "for (kid in kids) wait_for_run_completion(kid, raise_on_error = FALSE)",
      "made <- create_child_runs(tag_key = 'fold', tag_values = c('a', 'b'))",
      "made",
      "made[[1]]",
      "log_metric_to_run('m', 2, run = made[[1]])",
      "complete_run(made[[1]])",
      "fail_run(create_child_run(made[[2]], 'deep'), 'why')",
      "cat(vapply(get_child_runs(recursive = TRUE), get_run_status, ''), fill = TRUE)",
      "long <- submit_child_run(config = script_run_config(command = c('sleep', '60')))",
      "stopifnot(cancel_run(long))",
      "cat(class(tryCatch(submit_child_run(config = estimator('gone', entry_script = 'x.R')), error = identity))[1], fill = TRUE)",
      "cat('loaded:', intersect(c('reticulate', 'cli', 'jsonlite'), loadedNamespaces()), fill = TRUE)"
    )
  )
  run <- submit_experiment(experiment(ws, "exp"), estimator(folder, entry_script = "parent.R"))
  ended(run)
  log <- log_of(run)
  expect_identical(get_run_status(run), "Completed", info = paste(log, collapse = "\n"))
  expect_match(log, "^ *exp_[0-9]+_[0-9a-f]{8} +Running *$", all = FALSE)
  expect_match(log, "^  status: +Running$", all = FALSE)
  expect_true("Completed Completed Failed Completed Running Failed" %in% trimws(log))
  expect_identical(utils::tail(trimws(log), 2), c("espalier_error_source_missing", "loaded:"))
  children <- get_child_runs(run)
  expect_identical(
    vapply(children, get_run_status, ""), c("Completed", "Completed", "Failed", "Completed", "Completed", "Canceled")
  )
  metrics <- get_run_metrics(run, recursive = TRUE)
  expect_identical(unlist(lapply(children, function(child) metrics[[child$id]])), c(x = 1, x = 2, x = 3, m = 2))
  expect_match(unlist(get_run_details(run)$warnings), "The child run .* failed: three", all = FALSE)
  # what the child's library paths were does not end with its parent
  expect_false(any(grepl(".job", unlist(children[[1]]$get_details()$runDefinition$environment$r$library_paths), fixed = TRUE)))
})

test_that("a parent waits for its children, or lets them go on, and takes them along when it is canceled", {
  ws <- local_workspace()
  parent <- function(...) {
    lines <- "espalier::submit_child_run(config = espalier::script_run_config(command = c('sleep', Sys.getenv('LONG'))))"
    submit_lines(ws, lines, ...)
  }
  child <- function(run) get_child_runs(run)[[1]]
  waits <- parent(environment_variables = list(LONG = "60"))
  expect_true(eventually(function() get_run_status(waits) == "Finalizing", 30))
  cancel_run(waits)
  ended(waits)
  expect_identical(get_run_status(waits), "Canceled")
  expect_identical(get_run_status(ended(child(waits))), "Canceled")
  expect_match(cause_of(child(waits))$message, "Canceled with its parent", fixed = TRUE)

  detached <- parent(environment_variables = list(LONG = "2"), children = "detach")
  ended(detached)
  expect_false(get_run_status(child(detached)) == "Completed")
  expect_identical(get_run_status(ended(child(detached))), "Completed")
  expect_identical(get_run_details(detached)$runDefinition$children, "detach")
  expect_error(estimator(".", entry_script = "x.R", children = 1), class = "espalier_error_bad_argument")
})
