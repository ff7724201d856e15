test_that("a job says what it needs, and what the queue is to do with it", {
  config <- script_run_config(
    command = "true", cpus = 2, gpus = 1, memory = "4 GB", priority = 9, retry = 3, queue_timeout_seconds = Inf,
    prepare_timeout_seconds = 60, depends_on = "exp_1_00000000"
  )
  expect_identical(config$cpus, 2)
  expect_identical(config$depends_on, list("exp_1_00000000"))
  expect_identical(config$queue_timeout_seconds, 0)
  expect_identical(config$retry$attempts, 3)
  expect_output(print(config), "memory: +4 GB")
  expect_output(print(config), "retry: +attempts = 3")
})

test_that("what is not said is the core's", {
  config <- script_run_config(command = "true")
  expect_length(intersect(names(config), names(formals(queue_fields))), 0)
  expect_identical(estimator("p", entry_script = "a.R", use_gpu = TRUE)$gpus, 1)
  expect_identical(estimator("p", entry_script = "a.R", use_gpu = TRUE, gpus = 2)$gpus, 2)
})

test_that("memory is a number of bytes or a size", {
  expect_identical(script_run_config(command = "true", memory = 2^33)$memory, "8589934592")
  for (size in c("4GB", " 1.5 gib ", "500 MB", "7", "3k")) expect_identical(memory_argument(size, "memory"), size)
  for (bad in list(NA, TRUE, c(1, 2))) {
    expect_error(script_run_config(command = "true", memory = bad), "memory", class = "espalier_error_bad_argument")
  }
})

test_that("values of the wrong type are refused where they are given", {
  refused <- function(...) {
    expect_error(script_run_config(command = "true", ...), class = "espalier_error_bad_argument")
  }
  refused(cpus = "1")
  refused(gpus = "0")
  refused(priority = TRUE)
  refused(retry = "often")
  refused(retry = c(1, 2))
  refused(retry = list(attempts = 2))
  refused(queue_timeout_seconds = 0)
  refused(prepare_timeout_seconds = NA)
  refused(depends_on = 1)
  refused(depends_on = list("exp_1_00000000"))
})

test_that("a retry policy shows itself", {
  policy <- retry_options(5, on = c("job_killed", "runner_lost"), wait_seconds = 10)
  expect_output(print(policy), "up to 5 attempts, first after 10 s, on job_killed, runner_lost", fixed = TRUE)
  expect_identical(format(retry_options(2)), "<Retry options: up to 2 attempts>")
  expect_error(retry_options(2, on = 1), class = "espalier_error_bad_argument")
  expect_error(retry_options(2, wait_seconds = "1"), class = "espalier_error_bad_argument")
})

test_that("the core judges values at submit, and says which argument is wrong", {
  skip_if_no_core()
  ws <- local_workspace()
  said <- function(...) {
    error <- expect_error(submit_command(ws, "true", ...), class = "espalier_error_bad_argument")
    strsplit(conditionMessage(error), "\n", fixed = TRUE)[[1]]
  }
  expect_snapshot({
    writeLines(said(cpus = 1.5))
    writeLines(said(cpus = -1))
    writeLines(said(priority = 10))
    writeLines(said(memory = "4 XB"))
    writeLines(said(memory = -1))
    writeLines(said(retry = 0))
    writeLines(said(retry = retry_options(2, on = "rain")))
    writeLines(said(retry = retry_options(2, wait_seconds = -1)))
    writeLines(said(retry = retry_options(2, factor = 0.5)))
    writeLines(said(children = "kill"))
    writeLines(said(outside_links = "follow"))
    writeLines(said(source_directory = ".", entry_script = "t.R"))
  })
  expect_identical(nrow(list_runs(ws)), 0L)
})

test_that("a run is tried again until it succeeds, and says how often", {
  ws <- local_workspace()
  mark <- tempfile()
  command <- sprintf("echo hello; test -e %s || { touch %s; exit 3; }", mark, mark)
  run <- submit_experiment(experiment(ws, "exp"), script_run_config(command = command, retry = 2))
  output <- capture.output(suppressMessages(wait_for_run_completion(run)))
  details <- get_run_details(run)
  expect_identical(details$status, "Completed")
  expect_equal(details$attempt, 2)
  expect_equal(details$attempts[[1]]$exit_code, 3)
  expect_match(output, "attempt 1 of 2", all = FALSE)
})

test_that("a run waits for another, and says so", {
  ws <- local_workspace()
  exp <- experiment(ws, "exp")
  first <- submit_experiment(exp, script_run_config(command = "sleep 1"))
  second <- submit_experiment(exp, script_run_config(command = "true", depends_on = first))
  expect_match(get_run_detailed_status(second)$reason, paste("it depends on", first$id), fixed = TRUE)
  wait_for_run_completion(second, show_output = FALSE)
  expect_true(get_run_details(first)$endTimeUtc <= get_run_details(second)$startTimeUtc)
  third <- submit_experiment(exp, script_run_config(command = "false"))
  last <- submit_experiment(exp, script_run_config(command = "true", depends_on = list(first, third)))
  expect_error(wait_for_run_completion(last, show_output = FALSE), third$id, class = "espalier_error_run_failed")
})
