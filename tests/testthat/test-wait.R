# Waiting: what is shown, when it ends, what a failure says, and how it is interrupted.

test_that("the log is streamed while the job runs", {
  ws <- local_workspace()
  go <- withr::local_tempfile()
  run <- submit_command(ws, sprintf("echo one; while [ ! -e %s ]; do sleep 0.02; done; echo two", go))
  watcher <- rscript_process(c(
    "library(espalier)", "x <- readRDS(commandArgs(TRUE))", "wait_for_run_completion(x)"
  ), saved(run))
  heard <- character()
  first <- eventually(function() any(grepl("one", heard <<- c(heard, watcher$read_output_lines()))))
  expect_true(first)
  expect_false(any(grepl("two", heard)))
  file.create(go)
  watcher$wait(10000)
  heard <- c(heard, watcher$read_all_output_lines())
  expect_identical(heard[1:2], c("one", "two"))
  expect_match(heard[3], "Completed")
})

test_that("without output only the end is told", {
  ws <- local_workspace()
  run <- submit_command(ws, "echo text")
  expect_identical(capture.output(said <- said_by(wait_for_run_completion(run, show_output = FALSE))), character())
  expect_match(said, "^. Run .*: Completed\\.\n$")
  expect_invisible(suppressMessages(wait_for_run_completion(run, show_output = FALSE)))
  expect_identical(capture.output(suppressMessages(wait_for_run_completion(run))), "text")
  expect_error(wait_for_run_completion(run, show_output = NA), class = "espalier_error_bad_argument")
  expect_error(wait_for_run_completion(run, raise_on_error = "no"), class = "espalier_error_bad_argument")
})

test_that("an R error arrives with message, call, class, traceback and the last lines of the log", {
  ws <- local_workspace()
  run <- submit_lines(ws, c(
    "cat('reading\\n')", "pick <- function(level) stop('no such level: ', level)", "outer <- function() pick('b')", "outer()"
  ))
  error <- tryCatch(wait_for_run_completion(run, show_output = FALSE), espalier_error_run_failed = identity)
  expect_s3_class(error, c("espalier_error_run_failed", "espalier_error", "error"), exact = FALSE)
  expect_identical(error$run_id, run$id)
  expect_match(conditionMessage(error), "no such level: b (exit status 1) [in pick(\"b\"), at train.R:2]", fixed = TRUE)
  expect_match(conditionMessage(error), "Last lines of its log:\n  reading\n", fixed = TRUE)
  expect_match(conditionMessage(error), file.path(run$run_dir, "user_logs", "std_log.txt"), fixed = TRUE)
  expect_identical(error$cause$code, "job_failed")
  expect_identical(unlist(error$cause$class), c("simpleError", "error", "condition"))
  expect_identical(unlist(error$cause$traceback)[1:2], c("outer() at train.R:4", "pick(\"b\") at train.R:3"))
  expect_identical(unlist(error$cause$log_tail)[1], "reading")
  said <- said_by(back <- wait_for_run_completion(run, show_output = FALSE, raise_on_error = FALSE))
  expect_true(back == run)
  expect_match(said, "Failed")
  expect_identical(get_run_details(run)$exitCode, 1L)
})

test_that("an error of a class of its own keeps it, with quotes, line breaks and accents", {
  ws <- local_workspace()
  run <- submit_lines(ws, c(
    "stop(structure(class = c('my_error', 'error', 'condition'),",
    "  list(message = 'it\\'s \"bad\"\\nsecond line \\u00e9 \\U0001F333', call = NULL)))"
  ))
  error <- tryCatch(wait_for_run_completion(run, show_output = FALSE), espalier_error_run_failed = identity)
  expect_match(conditionMessage(error), "it's \"bad\"\nsecond line \u00e9 \U0001F333", fixed = TRUE)
  expect_identical(unlist(error$cause$class), c("my_error", "error", "condition"))
})

test_that("the exit status is the job's own, and a signal is told as such", {
  ws <- local_workspace()
  quit <- ended(submit_lines(ws, c("cat('leaving\\n')", "quit(status = 3)")))
  expect_identical(get_run_details(quit)$exitCode, 3L)
  expect_match(cause_of(quit)$message, "exit status 3")
  expect_identical(cause_of(quit)$code, "job_failed")
  killed <- ended(submit_lines(ws, "tools::pskill(Sys.getpid(), 9)"))
  details <- get_run_details(killed)
  expect_identical(details$signal, 9L)
  expect_null(details$exitCode)
  expect_identical(details$error$code, "job_killed")
  expect_match(details$error$message, "SIGKILL")
  expect_identical(list_runs(ws)$status, c("Failed", "Failed"))
  expect_identical(list_runs(ws)$exit_code, c(NA, 3L))
})

