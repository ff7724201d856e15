# Tables of runs: what they are, how they print, how they look in a report.

made_runs <- function(rows = 3L, ...) {
  table <- as.data.frame(as.list(stats::setNames(rep(NA_character_, length(.run_columns)), .run_columns)))[rep(1L, rows), ]
  table$run_id <- sprintf("exp_1700000000_%08x", seq_len(rows))
  table$experiment <- "exp"
  table$status <- "Completed"
  table$children <- 0L
  table$created_at <- as.POSIXct(1.7e9 + seq_len(rows), origin = "1970-01-01", tz = "UTC")
  table$duration_seconds <- 1.5 * seq_len(rows)
  more <- list(...)
  table[names(more)] <- more
  rownames(table) <- NULL
  run_table(table)
}

test_that("tables print what they have, under its real names", {
  local_reproducible_output(width = 80)
  runs <- made_runs(tag_stage = c("prod", NA, "\u65e5\u672c\u8a9e\u30c6\u30ad\u30b9\u30c8"), metric_auc = c(0.9, NaN, 123456.25),
                    metric_n = c(5000000.25, NA, 12), param_lr = c(1e-8, 0.5, 2))
  expect_snapshot({
    runs
    runs[c("metric_auc", "status")]
    runs[runs$metric_n > 100, c("status", "metric_n")]
    runs[0, ]
    runs[0, c("run_id", "metric_auc")]
    runs[, "status"]
    transform(runs[c("status", "metric_auc")], mine = metric_auc * 2, other = c(TRUE, NA, FALSE))
    print(runs[c("run_id", "metric_auc")], n = 1)
    print(runs[c("run_id", "metric_auc", "param_lr")], n = 2, digits = 3)
  })
})

test_that("what sets runs apart is shown beside what was measured, first what was asked for, and errors of failed runs", {
  local_reproducible_output(width = 80)
  runs <- made_runs(metric_auc = c(0.1, 0.2, 0.3), metric_loss = 3:1, metric_f1 = c(0.5, 0.6, 0.7), metric_n = 4:6, param_lr = c(1, 2, 3),
                    param_depth = 3:1, "min(metric_val_loss)" = c(0.25, 0.5, 0.75))
  header <- function(runs) strsplit(trimws(capture.output(runs)[[1L]]), " +")[[1L]]
  expect_identical(header(runs)[3:5], c("param_lr", "metric_auc", "param_depth"))
  attr(runs, "asked") <- c("-min(metrics.`val_loss`)", "(metrics.`f1` < 1)")
  names(runs)[names(runs) == "min.metric_val_loss."] <- "min(metric_val_loss)"
  expect_identical(header(runs)[1:3], c("run_id", "min(metric_val_loss)", "metric_f1"))
  expect_identical(header(runs[2:1, ])[2], "min(metric_val_loss)")
  failed <- made_runs(metric_auc = 1:3, param_lr = 3:1, error = c("no such level", "no such level", "killed"))
  failed$status <- "Failed"
  expect_identical(header(failed)[1:3], c("run_id", "status", "error"))
  # the file's name at the end is shown where the console has room for it
  failed$error <- paste0("cannot open the file '", strrep("folder/", 12L), "data.csv'")
  local_reproducible_output(width = 160)
  expect_match(capture.output(failed)[2L], "data.csv'", fixed = TRUE)
  expect_match(capture.output(failed[, c("run_id", "error")])[2L], "data.csv'", fixed = TRUE)
  local_reproducible_output(width = 80)
  expect_true(all(nchar(capture.output(failed[, c("run_id", "error")])) <= 80L))
})

test_that("lists, matrices and data frames in a table are shown, in short where they are long", {
  local_reproducible_output(width = 80)
  runs <- made_runs()
  runs$mine <- list(1, "one", list(1, 2))
  runs$model <- list(NULL, matrix(1:6, 2), factor(c("a", "b")))
  runs$m <- matrix(1:6, 3)
  runs$d <- data.frame(p = 1:3, q = letters[1:3])
  expect_snapshot(runs[c("status", "mine", "model", "m", "d")])
})

test_that("many runs print at once, and the first of them", {
  runs <- made_runs(10000L, metric_auc = seq_len(10000L) / 3)
  out <- capture.output(print(runs))
  expect_lt(length(out), 40L)
  expect_match(out, "and 9,980 more runs; as.data.frame\\(\\) and View\\(\\) show all", all = FALSE)
  expect_match(capture.output(print(runs[1:2, ], n = 1)), "and 1 more run;", all = FALSE)
})

