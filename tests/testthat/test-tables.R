# How data frames of ours print: what fits into the console, under its real names.

test_that("columns that don't fit are named, and no row wraps", {
  withr::local_options(width = 40)
  wide <- data.frame(a = strrep("x", 15), bb = strrep("y", 15), n = 1.5, last = "z")
  expect_identical(capture.output(print_plain(wide)), c(
    " a               bb              n  ", " xxxxxxxxxxxxxxx yyyyyyyyyyyyyyy 1.5", "... and 1 more column: last"
  ))
  expect_identical(utils::tail(capture.output(print_plain(wide[1:3], aside = c("p", "q"))), 1L), "... and 2 more columns: p, q")
  expect_identical(capture.output(print_plain(wide[c(1, 3)])), c(" a               n  ", " xxxxxxxxxxxxxxx 1.5"))
  withr::local_options(width = 12)
  expect_identical(capture.output(print_plain(wide[c(1, 3)]))[3], "... and 1")
})

test_that("one column is shown at least, row names count, and equal names stay equal", {
  withr::local_options(width = 20)
  long <- data.frame(a = strrep("x", 30), b = 1)
  expect_match(capture.output(print_plain(long)), "x{30}", all = FALSE)
  named <- data.frame(a = strrep("x", 8), b = strrep("y", 8), row.names = "some name")
  expect_identical(capture.output(print_plain(named))[3:4], c("... and 1 more", "  column: b"))
  twins <- data.frame(a = 1, a = 2, check.names = FALSE)
  expect_identical(capture.output(print_plain(twins))[1], " a a")
  expect_identical(capture.output(print_plain(data.frame())), "data frame with 0 columns and 0 rows")
})

test_that("a table as wide as the console doesn't wrap", {
  withr::local_options(width = 40)
  for (width in 17:21) {
    out <- capture.output(print_plain(data.frame(a = strrep("x", 18), b = strrep("y", width))))
    expect_identical(sum(grepl("x{18}", out)), 1L)
    expect_identical(any(grepl("yyy", out)), 1L + 18L + 1L + width < 40L)
  }
})

test_that("where not all columns fit, those that runs are compared by come first", {
  row <- as.data.frame(as.list(stats::setNames(rep(NA, length(.run_columns)), .run_columns)))
  runs <- row[c(1, 1), ]
  runs$run_id <- c("a_1", "a_2")
  runs$status <- "Completed"
  runs$created_at <- strrep("t", 30)
  runs$duration_seconds <- c(1, 2)
  runs <- cbind(runs, param_same = 1, param_trees = c(10, 20), metric_same = 1, metric_AUC = c(0.7, 0.8))
  rownames(runs) <- NULL
  runs <- structure(runs, class = c("espalier_run_table", "data.frame"))
  header <- function(x) strsplit(trimws(capture.output(print(x))[1L]), " +")[[1L]]
  withr::local_options(width = 80)
  expect_identical(header(runs)[1:5], c("run_id", "status", "metric_AUC", "param_trees", "duration_seconds"))
  withr::local_options(width = 300)
  expect_identical(header(runs), intersect(names(runs), header(runs)))
  withr::local_options(width = 50)
  expect_identical(header(runs[c("status", "created_at", "run_id")])[1:2], c("status", "created_at"))
})

test_that("list_runs() fits into 80 columns", {
  withr::local_options(width = 80)
  ws <- local_workspace()
  lines <- c(
    "library(espalier)", "p <- job_params(learning_rate = 0.123456, number_of_trees = 500, sampling = 'without replacement')",
    "for (name in c('accuracy', 'balanced_accuracy', 'log_loss')) log_metric_to_run(name, 1 / 3)"
  )
  run <- ended(submit_lines(ws, lines))
  ended(submit_lines(ws, "stop('a text that is long enough to be cut')"))
  table <- list_runs(ws)
  out <- capture.output(print(table))
  expect_true(all(nchar(out) <= 80L))
  expect_length(grep(run$id, out), 1L)
  expect_match(paste(out, collapse = " "), "\\.\\.\\. and [0-9]+ more columns: ")
  named <- vapply(names(table), function(name) grepl(name, paste(out, collapse = " "), fixed = TRUE), NA)
  expect_true(all(named))
})
