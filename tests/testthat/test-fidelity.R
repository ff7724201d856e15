# Each row of the tables in docs/data-between-r-and-python.md is a test here.

test_row <- function(case) {
  for (package in case$needs) skip_if_not_installed(package)
  if (case$slow) skip_if_not(free_gigabytes() >= 8, "not 8 GB of free memory")
  value <- case$value()
  expect_true(same(back(value), value))
  if (case$slow) return(expect_equal(echo("size", value, result_json)[2:3], list(515 * 2^22, case$arrow)))
  in_python <- sees(value)
  if (!is.null(case$python)) expect_identical(seen(in_python, is.null(case$arrow)), case$python)
  if (!is.null(case$arrow)) expect_identical(arrow_seen(in_python), case$arrow)
  after <- rebuilt(value)
  expect_true(same(after, if (is.null(case$lost)) value else case$rebuilt(value)))
  if (!is.null(case$lost)) expect_false(same(after, value))
}

free_gigabytes <- function() {
  lines <- if (file.exists("/proc/meminfo")) readLines("/proc/meminfo") else character()
  sum(as.numeric(gsub("[^0-9]", "", grep("^MemAvailable:", lines, value = TRUE)))) / 2^20
}

# (rows that take half a minute run where this is set, as in CI)
slow_too <- nzchar(Sys.getenv("ESPALIER_SLOW_TESTS"))

for (section in names(fidelity_cases())) {
  for (case in Filter(function(case) slow_too || !case$slow, fidelity_cases()[[section]])) {
    test_that(paste0(section, ": ", case$name), {
      local_echo()
      test_row(case)
    })
  }
}

test_that("a table that pyarrow made anew brings what ours does", {
  skip_if_no_core()
  # (of no rows pyarrow forgets the dictionary, of no columns the number of rows)
  expect_setequal(python_answers()$differ, c("factor without values", "no rows", "no columns"))
})

test_that("elements of a list that stayed in R follow their rows", {
  skip_if_no_core()
  expect_identical(python_answers()$turned, with_list(list(1), NULL, mtcars, "a"))
})

for (case in refused_cases()) {
  test_that(paste("refused:", case$name), {
    skip_if_no_core()
    error <- expect_error(arg_data(case$value(), "x"), class = "espalier_error")
    expect_match(conditionMessage(error), case$says, fixed = TRUE)
  })
}

test_that("all columns that cannot cross are named at once", {
  skip_if_no_core()
  x <- data.frame(a = 1)
  x$f <- list(mean)
  x$d <- data.frame(e = 1)
  x$d$e <- list(globalenv())
  error <- expect_error(arg_data(x, "x"), class = "espalier_error_unsupported_data")
  said <- conditionMessage(error)
  expect_match(said, "f: element 1 has a function\n  d$e: element 1 has an environment", fixed = TRUE)
})

for (section in names(python_cases())) {
  test_that(paste("what comes from Python:", section), {
    skip_if_no_core()
    answers <- python_answers()$made[[section]]
    cases <- python_cases()[[section]]
    for (i in seq_along(cases)) {
      got <- answers[[i]][[1L]]
      if (is.character(cases[[i]]$gives)) {
        expect_s3_class(got, "espalier_error_unsupported_data")
        expect_match(conditionMessage(got), cases[[i]]$gives, fixed = TRUE)
      } else {
        wanted <- cases[[i]]$gives()
        expect_true(same(got, wanted), label = paste0(cases[[i]]$name, ": ", paste(deparse(got), collapse = " ")))
      }
    }
  })
}

test_that("all columns from Python that R has no place for are named at once", {
  local_echo()
  error <- expect_error(make(
    "from espalier_bridge.arrow import build, export", "from espalier_bridge.arrow.table import Table",
    "kinds = {'a': 'd:9,2', 'b': 'e', 'c': 'i'}",
    "root = build.table([(name, export.Node(kinds[name], 0, [0, 0])) for name in kinds])",
    "x = Table(export.export_schema(root), export.export_array(root))"
  ), class = "espalier_error_unsupported_data")
  expect_match(conditionMessage(error), "a: a decimal; .*; b: a half-precision float")
  expect_no_match(conditionMessage(error), "c:", fixed = TRUE)
})

test_that("the published tables are made of these tests", {
  top <- source_top()
  skip_if(is.null(top), "not in a source tree")
  for (package in c("bit64", "data.table", "dplyr", "tibble")) skip_if_not_installed(package)
  new <- withr::local_tempfile()
  script <- file.path(top, "tools", "fidelity.R")
  expect_equal(system2(rscript_path(), c("--vanilla", shQuote(c(script, top, new)))), 0L)
  expect_identical(read_lines_utf8(file.path(top, "docs", "data-between-r-and-python.md")), read_lines_utf8(new))
})