test_that("a part of a table is a table, with and without tibble", {
  run <- made_runs(metric_auc = c(3, 1, 2))
  expect_identical(inherits(run, "tbl_df"), is_installed("tibble"))
  for (part in list(run[1], run["status"], run[, "status"], run[2:3, ], run[run$metric_auc > 5, ], run[order(run$metric_auc), 1:3], run[], run[, ])) {
    expect_identical(class(part), class(run))
  }
  expect_identical(run[2, "metric_auc", drop = TRUE], 1)
  expect_identical(attr(run[c(3, 1), ], "row.names"), 1:2)
  expect_identical(run[["status"]], rep("Completed", 3))
  expect_identical(dim(run[-1, -1]), dim(run) - 1L)
  expect_identical(class(as.data.frame(run)), "data.frame")
  expect_null(attr(as.data.frame(run), "nothing"))
  expect_identical(dim(rbind(run, run)), c(6L, ncol(run)))
  expect_identical(merge(run[c("run_id", "status")], data.frame(run_id = run$run_id[2:3], z = 1:2))$z, 1:2)
})

test_that("tibble isn't loaded for it, and dplyr's verbs work once it is", {
  skip_if_not_installed("dplyr")
  seen <- in_other_r(function(table) {
    loadNamespace("espalier")
    before <- "tibble" %in% loadedNamespaces()
    utils::capture.output(print(table), print(table[1:2, "status"]))
    shown <- "tibble" %in% loadedNamespaces()
    some <- dplyr::filter(table, metric_auc > 1)
    more <- dplyr::mutate(dplyr::select(some, run_id, metric_auc), twice = metric_auc * 2)
    list(before = before, shown = shown, class = class(some), values = more$twice, one = class(table[, "status"]),
         print = utils::capture.output(print(more)), plain = class(tibble::as_tibble(table)),
         best = dplyr::pull(dplyr::slice_max(table, metric_auc), run_id))
  }, list(made_runs(metric_auc = c(3, 1, 2))))
  expect_false(seen$before || seen$shown)
  expect_identical(seen$class, class(made_runs()))
  expect_identical(seen$one, class(made_runs()))
  expect_identical(seen$values, c(6, 4))
  expect_match(seen$print[[1]], "^ *run_id +metric_auc +twice *$")
  expect_identical(seen$plain, c("tbl_df", "tbl", "data.frame"))
  expect_identical(seen$best, made_runs()$run_id[[1]])
})

test_that("in a report they are tables of the document, and what is no table of ours is none", {
  skip_if_not_installed("knitr")
  local_utf8()
  folder <- withr::local_tempdir()
  saveRDS(made_runs(25L, metric_a_b = c(1e6 + 0.25, 2:25), tag_odd = "<b> | `x` *y* $z$"), file.path(folder, "runs.rds"))
  chunk <- c("runs <- readRDS('runs.rds')", "runs", "runs[1:2, c('status', 'tag_odd')]", "runs[0, ]", "print(runs[1:2, c('status', 'tag_odd')])")
  writeLines(c("```{r}", "invisible(loadNamespace('espalier'))", chunk, "```"), file.path(folder, "report.Rmd"))
  writeLines(c("<<results='asis'>>=", "invisible(loadNamespace('espalier'))", "readRDS('runs.rds')[1:2, c('status', 'metric_a_b')]", "@"),
             file.path(folder, "report.Rnw"))
  seen <- in_other_r(function(folder) {
    setwd(folder)
    for (file in c("report.Rmd", "report.Rnw")) knitr::knit(file, quiet = TRUE)
    lapply(c("report.md", "report.tex"), readLines, encoding = "UTF-8")
  }, list(folder))
  report <- seen[[1]]
  expect_length(grep("^\\|exp\\\\_17", report), 20L)
  expect_match(report, "metric\\\\_a\\\\_b", all = FALSE)
  expect_match(report, "and 5 more runs", all = FALSE)
  expect_match(report, "and [0-9]+ more columns: .*exit\\\\_code", all = FALSE)
  expect_true(any(grepl("|Completed |\\<b\\> &#124; \\`x\\` \\*y\\* \\$z\\$ |", report, fixed = TRUE)))
  expect_match(report, "^## No rows", all = FALSE)
  expect_match(report, "^##  status", all = FALSE)
  expect_match(seen[[2]], "Completed & 1000000", all = FALSE)
})

test_that("a list of runs becomes a table of these runs alone", {
  ws <- local_workspace()
  exp <- experiment(ws, "e")
  for (i in 1:3) complete_run(start_logging_run(exp))
  runs <- get_runs_in_experiment(exp)
  expect_identical(as.data.frame(runs[c(3, 1)])$run_id, c(runs[[3]]$id, runs[[1]]$id))
  expect_identical(nrow(as.data.frame(runs[0])), 0L)
  expect_output(print(runs[2]), runs[[2]]$id, fixed = TRUE)
})
