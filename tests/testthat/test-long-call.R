# Calls that may take long: results, errors and warnings as of any call; interrupts; progress.

local_slow <- function(env = parent.frame()) {
  skip_if_no_core()
  slow_start(test_path("fixtures", "slow_fixture.py"))
  withr::defer(reticulate::py_run_string(
    "import espalier; from espalier.api import catalog, dispatch; del dispatch.members()['Slow'], catalog.catalogue()['Slow'], espalier.Slow", local = TRUE
  ), envir = env)
}

slow_start <- function(path) {
  bridge_callable()
  code <- sprintf("exec(open(%s, encoding='utf-8').read(), {})", shQuote(normalizePath(path)))
  reticulate::py_run_string(code, local = TRUE)
}

slow <- function(method, args = list()) core_call_long("Slow", method, NULL, args_json(args), result_string)

test_that("a long call gives what a short one gives: value, warnings, error, whatever is raised", {
  local_slow()
  folder <- withr::local_tempdir()
  expect_identical(slow("steps", list(folder = folder, seconds = 0.12)), "all")
  expect_setequal(list.files(folder), c("begun", "finished"))
  expect_warning(value <- slow("warn"), "mind the gap", class = "espalier_warning")
  expect_identical(value, "warned")
  error <- expect_error(slow("refuse"), class = "espalier_error_bad_name")
  expect_identical(error[c("path", "n")], list(path = "/a", n = 3L))
  expect_match(conditionMessage(error$parent), "Traceback")
  expect_error(slow("leave"), "SystemExit: 3", class = "espalier_error_internal")
  expect_error(slow("gone"), "not part of the described API", class = "espalier_error_internal")
  # the session is as before: nothing is left running, warnings go where they went
  expect_identical(reticulate::py_eval("len(__import__('espalier_bridge').jobs._jobs)"), 0L)
  expect_identical(suppressWarnings(slow("warn")), "warned")
})

test_that("the core works on another thread, and has got its data before it begins", {
  local_slow()
  said <- core_call_long("Slow", "where", NULL, args_json(list(x = arg_frame(data.frame(a = 1:2), "x"))), result_string)
  expect_identical(said, "False {'a': [1, 2]}")
})

# A process that makes one call of Slow, is interrupted, and says which traces of the call there were when the prompt was
# back.
interrupted <- function(method, seconds, folder, times = 1L, before = character()) {
  fixture <- normalizePath(test_path("fixtures", "slow_fixture.py"))
  process <- rscript_process(c(
    "library(espalier)", "for (name in c('bridge_callable', 'core_call_long', 'args_json', 'result_string')) {",
    "  assign(name, get(name, asNamespace('espalier')))", "}",
    paste("slow_start <-", paste(deparse(slow_start), collapse = "\n")), sprintf("slow_start(%s)", deparse(fixture)), before,
    "call <- function(method, args) core_call_long('Slow', method, NULL, args_json(args), result_string)",
    "cat('ready\\n')",
    sprintf("code <- quote(call(%s, list(folder = %s, seconds = %s)))", deparse(method), deparse(folder), seconds),
    "told <- function(value) cat('told:', value, '\\n')",
    "said <- tryCatch(espalier:::when_too_late(eval(code), told), interrupt = function(i) 'interrupted')",
    sprintf("cat(said, list.files(%s), '\\n')", deparse(folder)),
    "Sys.sleep(0.5)", "cat('session is alive:', reticulate::py_eval('1 + 1'), '\\n')"
  ))
  expect_true(eventually(function() file.exists(file.path(folder, "begun"))))
  Sys.sleep(0.1)
  for (i in seq_len(times)) {
    if (i > 1L) Sys.sleep(0.3)
    process$interrupt()
  }
  process$wait(20000)
  lines <- process$read_all_output_lines()
  words <- strsplit(grep("^(interrupted|all|committed) ", lines, value = TRUE), " ")[[1L]]
  list(said = words[[1L]], traces = words[-1L], lines = lines, alive = "session is alive: 2 " %in% lines)
}

test_that("an interrupt returns the prompt, and stops the work where it may be stopped", {
  skip_if_no_core()
  folder <- withr::local_tempdir()
  seen <- interrupted("steps", 10, folder)
  expect_identical(seen$said, "interrupted")
  expect_setequal(list.files(folder), c("begun", "stopped"))
  expect_true(seen$alive)
})

