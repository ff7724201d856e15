# What a failed run says: the cause first, three lines, the place of the log last, and never more than R shows.

error_like <- function(...) utils::modifyList(list(code = "job_failed", message = "bad (exit status 1)", call = NULL), list(...))

test_that("the cause comes first, then a near name, three lines, what shows more", {
  error <- error_like(call = "file(f)", traceback = list("f()"), hint = "Did you mean \"data.csv\"?", log_before = as.list(letters[1:5]))
  expect_identical(failure_message("e_1", error, "The whole log: /x"), c(
    "Run e_1 failed: bad (exit status 1) [in file(f)]", "i Did you mean \"data.csv\"?", "Last lines of its log:", "  c", "  d", "  e",
    "i get_run_traceback(run) shows the calls, get_run_log(run) the log."
  ))
  error$traceback <- list()
  expect_identical(utils::tail(failure_message("e_1", error, "The whole log: /x"), 1L), "i get_run_log(run) shows the log.")
  expect_identical(failure_message("e_1", error_like(), NULL), "Run e_1 failed: bad (exit status 1)")
  placed <- error_like(call = "f(x)", place = "R/f.R:3")
  expect_identical(failure_message("e_1", placed, NULL), "Run e_1 failed: bad (exit status 1) [in f(x), at R/f.R:3]")
  expect_identical(failure_message("e_1", error_like(place = "f.R:3"), NULL), "Run e_1 failed: bad (exit status 1) [at f.R:3]")
  expect_identical(failure_message("e_1", error_like(log_tail = list("old")), NULL)[3], "  old")
})

test_that("of a run whose environment could not be made the whole log is that of making it", {
  dir <- local_run_folder()
  failed <- function() conditionMessage(expect_error(abort_failed("e_1", dir, error_like()), class = "espalier_error_run_failed"))
  expect_identical(failed(), "Run e_1 failed: bad (exit status 1)")
  dir.create(file.path(dir, "system_logs"))
  log <- file.path(dir, "system_logs", "environment.log")
  file.create(log)
  expect_identical(failed(), paste0(
    "Run e_1 failed: bad (exit status 1)\ni get_run_log(run, name = \"system_logs/environment.log\") shows the log.\n",
    "The whole log: ", log
  ))
  dir.create(file.path(dir, "user_logs"))
  file.create(file.path(dir, "user_logs", "std_log.txt"))
  expect_match(failed(), "i get_run_log(run) shows the log.\nThe whole log: ", fixed = TRUE)
})

test_that("R shows all of it, however long its parts are", {
  for (letter in c("x", "\u4e2d", "\U0001F333")) {
    long <- strrep(letter, 3000)
    error <- error_like(message = long, call = long, place = long, hint = "Did you mean \"a\"?", log_before = as.list(rep(long, 3)))
    for (path in c("/short", paste0("/", strrep("p", 80)), paste0("/", strrep("p", 500)))) {
      last <- paste0("The whole log: ", path)
      text <- paste(c(failure_message("e_1", error, last), last), collapse = "\n")
      expect_lt(nchar(text, "bytes"), 993)
      expect_true(validUTF8(text))
    }
  }
})

test_that("an uncaught failure shows the place of the log in another R", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c(
    "for (i in 1:300) { cat('\\r', i, '%'); flush(stdout()) }", "cat('\\n', strrep('long ', 300), '\\n')",
    "message(strrep('verbose ', 200))", "read.csv('dta.csv')"
  )))
  folder <- withr::local_tempdir()
  script <- file.path(folder, "x.R")
  writeLines(c("library(espalier)", sprintf("wait_for_run_completion(readRDS('%s'), FALSE)", saved(run))), script)
  shown <- suppressWarnings(system2(rscript_path(), script, stdout = TRUE, stderr = TRUE))
  shown <- shown[seq_len(length(shown) - 1L)]  # "Execution halted"
  shown <- shown[!startsWith(shown, "Calls: ")]
  expect_match(shown[1], "Error in wait_for_run_completion()", fixed = TRUE)
  expect_match(shown[2], "cannot open the connection: cannot open file 'dta.csv'", fixed = TRUE)
  expect_identical(utils::tail(shown, 1L), paste("The whole log:", file.path(run$run_dir, "user_logs", "std_log.txt")))
  expect_match(shown, "long long", all = FALSE)
})

test_that("an R error is found in every language, also where R calls no handler", {
  ws <- local_workspace()
  local_utf8()
  words <- c(de = "Fehler", fr = "Erreur")
  for (language in names(words)) {
    skip_if(!dir.exists(file.path(R.home("library"), "translations", language)), "R has no translations here")
    withr::local_envvar(LANGUAGE = language)
    overflow <- ended(submit_lines(ws, "f <- function(n) f(n + 1); f(1)"))
    expect_match(cause_of(overflow)$message, paste0("^", words[[language]], ".*\\(exit status 1\\)$"))
    missing <- ended(submit_lines(ws, c("file.create('data.csv')", "read.csv('dta.csv')")))
    expect_match(cause_of(missing)$message, "'dta.csv'", fixed = TRUE)
    expect_identical(cause_of(missing)$hint, "Did you mean \"data.csv\"?")
  }
})

test_that("the log and the traceback are one verb away", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c("writeLines(as.character(1:30))", "f <- function() stop('x')", "f()")))
  expect_s3_class(get_run_log(run), "espalier_log")
  expect_identical(unclass(get_run_log(run, n = 5))[1:2], c("28", "29"))
  expect_identical(get_run_log(run, n = Inf), get_run_log(run))
  expect_length(get_run_log(run, n = 0), 0L)
  expect_output(print(get_run_log(run)), "^1\n2\n")
  expect_identical(unclass(get_run_traceback(run))[1:2], c("f() at train.R:3", "stop(\"x\") at train.R:2"))
  expect_error(get_run_log(run, n = -1), class = "espalier_error_bad_argument")
  expect_error(get_run_log(run, name = "outputs/none"), class = "espalier_error_artifact_missing")
})

test_that("in a job too a progress bar is one line", {
  expect_identical(settled_text(charToRaw("1%\r2%\r3%\nx\r\n")), "3%\nx\n")
  expect_identical(settled_text(charToRaw("a\b\b1%\b\b2%\033[K\n")), "2%\n")
  expect_identical(settled_text(charToRaw("100%\r    \r\ndone\r\n")), "100%\ndone\n")
  expect_identical(settled_text(charToRaw("\033[1G10%\033[1G20%\n")), "20%\n")
  expect_identical(settled_text(as.raw(c(0x61, 0xff, 0x00, 0x0a))), "a?\n")
})

test_that("what a job names its run by neither turns text around nor seems to be other lines", {
  expect_identical(safe_line("a\u202eb\u2066c\u2069\u001b[2J"), "abc[2J")
  expect_identical(tag_text("x\n  status      Completed"), "x   status      Completed")
  expect_lte(nchar(tag_text(strrep("a", 1e5)), "bytes"), 500L)
  expect_identical(tag_text(NULL), "")
})
