# Waiting for several runs: for all, for the first, for so long; what is told, and how it is interrupted.

test_that("all of them, the first of them", {
  ws <- local_workspace()
  runs <- list(submit_command(ws, "exit 3"), submit_command(ws, "sleep 60"))
  first <- wait_for(runs, any = TRUE, timeout = 20)
  expect_identical(first$run_id, vapply(runs, function(run) run$id, ""))
  expect_identical(first$status[[1]], "Failed")
  expect_identical(first$ended, c(TRUE, FALSE))
  cancel_run(runs[[2]])
  expect_identical(wait_for(runs, timeout = 20)$status, c("Failed", "Canceled"))
  expect_invisible(wait_for(runs[[1]]))
  expect_identical(nrow(wait_for(list())), 0L)
  expect_identical(wait_for(get_runs_in_experiment(experiment(ws, "exp")))$ended, c(TRUE, TRUE))
})

test_that("runs of several workspaces", {
  a <- local_workspace("a")
  b <- local_workspace("b")
  runs <- list(submit_command(a, "true"), submit_command(b, "sleep 0.3"), submit_command(a, "true"))
  expect_identical(wait_for(runs, timeout = 20)$status, rep("Completed", 3))
})

test_that("a time-out is an error that says what has ended", {
  ws <- local_workspace()
  runs <- list(submit_command(ws, "true"), submit_command(ws, "sleep 60"))
  wait_for(runs, any = TRUE, timeout = 20)
  took <- system.time(error <- tryCatch(wait_for(runs, timeout = 0.5), espalier_error_wait_timed_out = identity))
  expect_s3_class(error, c("espalier_error_wait_timed_out", "espalier_error", "error"), exact = FALSE)
  expect_match(conditionMessage(error), paste0("1 of 2 runs had not ended after 0.5 s: ", runs[[2]]$id), fixed = TRUE)
  expect_identical(error$states$ended, c(TRUE, FALSE))
  expect_true(took[["elapsed"]] >= 0.5 && took[["elapsed"]] < 2)
  expect_identical(get_run_status(runs[[2]]), "Running")
})

test_that("what is no run, no flag and no number is refused", {
  expect_error(wait_for("run"), "`runs` must be a run or a list of runs", class = "espalier_error_bad_argument")
  expect_error(wait_for(list(1)), class = "espalier_error_bad_argument")
  expect_error(wait_for(list(), any = NA), class = "espalier_error_bad_argument")
  expect_error(wait_for(list(), timeout = -1), class = "espalier_error_bad_argument")
})

test_that("an interrupt ends the waiting within 0.3 s, and the run goes on", {
  ws <- local_workspace()
  run <- submit_command(ws, "sleep 60")
  waiter <- rscript_process(c(
    "library(espalier)", "x <- readRDS(commandArgs(TRUE))", "get_run_status(x)", "cat('up\\n')",
    "tryCatch(wait_for(list(x)), interrupt = function(i) cat('interrupted\\n'))"
  ), saved(run))
  heard <- character()
  expect_true(eventually(function() any(grepl("up", heard <<- c(heard, waiter$read_output_lines())))))
  Sys.sleep(0.5)
  waiter$signal(2L)
  before <- Sys.time()
  expect_true(eventually(function() any(grepl("interrupted", heard <<- c(heard, waiter$read_output_lines())))))
  expect_lt(as.numeric(Sys.time() - before, units = "secs"), 0.6)
  waiter$wait(5000)
  expect_match(paste(c(heard, waiter$read_all_output_lines()), collapse = "\n"), "Stopped watching; the runs go on")
  expect_identical(get_run_status(run), "Running")
})

test_that("how far they are, in words", {
  found <- data.frame(status = c("Running", "Failed", "Running"), ended = c(FALSE, TRUE, FALSE))
  expect_identical(many_text(found), "1 of 3 runs have ended (1 Failed, 2 Running)")
})
