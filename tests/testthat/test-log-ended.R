# Logging after the end of a run, and into what a newer espalier has written.

local_ended <- function(state = "Completed", format = 1, env = parent.frame()) {
  dir <- local_run_folder(env = env)
  writeLines(sprintf("{\n \"format\": %d,\n \"state\": \"%s\",\n \"error\": {\n  \"state\": \"Running\"\n }\n}", format, state),
             file.path(dir, "status.json"))
  withr::local_envvar(ESPALIER_RUN_DIR = NA, .local_envir = env)
  dir
}

verbs <- list(
  function(run) log_metric_to_run("a", 1, run = run),
  function(run) log_list_to_run("a", 1:2, run = run),
  function(run) log_row_to_run("a", b = 1, run = run),
  function(run) log_table_to_run("a", data.frame(b = 1), run = run),
  function(run) log_part_to_run("a", run = run),
  function(run) log_image_to_run("a", plot = function() plot(1), run = run)
)

test_that("in a session it is an error, with a class, and nothing is written", {
  for (state in c("Completed", "Failed", "Canceled")) {
    run <- list(run_dir = local_ended(state))
    for (verb in verbs) {
      error <- expect_error(verb(run), class = "espalier_error_run_not_active")
      expect_match(conditionMessage(error), sprintf("it has ended (%s)", state), fixed = TRUE)
    }
    expect_identical(list.files(run$run_dir, recursive = TRUE), "status.json")
  }
})

test_that("a doubt about a value isn't warned of where nothing is logged at all", {
  run <- list(run_dir = local_ended())
  forget_doubts()
  doubtful <- list(
    function(run) log_metric_to_run("a", "x", step = "first", run = run),
    function(run) log_metric_to_run("", 1, run = run),
    function(run) log_list_to_run("a", sum, run = run),
    function(run) log_row_to_run("a", b = 1:2, run = run),
    function(run) log_table_to_run("a", sum, run = run),
    function(run) log_part_to_run("a", seconds = "long", run = run),
    function(run) log_image_to_run("a", path = "none.png", run = run)
  )
  for (verb in doubtful) {
    expect_no_warning(expect_error(verb(run), "it has ended", class = "espalier_error_run_not_active"))
  }
  withr::local_envvar(ESPALIER_RUN_DIR = run$run_dir)
  said <- testthat::capture_warnings(for (verb in doubtful) verb(NULL))
  expect_length(said, 1L)
  expect_match(said, "has ended")
})

test_that("also when it ends while it is logged to", {
  dir <- local_ended("Running")
  run <- list(run_dir = dir)
  log_metric_to_run("a", 1, run = run)
  Sys.setFileTime(file.path(dir, "status.json"), Sys.time() - 10)
  log_metric_to_run("a", 2, run = run)
  writeLines("{\"format\": 1, \"state\": \"Completed\"}", file.path(dir, "status.json"))
  look_again() # (it is due ten times a second)
  expect_error(log_metric_to_run("a", 3, run = run), class = "espalier_error_run_not_active")
  expect_length(run_events(dir, "metric"), 2L)
})

test_that("what a job has left behind is warned once, and goes on", {
  dir <- local_ended("Running")
  withr::local_envvar(ESPALIER_RUN_DIR = dir)
  log_metric_to_run("a", 1)
  writeLines("{\"format\": 1, \"state\": \"Completed\"}", file.path(dir, "status.json"))
  rm(list = dir, envir = .gates) # (the next look is due)
  expect_warning(log_metric_to_run("a", 2), "has ended", class = "espalier_warning_logging_failed")
  for (verb in verbs) expect_no_warning(verb(NULL))
  expect_length(run_events(dir, "metric"), 1L)
})

test_that("a newer format is refused", {
  dir <- local_ended("Running", format = 2)
  expect_error(log_metric_to_run("a", 1, run = list(run_dir = dir)), class = "espalier_error_newer_format")
  withr::local_envvar(ESPALIER_RUN_DIR = dir)
  file <- withr::local_tempfile(lines = "x")
  expect_error(upload_files_to_run("a", file), class = "espalier_error_newer_format")
  expect_identical(list.files(dir, recursive = TRUE), "status.json")
})

test_that("a real run", {
  ws <- local_workspace()
  run <- ended(submit_command(ws, "true"))
  run <- get_run(ws, list_runs(ws)$run_id)
  expect_error(log_metric_to_run("a", 1, run = run), class = "espalier_error_run_not_active")
  set_run_tags(run, list(a = "b"))
  expect_identical(get_run_metrics(run), structure(list(), names = character()), ignore_attr = TRUE)
  live <- start_logging_run(experiment(ws, "exp"))
  log_metric_to_run("a", 1)
  complete_run(live)
  expect_error(log_metric_to_run("a", 2, run = live), class = "espalier_error_run_not_active")
})

test_that("a run that has ended leaves no log open", {
  ws <- local_workspace()
  parent <- start_logging_run(experiment(ws, "exp"))
  fold <- create_child_run(parent)
  log_metric_to_run("a", 1, run = fold)
  log_part_to_run("p", run = fold)
  complete_run(fold)
  fold <- create_child_run(parent)
  log_metric_to_run("a", 1, run = fold)
  fail_run(fold)
  expect_false(any(grepl(ws$path, unlist(lapply(.writers, ls)), fixed = TRUE)))
  complete_run(parent)
})
