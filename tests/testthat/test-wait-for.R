# Waiting for several runs: for all, for the first, for so long; what is told, and how it is interrupted.

test_that("all of them, the first of them", {
  ws <- local_workspace()
  runs <- list(submit_command(ws, "exit 3"), submit_command(ws, "sleep 60"))
  first <- wait_for_runs(runs, any = TRUE, timeout_seconds = 20)
  expect_identical(first$run_id, vapply(runs, function(run) run$id, ""))
  expect_identical(first$status[[1]], "Failed")
  expect_identical(first$ended, c(TRUE, FALSE))
  cancel_run(runs[[2]])
  expect_identical(wait_for_runs(runs, timeout_seconds = 20)$status, c("Failed", "Canceled"))
  expect_invisible(wait_for_runs(runs[[1]]))
  expect_identical(nrow(wait_for_runs(list())), 0L)
  expect_identical(wait_for_runs(get_runs_in_experiment(experiment(ws, "exp")))$ended, c(TRUE, TRUE))
})

test_that("at the end it reports what failed, and why", {
  ws <- local_workspace()
  runs <- list(submit_lines(ws, "stop('no such level')"), submit_command(ws, "true"))
  message <- said_by(wait_for_runs(runs, timeout_seconds = 20))
  expect_match(message, "1 of 2 runs failed:\n")
  expect_match(message, paste0(runs[[1]]$id, ": no such level (exit status 1)"), fixed = TRUE)
  expect_match(message, "get_run_log(run)", fixed = TRUE)
  expect_identical(said_by(wait_for_runs(runs[[2]])), "")
})

test_that("at the end it names canceled runs and runs that took too long", {
  ws <- local_workspace()
  runs <- list(submit_command(ws, "sleep 60", max_run_duration_seconds = 0.5), submit_command(ws, "sleep 60"))
  cancel_run(runs[[2]])
  message <- said_by(wait_for_runs(runs, timeout_seconds = 20))
  expect_match(message, "2 of 2 runs didn't complete:\n")
  expect_match(message, paste0(runs[[1]]$id, ": Canceled. It took longer than its limit of 0.5 s."), fixed = TRUE)
  expect_match(message, paste0(runs[[2]]$id, ": Canceled by "), fixed = TRUE)
  expect_false(grepl("traceback", message))
  one <- function(run) said_by(wait_for_run_completion(run, show_output = FALSE))
  expect_match(one(runs[[1]]), paste0("Run ", runs[[1]]$id, ": Canceled. It took longer than its limit of 0.5 s.\n"), fixed = TRUE)
  expect_match(one(runs[[2]]), ": Canceled by ")
})

test_that("the last line says that all have ended, unless they had before", {
  ws <- local_workspace()
  runs <- list(submit_command(ws, "sleep 0.5"), submit_command(ws, "true"))
  expect_match(said_by(wait_for_runs(runs, timeout_seconds = 20)), "2 of 2 runs have ended (2 Completed)", fixed = TRUE)
  expect_identical(said_by(wait_for_runs(runs)), "")
})

test_that("runs of several workspaces", {
  a <- local_workspace("a")
  b <- local_workspace("b")
  runs <- list(submit_command(a, "true"), submit_command(b, "sleep 0.3"), submit_command(a, "true"))
  expect_identical(wait_for_runs(runs, timeout_seconds = 20)$status, rep("Completed", 3))
})

test_that("a time-out is an error that says what has ended", {
  ws <- local_workspace()
  runs <- list(submit_command(ws, "true"), submit_command(ws, "sleep 60"))
  wait_for_runs(runs, any = TRUE, timeout_seconds = 20)
  took <- system.time(error <- tryCatch(wait_for_runs(runs, timeout_seconds = 0.5), espalier_error_wait_timed_out = identity))
  expect_s3_class(error, c("espalier_error_wait_timed_out", "espalier_error", "error"), exact = FALSE)
  expect_match(conditionMessage(error), paste0("1 of 2 runs had not ended after 0.5 s (", runs[[2]]$id, ")"), fixed = TRUE)
  expect_identical(error$states$ended, c(TRUE, FALSE))
  expect_gte(took[["elapsed"]], 0.5)
  expect_identical(get_run_status(runs[[2]]), "Running")
})

test_that("what is no run, no flag and no number is refused", {
  expect_error(wait_for_runs("run"), "`runs` must be a run or a list of runs", class = "espalier_error_bad_argument")
  expect_error(wait_for_runs(list(1)), class = "espalier_error_bad_argument")
  expect_error(wait_for_runs(list(), any = NA), class = "espalier_error_bad_argument")
  expect_error(wait_for_runs(list(), timeout_seconds = -1), class = "espalier_error_bad_argument")
})

test_that("an interrupt ends the waiting, and the run goes on", {
  ws <- local_workspace()
  run <- submit_command(ws, "sleep 600")
  waiter <- rscript_process(c(
    "library(espalier)", "x <- readRDS(commandArgs(TRUE))", "get_run_status(x)", "cat('up\\n')",
    "tryCatch(wait_for_runs(list(x)), interrupt = function(i) cat('interrupted\\n'))"
  ), saved(run))
  heard <- character()
  expect_true(eventually(function() any(grepl("up", heard <<- c(heard, waiter$read_output_lines())))))
  Sys.sleep(0.5)
  waiter$signal(2L)
  expect_true(eventually(function() any(grepl("interrupted", heard <<- c(heard, waiter$read_output_lines())))))
  waiter$wait(5000)
  expect_match(paste(c(heard, waiter$read_all_output_lines()), collapse = "\n"), "Stopped watching; the runs go on")
  expect_identical(get_run_status(run), "Running")
})

test_that("how far they are, in words", {
  found <- data.frame(status = c("Running", "Failed", "Running"), ended = c(FALSE, TRUE, FALSE))
  expect_identical(many_text(found), "1 of 3 runs have ended (1 Failed, 2 Running)")
  expect_identical(many_text(data.frame(status = "Failed", ended = TRUE)), "1 of 1 run has ended (1 Failed)")
})

test_that("in a job it lends its slot to runs of any workspace, and needs no Python", {
  ws <- local_workspace()
  other <- local_workspace("other")
  old <- get_host_resources()$total[[1L]]
  set_host_resources(cpus = 1)
  withr::defer(set_host_resources(cpus = old))
  held <- submit_command(ws, "sleep 30")
  waited <- list(submit_command(other, "true"), submit_command(other, "exit 3"))
  file <- saved(waited)
  job <- submit_lines(ws, c(
    "library(espalier)", sprintf("found <- wait_for_runs(readRDS(%s))", deparse(file)),
    "cat(found$status, '\\n')", "cat('reticulate' %in% loadedNamespaces(), '\\n')"
  ), priority = 9L, max_run_duration_seconds = 60)
  cancel_run(held)
  ended(job)
  expect_identical(get_run_status(job), "Completed", info = paste(log_of(job), collapse = "\n"))
  expect_match(paste(log_of(job), collapse = "\n"), "Completed Failed")
  expect_match(paste(log_of(job), collapse = "\n"), "FALSE")
})
