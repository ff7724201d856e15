# Where an error stands: jobs run without source references, as Rscript does, and file and line are found all the same.

helper <- c(
  "# the project's functions", "check <- function(x,", "                  limit = 3) {", "  y <- x + 1", "",
  "  if (y > limit) {", "    message(\"too large\")", "    stop(\"x is too large\")", "  }", "  y", "}",
  "one <- function(x) x + \"a\"", "twice <- function(x) {", "  if (x) stop(\"no\")", "  stop(\"no\")", "}",
  "each <- function(xs) {", "  lapply(xs, function(x) {", "    check(x)", "  })", "}"
)

# What a job with the helper records of its error
error_with_helper <- function(lines, ..., env = parent.frame()) {
  ws <- local_workspace(env = env)
  folder <- local_project(train.R = lines, "R/helper.R" = helper, ..., env = env)
  run <- ended(submit_experiment(experiment(ws, "exp"), estimator(folder, entry_script = "train.R")))
  c(cause_of(run), list(calls = unclass(get_run_traceback(run)), run = run))
}

test_that("an error in a sourced helper names its file and line, in message, details and traceback", {
  error <- error_with_helper(c("source('R/helper.R')", "setwd(tempdir())", "f <- function() {", "  check(5)", "}", "f()"))
  expect_identical(error$place, "R/helper.R:8")
  expect_identical(get_run_details(error$run)$error$place, "R/helper.R:8")
  expect_identical(error$calls, c("f() at train.R:6", "check(5) at train.R:4", "stop(\"x is too large\") at R/helper.R:8"))
  expect_error(
    wait_for_run_completion(error$run, show_output = FALSE), "x is too large (exit status 1) [in check(5), at R/helper.R:8]",
    fixed = TRUE, class = "espalier_error_run_failed"
  )
})

test_that("places are found for all ways to an error", {
  expect_identical(error_with_helper(c("sys.source('R/helper.R', environment())", "one(1)"))$place, "R/helper.R:12")
  expect_identical(error_with_helper(c("lapply('R/helper.R', source)", "each(c(1, 9))"))$place, "R/helper.R:8")
  expect_identical(error_with_helper(c("local({", "  source('R/helper.R', local = TRUE)", "  check(9)", "})"))$place, "R/helper.R:8")
  # at the top of a helper, sourced from within its folder
  top <- error_with_helper("source('R/top.R', chdir = TRUE)", "R/top.R" = c("a <- 1", "if (a > 0) {", "  stop('at the top')", "}"))
  expect_identical(top$place, "R/top.R:3")
  # of the script itself, also where R's own code has no frame
  expect_identical(error_with_helper(c("x <- 1", "", "log('a') + 2"))$place, "train.R:3")
  # a call that stands twice in a function is placed by the function
  expect_identical(error_with_helper(c("source('R/helper.R')", "twice(FALSE)"))$place, "R/helper.R:13")
  # a script that keeps source references
  expect_identical(error_with_helper(c("options(keep.source = TRUE)", "source('R/helper.R')", "check(9)"))$place, "R/helper.R:8")
})

test_that("an error in an argument that is evaluated late ends the job", {
  error <- error_with_helper(c("library(espalier)", "log_metric_to_run('fit', nosuchpackage::fit(c(2, 4, 6)))"))
  expect_match(error$message, "nosuchpackage")
  error <- error_with_helper(c("f <- function(a) tryCatch(a, warning = identity)", "f(nosuchpackage::fit(1))"))
  expect_match(error$message, "nosuchpackage")
})

test_that("a missing package is placed where the script names it, and how R raised the error is left out", {
  error <- error_with_helper(c("fit <- function(x) {", "  nosuchpackage::fit(x)", "}", "fit(1)"))
  expect_identical(error$place, "train.R:2")
  expect_identical(error$calls, c("fit(1) at train.R:4", "loadNamespace(x) at train.R:2"))
  expect_error(
    wait_for_run_completion(error$run, show_output = FALSE), "[in loadNamespace(\"nosuchpackage\"), at train.R:2]",
    fixed = TRUE, class = "espalier_error_run_failed"
  )
  expect_match(error$hint, "^The job searched .*: \\.libPaths\\(\\) of the session .* cran_packages = \"nosuchpackage\"\\.$")
  # at the top, the first of several; in a sourced file; as an argument
  top <- error_with_helper(c("x <- 1", "y <- nosuchpackage:::a(x)", "nosuchpackage::b(y)"))
  expect_identical(top[c("place", "calls")], list(place = "train.R:2", calls = "loadNamespace(x) at train.R:2"))
  expect_identical(error_with_helper("source('R/top.R')", "R/top.R" = c("", "nosuchpackage::a"))$place, "R/top.R:2")
  expect_identical(error_with_helper(c("", "", "identity(nosuchpackage::a)"))$place, "train.R:3")
  attached <- error_with_helper(c("", "library(nosuchpackage)"))
  expect_identical(attached[c("place", "calls")], list(place = "train.R:2", calls = "library(nosuchpackage) at train.R:2"))
  expect_match(attached$hint, "cran_packages = \"nosuchpackage\"", fixed = TRUE)
})

test_that("a syntax error in the entry script has a place, as one in a sourced file has", {
  error <- error_with_helper(c("x <- 1", "y <- (2 +", "z <- }"))
  expect_identical(error$place, "train.R:3")
  expect_error(
    wait_for_run_completion(error$run, show_output = FALSE), "unexpected '}' in:.*\\[at train\\.R:3\\]", class = "espalier_error_run_failed"
  )
  expect_identical(error_with_helper(c("x <- 1", "y <- (2 +"))$place, "train.R:2")
  expect_identical(error_with_helper(c("x <- 1", "y <- 'a"))$place, "train.R:2")
  expect_match(error_with_helper(c("x <- 1", "source('bad.R')"), bad.R = c("", "a b"))$message, "^bad.R:2:3: ")
  # an error that comes before it
  expect_null(error_with_helper(c("missing_here", "y <- 2 3"))$place)
})

test_that("a call that is written in no file, or in several, has no place: that of the call before it is given", {
  expect_identical(error_with_helper(c("", "eval(parse(text = 'stop(1)'))"))$place, "train.R:2")
  # (a copy of the helper: which of the two was sourced isn't known, so the call in the script is the last one placed)
  twins <- error_with_helper(c("source('R/helper.R')", "one(1)"), "R/copy.R" = helper)
  expect_identical(twins$place, "train.R:2")
})

test_that("a job sees nothing of this: functions are deparsed as by hand, and nothing is loaded", {
  lines <- c(
    "source('R/helper.R')",
    "writeLines(c(deparse(check), getOption('keep.source'), is.null(attr(check, 'srcref')), loadedNamespaces()))"
  )
  ws <- local_workspace()
  folder <- local_project(train.R = lines, "R/helper.R" = helper)
  run <- ended(submit_experiment(experiment(ws, "exp"), estimator(folder, entry_script = "train.R")))
  by_hand <- withr::with_dir(folder, system2(rscript_path(), "train.R", stdout = TRUE))
  expect_identical(log_of(run), by_hand)
  expect_identical(get_run_status(run), "Completed")
})
