# Data through the real call path to Python and back, by way of a class that only tests have (fixtures/road_echo.py).

local_echo <- function(env = parent.frame()) {
  skip_if_no_core()
  echo_start(test_path("fixtures", "road_echo.py"))
  withr::defer(echo_end(), envir = env)
}

echo_start <- function(path) {
  bridge_callable()
  code <- sprintf("exec(open(%s, encoding='utf-8').read(), {})", shQuote(normalizePath(path)))
  reticulate::py_run_string(code, local = TRUE)
}

echo_end <- function() {
  reticulate::py_run_string(
    "import espalier; from espalier.api import catalog, dispatch; del dispatch.members()['Echo'], catalog.catalogue()['Echo'], espalier.Echo", local = TRUE
  )
}

echo <- function(how, x, decode = result_data) {
  args <- list()
  args["x"] <- list(arg_data(x, "x"))
  core_call("Echo", how, NULL, args_json(args), decode)
}

#' Through Python, which hands the very table back
back <- function(x) echo("back", x)

#' Through Python, which makes a new table of all values: Arrow's types and our notes survive, nothing else
rebuilt <- function(x) echo("rebuilt", x)

#' What Python has of it: for a table `vector`, `rows` and for each column name, Arrow type and `repr(to_list())`
sees <- function(x) echo("sees", x, result_json)

#' The value `x` of some Python code
make <- function(...) {
  code <- paste(c(...), collapse = "\n")
  core_call("Echo", "make", NULL, args_json(list(code = code)), result_data)
}

#' What `sees()` says in one line: `[…]` for a vector or column, `{'name': […]}` for a frame, nested for lists
seen <- function(x, frame = FALSE) {
  if (is.null(x)) return("None")
  if (is_sight(x)) {
    lists <- vapply(x$columns, function(column) column[[3]], "")
    if (!frame) return(lists[length(lists)])
    names <- vapply(x$columns, function(column) column[[1]], "")
    return(paste0("{", paste0("'", names, "': ", lists, recycle0 = TRUE, collapse = ", "), "}"))
  }
  items <- vapply(x, function(item) seen(item, is_sight(item) && !item$vector), "")
  if (is.null(names(x))) return(paste0("[", paste(items, collapse = ", "), "]"))
  paste0("{", paste0("'", names(x), "': ", items, recycle0 = TRUE, collapse = ", "), "}")
}

is_sight <- function(x) identical(names(x), c("vector", "rows", "columns"))

#' Arrow's format of the last column
arrow_seen <- function(x) x$columns[[length(x$columns)]][[2]]

#' identical() to the last bit: -0 is not 0, NaN is not NA
same <- function(x, y) identical(x, y, num.eq = FALSE)

# ---- another session, whose Python has NumPy, pandas, polars and pyarrow ------------------------------

#' A Python that has them, or a reason to skip
python_with_packages <- function() {
  top <- source_top()
  places <- c(Sys.getenv("RETICULATE_PYTHON"), if (!is.null(top)) env_python(file.path(top, ".venv")))
  # (importing them takes seconds)
  code <- c("import sys", "from importlib.util import find_spec",
            "sys.exit(None in [find_spec(name) for name in ('numpy', 'pandas', 'polars', 'pyarrow')])")
  has_all <- function(python) run_quietly(python, c("-c", paste(code, collapse = "\n")))$status == 0L
  found <- Filter(has_all, places[nzchar(places) & file.exists(places)])
  if (length(found)) return(found[[1L]])
  reason <- "no Python with numpy, pandas, polars and pyarrow (tests/bridge/requirements.txt)"
  if (Sys.getenv("ESPALIER_TESTS_NEED_CORE") == "yes") stop("these tests must not be skipped here: ", reason)
  testthat::skip(reason)
}

#' What all the cases come to there: `made`, a value or error for each, and `differ`, the names of those cases whose
#' table made anew by pyarrow is not what is published; `turned`, a list column turned round. Asked once.
python_answers <- local({
  answers <- NULL
  function() {
    if (is.null(answers)) {
      withr::local_envvar(RETICULATE_PYTHON = python_with_packages())
      answers <<- in_other_r(ask_python, list(normalizePath(test_path())))
    }
    answers
  }
})

# (runs in the other session, which has nothing of this one)
ask_python <- function(tests) {
  e <- new.env(parent = asNamespace("espalier"))
  for (file in c("helper-road.R", "helper-road-cases.R", "helper-road-python.R")) sys.source(file.path(tests, file), e)
  evalq(echo_start(file.path(tests, "fixtures", "road_echo.py")), list2env(list(tests = tests), e))
  evalq({
    answer <- function(case, imports) {
      if (case$bit64) loadNamespace("bit64")
      tryCatch(make(imports, case$code), espalier_error = identity)
    }
    by_section <- function(section) {
      cases <- python_cases()[[section]]
      first <- order(vapply(cases, function(case) case$bit64, NA))
      answers <- vector("list", length(cases))
      answers[first] <- lapply(cases[first], function(case) list(answer(case, python_imports[[section]])))
      answers
    }
    differs <- function(case) {
      value <- case$value()
      if (!same(echo("by_pyarrow", value), if (is.null(case$rebuilt)) value else case$rebuilt(value))) case$name
    }
    known <- Filter(function(case) !case$slow && all(case$needs %in% rownames(utils::installed.packages())),
                    unlist(unname(fidelity_cases()), recursive = FALSE))
    lists <- with_list("a", mtcars, NULL, list(1))
    list(turned = echo("turned", lists), made = sapply(names(python_cases()), by_section, simplify = FALSE), differ = unlist(lapply(known, differs)))
  }, e)
}