test_that("an interrupt returns the prompt where the core hangs, and nothing is done afterwards", {
  skip_if_no_core()
  folder <- withr::local_tempdir()
  seen <- interrupted("stuck", 5, folder)
  expect_identical(seen$said, "interrupted")
  expect_identical(seen$traces, "begun") # (and it is not over)
  expect_false("finished" %in% list.files(folder))
  expect_true(seen$alive)
})

test_that("what must not be left half-made is finished first, and told; a second interrupt leaves at once", {
  skip_if_no_core()
  folder <- withr::local_tempdir()
  seen <- interrupted("commit", 1.2, folder)
  expect_identical(seen$said, "interrupted")
  expect_true("told: committed " %in% seen$lines)
  expect_setequal(list.files(folder), c("begun", "finished"))

  folder <- withr::local_tempdir()
  seen <- interrupted("commit", 4, folder, times = 2L)
  expect_identical(seen$said, "interrupted")
  expect_identical(seen$traces, "begun")
  expect_true(seen$alive)
})

test_that("interrupts at any moment of many calls leave a session that works", {
  skip_on_cran()
  skip_if_no_core()
  folder <- withr::local_tempdir()
  process <- rscript_process(c(
    "library(espalier)", sprintf("ws <- workspace('w', path = %s)", deparse(folder)),
    "caught <- 0", "while (caught < 20) {",
    "  tryCatch({", "    cat('in', caught, '\\n')", "    repeat { ws$id; list_runs(ws) }",
    "  }, interrupt = function(i) caught <<- caught + 1)", "}", "cat('session is alive:', nrow(list_runs(ws)), '\\n')"
  ))
  heard <- character()
  listen <- function(pattern) eventually(function() any(grepl(pattern, heard <<- c(heard, process$read_output_lines()))))
  for (i in 0:19) {
    if (!listen(sprintf("^in %d ", i))) break
    Sys.sleep(stats::runif(1, 0.01, 0.06))
    process$interrupt()
  }
  expect_true(listen("^session is alive: 0"))
})

test_that("a submit interrupted while the folder is read leaves no run, and says nothing of one", {
  ws <- local_workspace()
  folder <- local_project(a = "1")
  big <- file(file.path(folder, "big"), "wb")
  block <- as.raw(sample.int(256, 1e7, TRUE) - 1L) # (longer than what a compressor looks back)
  for (i in 1:40) writeBin(block, big)
  close(big)
  submitter <- rscript_process(c(
    "library(espalier)", "given <- commandArgs(TRUE)", "ws <- readRDS(given[1])", "cat('begin\\n')",
    "tryCatch(submit_experiment(experiment(ws, 'e'), script_run_config(source_directory = given[2], command = 'true')),",
    "  interrupt = function(i) cat('interrupted\\n'))",
    "cat(nrow(list_runs(ws)), 'runs\\n')"
  ), saved(ws), folder)
  expect_true(eventually(function() "begin" %in% submitter$read_output_lines()))
  Sys.sleep(0.15)
  submitter$interrupt()
  submitter$wait(20000)
  heard <- submitter$read_all_output_lines()
  expect_true("0 runs" %in% heard)
  expect_false(any(grepl("was submitted", heard)))
  expect_true("interrupted" %in% heard)
  expect_length(list.files(file.path(ws$path, "runs"), recursive = TRUE), 0L)
  # (it was not read to its end first)
  expect_false(any(file.size(list.files(ws$path, recursive = TRUE, all.files = TRUE, full.names = TRUE)) >= 4e8))
})

test_that("what was done all the same is told by the verb", {
  said <- said_by(when_too_late(
    tell_late_result(list(value = "x"), identity), function(value) message("the value is ", value)
  ))
  expect_identical(said, "the value is x\n")
  expect_identical(said_by(when_too_late(tell_late_result(list(), identity), function(value) message(value))), "")
  expect_match(said_by(tell_submitted_all_the_same(list(run_id = "e_1_deadbeef"))), "e_1_deadbeef.*was submitted.*cancel_run")
  expect_identical(said_by(tell_submitted_all_the_same(list(run_id = "e_1_deadbeef", reused = TRUE))), "")
})