test_that("what a job prints is shown without control sequences, and kept as it was", {
  local_utf8()
  ws <- local_workspace()
  run <- submit_command(ws, "printf 'a\\377b \\033[31mred\\033[0m \\033]0;title\\007\\302\\233x\\nbefore\\rnext\\n\\000end\\n'; exit 1")
  out <- capture.output(error <- tryCatch(wait_for_run_completion(run), error = identity))
  expect_identical(out, c("a\ufffdb red x", "next", "end"))
  expect_false(grepl("[\u0001-\u0008\u000b-\u001f\u007f-\u009f]", conditionMessage(error), perl = TRUE))
  raw <- readBin(file.path(run$run_dir, "user_logs", "std_log.txt"), "raw", 1000)
  expect_identical(raw[1:3], as.raw(c(0x61, 0xff, 0x62)))
  expect_true(as.raw(0x1b) %in% raw && as.raw(0) %in% raw)
})

test_that("a piece of log that is nothing but control characters does not end the watching early", {
  ws <- local_workspace()
  run <- ended(submit_command(ws, "head -c 1100000 /dev/zero | tr '\\0' '\\007'; echo; echo the end"))
  expect_identical(utils::tail(capture.output(suppressMessages(wait_for_run_completion(run))), 1L), "the end")
})

# What this process has read so far (0 where the system does not count it)
bytes_read <- function() {
  counts <- "/proc/self/io"
  if (!file.exists(counts)) return(0)
  as.numeric(sub("rchar: ", "", grep("^rchar", readLines(counts), value = TRUE), fixed = TRUE))
}

test_that("50 MB of log are followed to the end, and cost nothing where they are not shown", {
  ws <- local_workspace()
  run <- submit_command(ws, "yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 50000000; echo; echo the end")
  ended(run)
  expect_identical(get_run_status(run), "Completed")
  # (what the run's own processes read counts here from the moment when they are collected)
  read <- vapply(1:4, function(i) {
    before <- bytes_read()
    ended(run)
    bytes_read() - before
  }, 0)
  expect_lt(min(read), 5e6)
  file <- withr::local_tempfile()
  sink(file)
  tryCatch(suppressMessages(wait_for_run_completion(run)), finally = sink())
  expect_identical(file.size(file), 50000000 + 9)
  expect_identical(utils::tail(readLines(file), 1L), "the end")
  expect_length(unlist(get_run_details(run)$error), 0L)
})

test_that("waiting ends with the job: at most one look more than the one that finds the end", {
  ws <- local_workspace()
  go <- withr::local_tempfile()
  run <- submit_command(ws, sprintf("while [ ! -e %s ]; do sleep 0.02; done", go))
  # (looks are counted, and the job ends while it is waited for)
  follow <- asNamespace("espalier")$Run__follow
  ends <- logical()
  withr::defer(utils::assignInNamespace("Run__follow", follow, "espalier"))
  utils::assignInNamespace("Run__follow", function(...) {
    seen <- follow(...)
    ends <<- c(ends, isTRUE(seen$final))
    if (length(ends) == 2L) file.create(go)
    seen
  }, "espalier")
  suppressMessages(wait_for_run_completion(run))
  expect_false(any(ends[1:2]))
  expect_lte(sum(ends), 2L)
})

test_that("Ctrl-C stops the watching, says how to come back, and the job goes on", {
  ws <- local_workspace()
  go <- withr::local_tempfile()
  run <- submit_command(ws, sprintf("echo begun; while [ ! -e %s ]; do sleep 0.02; done; echo finished", go))
  watcher <- rscript_process(c(
    "library(espalier)", "x <- readRDS(commandArgs(TRUE))",
    "tryCatch(wait_for_run_completion(x), interrupt = function(i) cat('interrupted\\n'))", "cat('prompt is back\\n')",
    "cat(get_run_status(x), '\\n')"
  ), saved(run))
  heard <- character()
  expect_true(eventually(function() any(grepl("begun", heard <<- c(heard, watcher$read_output_lines())))))
  watcher$interrupt()
  watcher$wait(10000)
  heard <- paste(c(heard, watcher$read_all_output_lines()), collapse = "\n")
  heard <- gsub(" *\n +", "\n", heard)
  expect_match(heard, paste0("Stopped watching; run .*", run$id, ".* goes on"))
  expect_match(heard, paste0("run <- get_run(ws, \"", run$id, "\")"), fixed = TRUE)
  expect_match(heard, "cancel_run(run)", fixed = TRUE)
  expect_match(heard, "interrupted\nprompt is back\nRunning", fixed = TRUE)
  file.create(go)
  expect_identical(get_run_status(ended(run)), "Completed")
  expect_identical(log_of(run), c("begun", "finished"))
})

test_that("time limits of the user end every kind of waiting", {
  skip_if_no_core()
  ws <- local_workspace()
  run <- submit_experiment(experiment(ws, "e"), script_run_config(command = "while :; do echo x; sleep 0.01; done"))
  withr::defer(cancel_run(run))
  waits <- list(
    function() wait_for_run_completion(run, show_output = FALSE),
    function() wait_for_run_completion(run),
    function() wait_for_runs(run, timeout_seconds = 600),
    function() repeat get_run_status(run)
  )
  for (wait in waits) {
    limited <- function() {
      setTimeLimit(elapsed = 0.3, transient = TRUE)
      on.exit(setTimeLimit())
      utils::capture.output(wait(), type = "output")
    }
    expect_error(suppressMessages(limited()), gettext("reached elapsed time limit", domain = "R"))
  }
})
