# What of the session is compared: what a user, or a program that the session starts, can see.
session_code <- c(
  "state <- function() {",
  "  status <- readLines('/proc/self/status')",
  "  list(variables = as.list(Sys.getenv()), options = options(), search = search(), libraries = .libPaths(),",
  "       seed = get0('.Random.seed', globalenv()), folder = getwd(), locale = Sys.getlocale(),",
  "       blocked = grep('^SigBlk', status, value = TRUE), umask = Sys.umask(), devices = dev.list())",
  "}",
  "differences <- function(a, b) {",
  "  different <- names(a)[!mapply(identical, a, b)]",
  "  for (name in intersect(different, c('variables', 'options'))) {",
  "    names <- union(names(a[[name]]), names(b[[name]]))",
  "    cat('DIFFERENT', name, names[!mapply(identical, a[[name]][names], b[[name]][names])], '\\n')",
  "  }",
  "  for (name in setdiff(different, c('variables', 'options'))) cat('DIFFERENT', name, '\\n')",
  "}"
)

test_that("nothing of the session changes by a first call, a submit and a wait", {
  skip_on_os(c("mac", "windows"))
  skip_if_no_core()
  out <- in_new_session(c(
    session_code,
    # (packages have options of their own, which they set when they are loaded)
    "for (package in c('Matrix', 'cli')) loadNamespace(package)",
    "if (exists('.Random.seed')) rm(.Random.seed)",
    "Sys.setenv(PYTHONPATH = '/mine', EMPTY = '')",
    "before <- state()",
    "folder <- tempfile(); dir.create(folder); writeLines('1', file.path(folder, 'a.R'))",
    "ws <- workspace('w', path = tempfile())",
    "differences(before, state())",
    "run <- submit_experiment(experiment(ws, 'a'), estimator(folder, entry_script = 'a.R'))",
    "differences(before, state())",
    "wait_for_run_completion(run, show_output = FALSE)",
    "differences(before, state())",
    "cat('python:', reticulate::py_eval('__import__(\"os\").environ[\"PATH\"]') == Sys.getenv('PATH'), '\\n')",
    "cat('end\\n')"
  ))
  expect_identical(grep("DIFFERENT", out, value = TRUE), character())
  expect_identical(tail(out, 1L), "end")
  # (a Python that the user has chosen keeps the variables that reticulate gives it)
  if (!nzchar(Sys.getenv("RETICULATE_PYTHON"))) expect_identical(tail(out, 2L)[1L], "python: TRUE ")
})

test_that("a program that the session starts ignores no signal that it would not have ignored before", {
  skip_on_os(c("mac", "windows"))
  skip_if_no_core()
  out <- in_new_session(c(
    "ignored <- function() system(\"grep SigIgn /proc/self/status\", intern = TRUE)",
    "before <- ignored()", "ws <- workspace('w', path = tempfile())", "invisible(list_runs(ws))",
    "cat(identical(before, ignored()), '\\n')",
    "cat(system('yes 2>&1 | head -1', intern = TRUE), '\\n')",
    "code <- 'import os\ntry:\n r, w = os.pipe(); os.close(r); os.write(w, b\"x\")\nexcept BrokenPipeError: answer = \"an error\"'",
    "cat(reticulate::py_run_string(code)$answer)"
  ))
  expect_identical(trimws(out[grep("TRUE|FALSE", out)]), "TRUE")
  expect_identical(trimws(tail(out, 2L)), c("y", "an error"))
})

test_that("a seed is not made where there is none, though reticulate is loaded by the first call", {
  skip_if_no_core()
  out <- in_new_session(c(
    "ws <- workspace('w', path = tempfile())", "invisible(list_runs(ws))", "invisible(1)",
    "cat(exists('.Random.seed', globalenv()), '\\n')", "set.seed(1)", "a <- .Random.seed", "invisible(list_runs(ws))",
    "cat(identical(a, .Random.seed))"
  ))
  expect_identical(trimws(tail(out, 2L)), c("FALSE", "TRUE"))
})

test_that("what Python lacks that espalier started is explained to the user, and to nobody else", {
  skip_if_no_core()
  out <- in_new_session(c(
    "ws <- workspace('w', path = tempfile())",
    "cat(conditionMessage(tryCatch(reticulate::import('no_such_module'), error = identity)), '\\n')",
    "cat(reticulate::py_module_available('no_such_module'), '\\n')",
    "reticulate::py_run_string('import importlib.util; found = importlib.util.find_spec(\"no_such_module\")')",
    "cat(is.null(reticulate::py$found))"
  ), c(RETICULATE_PYTHON = NA, VIRTUAL_ENV = NA))
  expect_match(paste(out, collapse = " "), "No module named 'no_such_module'. espalier started this session's Python")
  expect_match(paste(out, collapse = " "), "by reticulate::use_python() or RETICULATE_PYTHON.", fixed = TRUE)
  expect_identical(trimws(tail(out, 2L)), c("FALSE", "TRUE"))
})

