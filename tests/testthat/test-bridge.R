# A class of Python that returns whatever is wanted, reachable like a façade for the time of a test.
local_fixture <- function(env = parent.frame()) {
  skip_if_no_core()
  bridge_callable()
  path <- normalizePath(test_path("fixtures", "bridge_fixture.py"))
  reticulate::py_run_string(sprintf("exec(open(%s, encoding='utf-8').read(), {})", shQuote(path)), local = TRUE)
  withr::defer({
    reticulate::py_run_string("import espalier; from espalier.api import catalog, dispatch; del dispatch.members()['Fixture'], catalog.catalogue()['Fixture'], espalier.Fixture", local = TRUE)
  }, envir = env)
}

fixture <- function(method, args = list(), decode = result_json) {
  core_call("Fixture", method, c(id = "f"), args_json(args), decode)
}

test_that("values of every kind come back as they went", {
  local_fixture()
  values <- list(
    "a", "!NA", "!", "", "\u00e9\u4e2d\U0001F333", "quote\" back\\ line\n tab\t", NA, NaN, Inf, -Inf, TRUE, 0L, -5L,
    2147483647L, 0.1, 1e300, 5e-324, 123456789.123, c(1.5, NA, NaN), c("x", NA), c(TRUE, NA), list(a = 1L, b = list(c = "d"))
  )
  for (value in values) expect_identical(fixture("echo", list(x = value)), value)
  expect_identical(1 / fixture("echo", list(x = -0)), -Inf)
  expect_null(fixture("echo", list(x = NULL)))
  latin <- iconv("\u00e9", "UTF-8", "latin1")
  expect_identical(fixture("echo", list(x = latin)), "\u00e9")
})

test_that("a hundred thousand doubles come back with every bit", {
  local_fixture()
  numbers <- fixture("numbers", decode = result_numbers)
  expect_identical(numbers, c((0:99999) / 7, 5e-324, .Machine$double.xmax, -0, 2^53 - 1))
})

test_that("arguments have the declared type in Python", {
  local_fixture()
  expect_identical(fixture("kind", list(x = 5), result_string), "int:5")
  expect_identical(fixture("kind", list(x = 2^40), result_string), "int:1099511627776")
  expect_error(fixture("kind", list(x = "5")), "argument x is str, declared int", class = "espalier_error_internal")
})

test_that("frames keep order, kinds and missing values", {
  local_fixture()
  frame <- fixture("frame", decode = result_frame)
  expect_identical(names(frame), c("n", "s", "t", "i"))
  expect_identical(frame$n, c(0.1 + 0.2, NA, NaN, -Inf))
  expect_identical(frame$s, c("!a", NA, "\u00e9\U0001F333", ""))
  expect_s3_class(frame$t, "POSIXct")
  expect_identical(as.numeric(frame$t), c(0.5, NA, 1, 2))
  expect_identical(frame$i, c(1, NA, 2^31, -1))
})

test_that("whole numbers beyond 2^53 are rounded with a warning", {
  local_fixture()
  expect_warning(value <- fixture("huge"), "beyond 2^53", fixed = TRUE, class = "espalier_warning")
  expect_identical(value, 2^60)
})

test_that("warnings of the core are R's warnings, of our class", {
  local_fixture()
  expect_warning(fixture("warn"), "mind the gap", class = "espalier_warning")
})

test_that("refusals have their class, fields and hint; the traceback is the parent", {
  local_fixture()
  error <- expect_error(fixture("refuse"), class = "espalier_error_bad_name")
  expect_s3_class(error, "espalier_error")
  expect_identical(conditionMessage(error), "No such thing.\ni Try again.")
  expect_identical(error$path, "/a")
  expect_identical(error$n, 3L)
  expect_identical(error$code, "bad_name")
  expect_match(conditionMessage(error$parent), "Traceback.*EspalierError")
})

test_that("a defect is `internal`, with the traceback in the message", {
  local_fixture()
  error <- expect_error(fixture("crash"), "KeyError: 'missing'", class = "espalier_error_internal")
  expect_match(conditionMessage(error), "Traceback (most recent call last)", fixed = TRUE)
  expect_error(fixture("text"), "builtins.object cannot cross to another language", class = "espalier_error_internal")
})