test_that("without a terminal there is a line after 2 s and every 10 s", {
  now <- 0
  lines <- long_lines(function() now)
  heard <- said_by(for (second in 0:30) {
    now <- second
    lines$show(list("Storing the snapshot", second * 10L, 300L))
  })
  expect_identical(strsplit(heard, "\n")[[1L]], paste0("Storing the snapshot: ", c(6, 40, 73), "%"))
  expect_identical(said_by(lines$show(NULL)), "")
  expect_identical(progress_text(list("Looking for files", 12345L, NULL)), "Looking for files: 12,345")
  expect_identical(progress_text(list("Storing", 0L, 0L)), "Storing: 100%")
  expect_identical(progress_text(list("Fetching the image", 0L, NULL)), "Fetching the image")
})

test_that("on a terminal there is a bar for each stage, and nothing of it stays; Ctrl-C brings the prompt", {
  skip_if_no_core()
  folder <- withr::local_tempdir()
  terminal <- r_terminal()
  shown <- function(pattern) eventually(function() grepl(pattern, terminal$seen()))
  fixture <- normalizePath(test_path("fixtures", "slow_fixture.py"))
  script <- withr::local_tempfile(fileext = ".R", lines = c(
    "library(espalier)", "for (name in c('bridge_callable', 'core_call_long', 'args_json', 'result_string')) {",
    "  assign(name, get(name, asNamespace('espalier')))", "}",
    paste("slow_start <-", paste(deparse(slow_start), collapse = "\n")), sprintf("slow_start(%s)", deparse(fixture)),
    sprintf("call <- function(...) core_call_long('Slow', 'steps', NULL, args_json(list(folder = %s, ...)), result_string)",
            deparse(folder))
  ))
  terminal$type("source(", deparse(script), "); cat('re', 'ady\n', sep = '')")
  expect_true(shown("ready"))
  terminal$type("call(seconds = 1.5); call(seconds = 1.2, total = FALSE); cat('the', 'end\n')")
  expect_true(shown("the end"))
  seen <- terminal$seen()
  expect_match(seen, "Counting: [^\r\n]*[0-9]+%")
  expect_match(seen, "Counting: +[0-9]{2,}[^%0-9]")
  plain <- gsub("\033\\[[0-9;?]*[A-Za-z]", "", seen)
  expect_false(any(grepl("Counting", screen_of(plain))))

  unlink(file.path(folder, "*"))
  terminal$type("call(seconds = 30)")
  expect_true(eventually(function() file.exists(file.path(folder, "begun"))))
  Sys.sleep(1)
  terminal$press_ctrl_c()
  expect_true(eventually(function() file.exists(file.path(folder, "stopped"))))
  terminal$type("cat('still ', 'here\n', sep = '')")
  expect_true(shown("still here"))
})

test_that("a time limit that is reached while Python works is raised", {
  skip_if_no_core()
  bridge_callable()
  busy <- "import time\nuntil = time.time() + 1.2\nwhile time.time() < until: pass"
  for (i in 1:2) {
    limited <- function() {
      setTimeLimit(elapsed = 0.3, transient = TRUE)
      on.exit(setTimeLimit())
      undisturbed(reticulate::py_run_string(busy))
      for (i in 1:50) undisturbed(Sys.sleep(0.01))
    }
    expect_output(expect_error(limited(), gettext("reached elapsed time limit", domain = "R")), NA)
    expect_identical(getOption("show.error.messages"), TRUE)
  }
})

test_that("a submit that a time limit ends has submitted nothing, or says so", {
  skip_if_no_core()
  ws <- local_workspace()
  e <- experiment(ws, "exp")
  config <- script_run_config(command = "true")
  ended(submit_experiment(e, config))
  for (limit in c(0.001, 0.005, 0.01, 0.02, 0.03, 0.05)) {
    before <- nrow(list_runs(ws))
    told <- FALSE
    result <- withCallingHandlers(
      tryCatch({
        setTimeLimit(elapsed = limit, transient = TRUE)
        submit_experiment(e, config)
        "submitted"
      }, error = function(condition) "limited"),
      message = function(condition) {
        told <<- told || grepl("was submitted", conditionMessage(condition))
        invokeRestart("muffleMessage")
      }
    )
    setTimeLimit(elapsed = Inf)
    expect_identical(nrow(list_runs(ws)) - before, as.integer(result == "submitted" || told))
  }
})