test_that("a session with reticulate attached reads it when espalier starts its own Python", {
  skip_if_no_core()
  said <- function(...) {
    out <- in_new_session(c(
      ..., "said <- character()",
      "note <- function(m) { said <<- c(said, conditionMessage(m)); invokeRestart('muffleMessage') }",
      "withCallingHandlers({ ws <- workspace('w', path = tempfile()); list_runs(ws) }, espalier_message_own_python = note)",
      "cat(said)"
    ), c(RETICULATE_PYTHON = NA, VIRTUAL_ENV = NA))
    grepl("call reticulate::use_python() before the first call of espalier", paste(out, collapse = " "), fixed = TRUE)
  }
  expect_true(said("library(reticulate)"))
  expect_false(said("invisible(1)"))
})

test_that("a Python that the user chose stays the session's, and runs Python scripts", {
  skip_on_os("windows")
  skip_if_no_core()
  # (another environment of the same Python)
  chosen <- file.path(withr::local_tempdir(), "chosen")
  python <- env_python(suppressMessages(install_espalier()))
  base <- system2(python, c("-c", shQuote("import sys; print(sys._base_executable)")), stdout = TRUE)
  expect_identical(system2(base, c("-m", "venv", "--without-pip", shQuote(chosen))), 0L)
  for (code in c("reticulate::use_python(python, required = TRUE)", "Sys.setenv(RETICULATE_PYTHON = python)")) {
    out <- in_new_session(c(
      sprintf("python <- %s", deparse(env_python(chosen))), code,
      "path <- Sys.getenv('PATH')",
      "folder <- tempfile(); dir.create(folder)",
      "writeLines('import sys; print(sys.executable)', file.path(folder, 'a.py'))",
      "ws <- workspace('w', path = tempfile())",
      "run <- submit_experiment(experiment(ws, 'a'), estimator(folder, entry_script = 'a.py'))",
      "wait_for_run_completion(run)",
      "cat(reticulate::py_config()$python, '\\n'); cat(Sys.getenv('PATH') == path)"
    ), c(VIRTUAL_ENV = NA, RETICULATE_PYTHON = NA))
    expect_true(env_python(chosen) %in% out, info = out)
    expect_identical(trimws(tail(out, 2L)), c(env_python(chosen), "TRUE"), info = out)
  }
})

# Nothing but what the code prints comes out of these sessions: no warning, and no message but that espalier starts its own
# Python where reticulate was attached.
no_choice <- c(RETICULATE_PYTHON = NA, VIRTUAL_ENV = NA, RETICULATE_CHECK_REQUIRED_PACKAGES = NA)

test_that("reticulate that the user has attached, before espalier or after, is as it is without espalier", {
  skip_on_os(c("mac", "windows"))
  skip_if_no_core()
  first <- "ws <- workspace('w', path = tempfile())"
  code <- c(
    "stopifnot(nrow(list_runs(ws)) == 0L)", "differences(before, state())",
    "cat(py_eval('1 + 1'), class(import('json')$loads('[1, 2]')), class(py_eval('[]', convert = FALSE))[1L], '\\n')",
    "differences(before, state())"
  )
  attached <- "datasets,utils,grDevices,graphics,stats,methods,reticulate"
  # (with a seed: where there is none, reticulate itself makes one after each call that the user types)
  loaded <- "for (package in c('Matrix', 'cli')) loadNamespace(package); set.seed(1)"
  sessions <- list(
    in_new_session(c(session_code, loaded, "before <- state()", first, code), c(no_choice, R_DEFAULT_PACKAGES = attached)),
    in_new_session(c(session_code, "library(reticulate)", loaded, "before <- state()", first, code), no_choice),
    in_new_session(c(session_code, loaded, first, "library(reticulate)", "before <- state()", code), no_choice)
  )
  for (out in sessions) {
    said <- "Created workspace|^espalier starts this session's Python|^To use another with reticulate"
    expect_identical(trimws(grep(said, out, value = TRUE, invert = TRUE)), "2 integer python.builtin.list")
  }
})

# (reticulate before 1.41 has none, and a check with a skipped test does not pass)
if (!is.null(reticulate_function("py_require"))) test_that("what the user declares by py_require() after the first call stays declared, and its absence is explained", {
  skip_if_no_core()
  out <- in_new_session(c(
    "ws <- workspace('w', path = tempfile())", "reticulate::py_require('no-such-package')", "invisible(list_runs(ws))",
    "cat(sort(reticulate::py_require()$packages), '\\n')",
    "cat(conditionMessage(tryCatch(reticulate::import('no_such_package'), error = identity)), '\\n')"
  ), no_choice)
  expect_true("no-such-package numpy" %in% trimws(out), info = out)
  expect_match(out, "by reticulate::use_python() or RETICULATE_PYTHON", fixed = TRUE, all = FALSE)
  expect_false(any(grepl("[Ww]arning", out)), info = out)
})