test_that("only what is described can be reached", {
  local_fixture()
  for (name in c("secret", "_identity", "__class__", "__init__", "gone")) {
    expect_error(fixture(name), "not part of the described API", class = "espalier_error_internal")
  }
  expect_error(core_call("Session", "x"), "not part of the described API", class = "espalier_error_internal")
  expect_error(fixture("echo", list(y = 1)), "no argument y", class = "espalier_error_internal")
})

test_that("text that R cannot hold is made readable instead of failing", {
  local_fixture()
  text <- fixture("odd", decode = result_string)
  expect_true(validUTF8(text))
  expect_match(text, "^nul\ufffd and ")
})

test_that("a forked child is refused, not left hanging", {
  skip_on_os("windows")
  skip_if_no_core()
  bridge_callable()
  job <- parallel::mcparallel(tryCatch(Workspace__get("a", tempdir()), error = class))
  expect_true("espalier_error_forked" %in% parallel::mccollect(job)[[1L]])
})

test_that("loading the package starts no Python and loads nothing heavy", {
  path <- getNamespaceInfo("espalier", "path")
  if (dir.exists(file.path(path, "Meta"))) {
    out <- in_new_session("cat(intersect(loadedNamespaces(), c('reticulate', 'R6', 'cli', 'jsonlite', 'Matrix')), 'end')")
    expect_identical(trimws(out), "end")
  }
  # (load_all() loads all imports by itself, so here only the declaration can be looked at)
  imports <- parseNamespaceFile(basename(path), dirname(path))$imports
  base <- rownames(installed.packages(priority = "base"))
  others <- setdiff(vapply(imports, function(import) as.character(import[[1L]]), ""), base)
  expect_identical(others, character())
})

test_that("our folder is appended to Python's path, and nothing else of the session changes", {
  skip_if_no_core()
  out <- in_new_session(c(
    "reticulate::py_run_string('import sys; before = list(sys.path)')",
    "invisible(espalier:::bridge_callable())",
    "reticulate::py_run_string('same = sys.path[:len(before)] == before; prefix = sys.pycache_prefix')",
    "cat(reticulate::py$same, is.null(reticulate::py$prefix), Sys.getenv('RETICULATE_PYTHON_FALLBACK', 'unset'))"
  ), c(RETICULATE_PYTHON_FALLBACK = NA, PYTHONPYCACHEPREFIX = NA, started_by_reticulate()))
  expect_identical(utils::tail(out, 1L), "TRUE TRUE unset")
})

test_that("another module of our name and too old packages are refused by name", {
  skip_if_no_core()
  out <- in_new_session(c(
    "reticulate::py_run_string('import sys, types; m = types.ModuleType(\"espalier\"); m.__file__ = \"/else/espalier/__init__.py\"; sys.modules[\"espalier\"] = m')",
    "e <- tryCatch(espalier:::bridge_callable(), error = identity)",
    "cat(class(e)[1], conditionMessage(e))"
  ), started_by_reticulate())
  expect_match(paste(out, collapse = " "), "espalier_error_python_unmet.*another module named espalier, from /else/espalier")
  out <- in_new_session(c(
    "reticulate::py_run_string('import sys, types; m = types.ModuleType(\"yaml\"); m.__version__ = \"3.13\"; sys.modules[\"yaml\"] = m')",
    "e <- tryCatch(espalier:::bridge_callable(), error = identity)",
    "cat(class(e)[1], conditionMessage(e))"
  ), started_by_reticulate())
  expect_match(paste(out, collapse = " "), "espalier_error_python_unmet.*pyyaml 3.13, and espalier needs 5.4")
})

test_that("a Python of the user's is offered what the private environment has, if that is of its version", {
  env <- withr::local_tempdir()
  offered <- NULL
  entry <- list(add_site = function(site, names) offered <<- c(site, names))
  offer <- function(version, prefix = "/usr", env = env) {
    offered <<- NULL
    f <- bridge_offer
    before <- .bridge$state
    on.exit(.bridge$state <- before)
    .bridge$state <- list(prefix = prefix)
    environment(f) <- list2env(list(managed_env = function() env), parent = environment(f))
    f(entry, list(version = version, prefix = prefix))
    offered
  }
  dir.create(file.path(env, "lib", "python3.11", "site-packages"), recursive = TRUE)
  expect_identical(offer("3.11.2", env = env), c(file.path(env, "lib", "python3.11", "site-packages"), "[]"))
  expect_null(offer("3.1.1", env = env))
  expect_null(offer("3.12.0", env = env))
  expect_null(offer("3.11.2", prefix = env, env = env))
})
