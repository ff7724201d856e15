test_that("the status line of an interactive session never stands behind an unfinished line of the log", {
  display <- live_display("e_1_abcdef01")
  shown <- capture.output(type = "message", out <- capture.output({
    display$log("one\npar")
    display$status("Running")
    display$log("tial\ntwo")
    display$status("Completed")
    display$end()
    display$end()
  }))
  expect_identical(out, c("one", "partial", "two"))
  drawn <- paste(shown, collapse = "\n")
  expect_match(drawn, "e_1_abcdef01 Running, 0\\.\\d s")
  expect_match(drawn, "e_1_abcdef01 Completed")
})

test_that("seconds count from the run's start, also when it was running before", {
  display <- live_display("e_1_abcdef01", started = function() format(Sys.time() - 90, "%Y-%m-%dT%H:%M:%OS6Z", tz = "UTC"))
  shown <- capture.output(type = "message", {
    display$status("Running")
    display$end()
  })
  expect_match(paste(shown, collapse = ""), "Running, 1 min 3\\d s")
})

# A job that prints a part of its log, then the next one whenever a file appears, and an R that watches it.
watched_job <- function(parts, env = parent.frame()) {
  ws <- local_workspace(env = env)
  go <- withr::local_tempfile(.local_envir = env)
  wait <- sprintf("while [ ! -e %s%d ]; do sleep 0.02; done", go, seq_along(parts))
  run <- submit_command(ws, paste(paste0("printf '", parts, "'; ", wait), collapse = "; "))
  terminal <- r_terminal(env)
  terminal$type("library(espalier); run <- readRDS('", saved(run, env), "')")
  terminal$type("wait_for_run_completion(run)")
  goes_on <- function(part) file.create(paste0(go, part))
  list(run = run, terminal = terminal, goes_on = goes_on, shows = function(pattern, times = 1L) {
    eventually(function() count_of(pattern, terminal$seen()) >= times, seconds = 30)
  })
}

test_that("on a terminal the status line is drawn over itself, below the log, and gone at the end", {
  job <- watched_job(c("one\\n", "par", "tial\\n", "three\\n"))
  status <- paste0("\r", job$run$id, " Running, [0-9.]+ s *\r")
  expect_true(job$shows(status, times = 3L))
  for (part in 1:4) {
    job$goes_on(part)
    # the line is drawn again after each piece of the log
    if (part < 4L) expect_true(job$shows(status, times = 3L * (part + 1L)))
  }
  expect_true(job$shows("Completed\\."))
  job$terminal$type("cat('prompt', 'is back\\n')")
  expect_true(job$shows("prompt is back"))
  seen <- job$terminal$seen()
  expect_false(grepl(paste0("Running[^\r]*\n"), seen))
  screen <- sub("^(> )+", "", screen_of(seen))
  expect_identical(screen[1:3], c("one", "partial", "three"))
  expect_match(screen[4], paste0("^. Run ", job$run$id, ": Completed\\.$"))
  expect_identical(screen[5], "prompt is back")
})

test_that("no sequence that a job prints reaches the terminal", {
  job <- watched_job("\\033[31mred\\033[0m \\033]0;title\\007\\033[2J\\233\\302\\233x\\nover\\b\\033c\\n")
  expect_true(job$shows("Running"))
  job$goes_on(1)
  expect_true(job$shows("Completed\\."))
  seen <- job$terminal$seen()
  expect_match(seen, "red ", fixed = TRUE)
  expect_false(grepl("title", seen))
  expect_false(grepl("[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]", seen, perl = TRUE))
})

test_that("Ctrl-C on a terminal stops the watching alone, and the log can be watched again", {
  job <- watched_job(c("begun\\n", "finished\\n"))
  expect_true(job$shows("begun") && job$shows("Running"))
  job$terminal$press_ctrl_c()
  expect_true(job$shows("Stop it: "))
  job$terminal$type("cat(get_run_status(run), 'at the prompt\\n')")
  expect_true(job$shows("Running at the prompt"))
  screen <- sub("^(> )+", "", screen_of(job$terminal$seen()))
  told <- grep("Stopped watching", screen)
  expect_identical(screen[seq_len(told - 1L)], "begun")
  expect_match(screen[told], paste0(job$run$id, ".* goes on"))
  expect_match(screen[told + 1:3], "wait_for_run_completion\\(run\\)|get_run\\(ws, |cancel_run\\(run\\)")
  expect_false(any(grepl("Error|Execution halted", screen)))
  job$terminal$type("wait_for_run_completion(run)")
  expect_true(job$shows("begun", times = 2L))
  for (part in 1:2) job$goes_on(part)
  expect_true(job$shows("Completed\\."))
  expect_identical(get_run_status(ended(job$run)), "Completed")
  expect_identical(log_of(job$run), c("begun", "finished"))
})
