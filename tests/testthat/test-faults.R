# What may go wrong around a run: scripts that tidy too much, sessions and runners that die, many at once.

test_that("outputs and logs are kept when the job unlinks and recreates them", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c(
    "writeLines('1', 'outputs/before.txt')", "unlink(c('outputs', 'logs'), recursive = TRUE)",
    "stopifnot(!file.exists('outputs'))", "dir.create('outputs/deep', recursive = TRUE)", "dir.create('logs')",
    "writeLines('2', 'outputs/deep/after.txt')", "writeLines('3', 'logs/l.txt')", "stop('and then it failed')"
  )))
  expect_identical(get_run_status(run), "Failed")
  expect_true(all(c("outputs/deep/after.txt", "logs/l.txt") %in% get_run_file_names(run)))
  expect_identical(readLines(output_of(run, "deep/after.txt")), "2")
  expect_match(cause_of(run)$message, "and then it failed")
})

test_that("partial outputs of a job that is killed are kept", {
  ws <- local_workspace()
  run <- ended(submit_command(ws, "echo half > outputs/model.txt; kill -9 $$"))
  expect_identical(cause_of(run)$code, "job_killed")
  expect_identical(readLines(output_of(run, "model.txt")), "half")
})

test_that("a job goes on when the session that submitted it is killed right after", {
  ws <- local_workspace()
  go <- withr::local_tempfile()
  job <- sprintf("while [ ! -e %s ]; do sleep 0.02; done; echo done > outputs/done.txt", go)
  session <- rscript_process(c(
    "library(espalier)", "x <- readRDS(commandArgs(TRUE))",
    "run <- submit_experiment(experiment(x$ws, 'killed'), script_run_config(command = x$job))",
    "tools::pskill(Sys.getpid(), 9)", "Sys.sleep(60)"
  ), saved(list(ws = ws, job = job)))
  session$wait(20000)
  expect_identical(session$get_exit_status(), -9L)
  run <- get_run(ws, "latest")
  expect_true(eventually(function() get_run_status(run) == "Running"))
  file.create(go)
  expect_identical(get_run_status(ended(run)), "Completed")
  expect_identical(readLines(output_of(run, "done.txt")), "done")
})

test_that("a job goes on when R is closed, with its terminal", {
  ws <- local_workspace()
  go <- withr::local_tempfile()
  job <- sprintf("while [ ! -e %s ]; do sleep 0.02; done; echo done > outputs/done.txt", go)
  session <- rscript_process(c(
    "library(espalier)", "x <- readRDS(commandArgs(TRUE))",
    "run <- submit_experiment(experiment(x$ws, 'closed'), script_run_config(command = x$job))", "cat(run$id)"
  ), saved(list(ws = ws, job = job)))
  session$wait(20000)
  expect_identical(session$get_exit_status(), 0L)
  run <- get_run(ws, session$read_all_output())
  # (what a closing terminal does to the processes that belong to it)
  session$kill_tree()
  expect_true(eventually(function() get_run_status(run) == "Running"))
  file.create(go)
  expect_identical(get_run_status(ended(run)), "Completed")
})

test_that("a runner that is killed takes its job with it, and the run says so", {
  ws <- local_workspace()
  run <- submit_command(ws, c("sleep", "300"))
  record <- file.path(run$run_dir, "status.json")
  expect_true(eventually(function() get_run_status(run) == "Running"))
  tools::pskill(jsonlite::fromJSON(record)$pid, 9)
  expect_error(wait_for_run_completion(run, show_output = FALSE), "was killed", class = "espalier_error_run_failed")
  expect_identical(cause_of(run)$code, "runner_lost")
  expect_identical(log_of(ended(submit_command(ws, "echo next"))), "next")
})

# (with fifty each in the core's tests: here it is about what R adds)
test_that("two sessions submit fifteen runs each into one workspace: none is lost, none runs twice", {
  ws <- local_workspace()
  counted <- withr::local_tempfile()
  lines <- c(
    "library(espalier)", "x <- readRDS(commandArgs(TRUE))", "exp <- experiment(x$ws, paste0('s', Sys.getpid()))",
    "job <- script_run_config(command = paste('echo $ESPALIER_RUN_ID >>', x$counted))",
    "for (i in 1:15) submit_experiment(exp, job, tags = list(i = i))"
  )
  given <- saved(list(ws = ws, counted = counted))
  here <- environment()
  sessions <- lapply(1:2, function(i) rscript_process(lines, given, env = here))
  for (session in sessions) {
    session$wait(60000)
    expect_identical(session$get_exit_status(), 0L)
  }
  expect_true(eventually(function() !any(list_runs(ws)$status %in% c("Queued", "Preparing", "Starting", "Running", "Finalizing")), 60))
  table <- list_runs(ws)
  expect_identical(table$status, rep("Completed", 30))
  expect_identical(anyDuplicated(table$run_id), 0L)
  expect_identical(sort(as.integer(table$tag_i)), rep(1:15, each = 2))
  expect_identical(list_experiments(ws)$runs, c(15L, 15L))
  expect_identical(sort(readLines(counted)), sort(table$run_id))
})

test_that("a run that was deleted by hand is gone, the others stay", {
  ws <- local_workspace()
  gone <- ended(submit_command(ws, "true"))
  stays <- ended(submit_command(ws, "true"))
  runs <- get_runs_in_experiment(experiment(ws, "exp"))
  expect_identical(nrow(list_runs(ws)), 2L)
  unlink(gone$run_dir, recursive = TRUE)
  expect_identical(list_runs(ws)$run_id, stays$id)
  for (code in expression(get_run_status(gone), get_run_metrics(gone), get_run_details(gone), get_run_file_names(gone),
                          get_run_tags(gone), set_run_tags(gone, list(a = "b")), cancel_run(gone))) {
    expect_error(eval(code), class = "espalier_error_run_missing")
  }
  expect_error(get_run(ws, gone$id), class = "espalier_error_run_missing")
  expect_output(print(runs), stays$id)
})

test_that("verbs do not depend on the working directory, locale or number options", {
  ws <- local_workspace()
  withr::local_options(OutDec = ",", scipen = -10, digits = 3)
  withr::local_dir(withr::local_tempdir())
  run <- ended(submit_lines(ws, c("library(espalier)", "log_metric_to_run('x', as.numeric(commandArgs(TRUE)[2]))"),
                            script_params = list(v = 100000.5), environment_variables = list(N = 1e5), tags = list(t = 0.25)))
  expect_identical(get_run_metrics(run)$x, 100000.5)
  expect_identical(get_run_details(run)$runDefinition$environment$variables$N, "100000")
  expect_identical(get_run_tags(run)$t, "0.25")
})

test_that("the verbs work in the C locale", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, "cat('gr\\u00fc\\u00dfe\\n')", tags = list(note = "\u00e9")))
  seen <- withr::with_envvar(c(LC_ALL = "C"), in_other_r(function(run) {
    list(locale = Sys.getlocale("LC_CTYPE"), tag = enc2utf8(espalier::get_run_tags(run)$note),
         text = enc2utf8(espalier::get_run_details_with_logs(run)$logFiles[["user_logs/std_log.txt"]]))
  }, list(run)))
  expect_identical(seen$locale, "C")
  expect_identical(seen$tag, "\u00e9")
  expect_match(seen$text, "gr")
})
