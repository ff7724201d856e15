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

test_that("columns that a user chose are shown, beside what fits or wrapped", {
  withr::local_options(width = 40)
  wide <- data.frame(a = strrep("x", 15), bb = strrep("y", 15), n = 1.5, mine = "z")
  shown <- function(x) capture.output(print_plain(x, always = chosen_columns(x, c("a", "bb", "n"))))
  expect_identical(shown(wide), c(
    " a               bb              mine", " xxxxxxxxxxxxxxx yyyyyyyyyyyyyyy z   ", "... and 1 more column: n"
  ))
  expect_false(any(grepl("more column", shown(wide[c("mine", "bb", "a")]))))
  withr::local_options(width = 20)
  expect_match(shown(wide[c("mine", "bb")]), "yyy", all = FALSE)
})

test_that("different numbers are printed differently, and whole ones in full", {
  expect_identical(format_numbers(c(27471.4, 27468.9, 27473)), c("27471.4", "27468.9", "27473.0"))
  expect_identical(format_numbers(c(1000000.25, 1000000.5)), c("1000000.2", "1000000.5"))
  expect_identical(format_numbers(c(123456789, NA, 12)), c("123456789", "       NA", "       12"))
  expect_identical(format_numbers(c(123456789, 0.5), trim = TRUE), c("123456789.0", "0.5"))
  expect_identical(format_numbers(1 / 3), "0.3333333")
  expect_identical(format_numbers(c(0.123456789012, 0.123456789013)), c("0.123456789012", "0.123456789013"))
  expect_identical(trimws(format_numbers(c(NaN, Inf, -Inf, NA))), c("NaN", "Inf", "-Inf", "NA"))
  expect_identical(anyDuplicated(format_numbers(c(1, 1 + 1e-14))), 0L)
  expect_identical(format_numbers(numeric()), character())
  expect_identical(format_numbers(2^60 + c(0, 2^10)), format(2^60 + c(0, 2^10), digits = 15L))
})

test_that("durations are rounded as people compare them", {
  expect_identical(shown_seconds(c(0.01456, 0.376, 9.999, 99.96, 3725.4, NA)), c("0.01", "0.38", "10.0", "100", "3725", NA))
  expect_identical(shown_seconds(NA), NA_character_)
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
  runs <- cbind(runs, param_same = 1, param_trees = c(10, 20), metric_same = 1, metric_AUC = c(0.7, 0.8), tag_kind = c("a", "b"))
  runs$entry_script <- "train.R"
  rownames(runs) <- NULL
  runs <- returned_table(runs, "espalier_run_table")
  header <- function(x) strsplit(trimws(capture.output(print(x))[1L]), " +")[[1L]]
  withr::local_options(width = 80)
  expect_identical(header(runs)[1:6], c("run_id", "status", "param_trees", "metric_AUC", "tag_kind", "duration_seconds"))
  withr::local_options(width = 60)
  expect_match(paste(capture.output(print(runs)), collapse = " "), "columns: .*param_same,? +metric_same")
  own <- runs
  own$mine <- c("p", "q")
  own$metric_ratio <- c(1, 2)
  expect_true(all(c("mine", "metric_ratio") %in% header(own)))
  expect_identical(header(own)[1:2], c("run_id", "status"))
  withr::local_options(width = 300)
  expect_identical(header(runs), intersect(names(runs), header(runs)))
  withr::local_options(width = 50)
  expect_identical(header(runs[c("status", "created_at", "run_id")])[1:2], c("status", "created_at"))
  runs$error <- strrep("e", 40)
  part <- capture.output(print(runs[c("run_id", "entry_script", "status", "error")]))
  expect_match(part, "e{37}", all = FALSE)
  expect_false(any(grepl("more column", part)))
})

test_that("columns without any value come after all others", {
  frame <- as.data.frame(setNames(rep(list("x"), length(.run_columns)), .run_columns))
  for (rows in 1:2) {
    view <- cbind(frame[rep(1, rows), ], metric_other = NA_real_, param_rate = seq_len(rows))
    order <- columns_compared(view, view)
    expect_true("param_rate" %in% order$first)
    expect_false("metric_other" %in% order$first)
    expect_identical(utils::tail(order$last, 1L), "metric_other")
  }
})

test_that("a column that hardly any row has comes after those that runs are compared by", {
  frame <- as.data.frame(setNames(rep(list("x"), length(.run_columns)), .run_columns))
  view <- cbind(frame[rep(1, 10), ], metric_rare = c(1, rep(NA, 9)), metric_loss = 1:10)
  order <- columns_compared(view, view)
  expect_true("metric_loss" %in% order$first)
  expect_true("metric_rare" %in% order$last)
})

test_that("metrics of runs are printed with digits that tell them apart", {
  ws <- local_workspace()
  for (value in c(27471.4, 27468.9, 27473)) {
    run <- start_logging_run(experiment(ws, "e"))
    log_metric_to_run("rmse", value)
    log_metric_to_run("n", 123456789L)
    complete_run(run)
  }
  out <- capture.output(print(list_runs(ws)))
  for (text in c("27471\\.4", "27468\\.9", "27473\\.0")) expect_length(grep(text, out), 1L)
  expect_match(capture.output(print(list_runs(ws)[c("metric_n", "metric_rmse")], digits = 5)), "123456789 +27473 ", all = FALSE)
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
