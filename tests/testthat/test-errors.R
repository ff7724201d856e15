test_that("the help page lists the core's error codes and R's own", {
  core <- readLines(core_file("base", "errors.py"))
  codes <- sub('^    "([a-z_]+)": .*$', "\\1", grep('^    "[a-z_]+": "', core, value = TRUE))
  skip_if(is.null(source_top()), "not in a source tree: R/errors.R is absent")
  page <- readLines(file.path(source_top(), "R", "errors.R"))
  listed <- sub("^#' \\| `espalier_error_([a-z_]+)`.*$", "\\1", grep("^#' \\| `espalier_error_", page, value = TRUE))
  expect_setequal(listed, c(codes, "forked", "python_missing", "python_unmet"))
})

test_that("no R code signals an undocumented code", {
  skip_if(is.null(source_top()), "not in a source tree: R/ is absent")
  code <- unlist(lapply(list.files(file.path(source_top(), "R"), "[.]R$", full.names = TRUE), readLines))
  text <- paste(code, collapse = "\n")
  used <- regmatches(text, gregexpr('espalier_abort\\(\\s*"[a-z_]+"', text))[[1]]
  used <- unique(sub('.*"([a-z_]+)"', "\\1", used))
  expect_gt(length(used), 5)
  page <- readLines(file.path(source_top(), "R", "errors.R"))
  for (one in used) expect_true(any(grepl(paste0("`espalier_error_", one, "`"), page, fixed = TRUE)), info = one)
})
