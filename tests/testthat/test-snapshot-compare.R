# What differs between two snapshots, and how that is shown.

# A folder, its snapshot, and the folder changed in every way since.
local_change <- function(env = parent.frame()) {
  ws <- local_workspace(env = env)
  folder <- local_project(train.R = c("x <- 1", "print(x)", "end"), gone.R = "old", mode.sh = "true", env = env)
  writeBin(as.raw(c(0, 1)), file.path(folder, "b.bin"))
  id <- suppressMessages(take_snapshot(ws, folder))
  writeLines(c("x <- 2", "print(x)", "end"), file.path(folder, "train.R"))
  writeLines("new", file.path(folder, "new.R"))
  file.remove(file.path(folder, "gone.R"))
  Sys.chmod(file.path(folder, "mode.sh"), "755")
  writeBin(as.raw(c(0, 2)), file.path(folder, "b.bin"))
  list(ws = ws, folder = folder, id = id)
}

test_that("every kind of change is told", {
  made <- local_change()
  x <- compare_snapshots(made$id, made$folder, workspace = made$ws)
  expect_s3_class(x, c("espalier_comparison", "data.frame"), exact = TRUE)
  expect_identical(as.data.frame(x)[c("path", "change", "size_before", "size_after", "kind_before", "kind_after", "note")], data.frame(
    path = c("b.bin", "gone.R", "mode.sh", "new.R", "train.R"),
    change = c("changed", "removed", "mode", "added", "changed"),
    size_before = c(2, 4, 5, NA, 20), size_after = c(2, NA, 5, 4, 20),
    kind_before = c("file", "file", "file", NA, "file"), kind_after = c("file", NA, "executable", "file", "file"),
    note = c("binary", NA, NA, NA, NA)
  ))
  expect_identical(x$diff[[5]], "--- a/train.R\n+++ b/train.R\n@@ -1,3 +1,3 @@\n-x <- 1\n+x <- 2\n print(x)\n end\n")
  expect_identical(is.na(x$diff), c(TRUE, FALSE, TRUE, FALSE, FALSE))
  counts <- summary(x)
  expect_identical(counts$change, c("added", "removed", "changed", "mode", "type"))
  expect_identical(counts$files, c(1L, 1L, 2L, 1L, 0L))
  expect_identical(counts$bytes_after, c(4, 0, 22, 5, 0))
})

test_that("runs, ids and folders are compared with each other", {
  ws <- local_workspace()
  folder <- local_project(train.R = "1")
  exp <- experiment(ws, "e")
  first <- ended(submit_experiment(exp, estimator(folder, entry_script = "train.R")))
  writeLines("2", file.path(folder, "train.R"))
  second <- ended(submit_experiment(exp, estimator(folder, entry_script = "train.R")))
  id <- suppressMessages(take_snapshot(ws, folder))
  expected <- "--- a/train.R\n+++ b/train.R\n@@ -1 +1 @@\n-1\n+2\n"
  expect_identical(compare_snapshots(first, second)$diff, expected)
  expect_identical(compare_snapshots(first, folder)$diff, expected)
  expect_identical(compare_snapshots(first, id)$diff, expected) # of the run's workspace
  expect_identical(compare_snapshots(local_project(train.R = "1"), folder)$diff, expected)
  expect_identical(nrow(compare_snapshots(id, second)), 0L)
  # runs of two workspaces
  other <- ended(submit_experiment(experiment(local_workspace("other"), "e"), estimator(folder, entry_script = "train.R")))
  expect_identical(compare_snapshots(first, other)$diff, expected)
  withr::local_dir(folder)
  expect_identical(compare_snapshots(first, ".")$diff, expected)
})

test_that("what cannot be compared is refused", {
  made <- local_change()
  expect_error(compare_snapshots(made$id, made$folder), "workspace =", class = "espalier_error_bad_argument")
  expect_error(compare_snapshots(1, made$folder), "`a` must be a run", class = "espalier_error_bad_argument")
  expect_error(compare_snapshots(made$folder, NULL), "`b` must be a run", class = "espalier_error_bad_argument")
  error <- expect_error(compare_snapshots(made$folder, "/nowhere/at/all"), class = "espalier_error_source_missing")
  expect_match(conditionMessage(error), "Can't use `b` as a folder: /nowhere/at/all doesn't exist.\ni Give a run,", fixed = TRUE)
  error <- expect_error(compare_snapshots("x_1796030985_2d97751e", made$folder), class = "espalier_error_source_missing")
  expect_match(conditionMessage(error), "give the run itself: a = get_run(ws, \"x_1796030985_2d97751e\").", fixed = TRUE)
  expect_error(compare_snapshots("sha256:abc", made$folder, made$ws), class = "espalier_error_bad_argument")
  missing <- paste0("sha256:", strrep("0", 64))
  expect_error(compare_snapshots(missing, made$folder, made$ws), class = "espalier_error_snapshot_missing")
})

test_that("it prints as a summary and the diffs, without colours where there are none", {
  withr::local_options(cli.num_colors = 1L)
  made <- local_change()
  x <- compare_snapshots(made$id, made$folder, workspace = made$ws)
  shown <- capture.output(print(x))
  expect_identical(shown, format(x))
  expect_identical(shown[[1]], paste0(
    "<Comparison: 5 files differ between ", made$id, " and ", made$folder, ", 1 added, 1 removed, 2 changed, 1 of another mode>"
  ))
  expect_identical(shown[2:6], c(
    "  changed  b.bin    2 B, binary", "  removed  gone.R   4 B", "  mode     mode.sh  file -> executable",
    "  added    new.R    4 B", "  changed  train.R  20 B"
  ))
  expect_match(shown, "^[+]x <- 2$", all = FALSE)
  expect_output(print(compare_snapshots(made$folder, made$folder)), "<Comparison: no difference between", fixed = TRUE)
  expect_output(print(x[x$change == "added", ]), "1 file differs between .*, 1 added>")
  expect_output(print(x[, 1:2]), "mode.sh", fixed = TRUE)
  expect_identical(class(as.data.frame(x)), "data.frame")
  expect_error(print(x, lines = "many"), class = "espalier_error_bad_argument")
})

test_that("on a terminal diffs are in colours", {
  made <- local_change()
  x <- compare_snapshots(made$id, made$folder, workspace = made$ws)
  withr::local_options(cli.num_colors = 256L)
  shown <- capture.output(print(get_file_diff(x, "train.R")))
  expect_identical(shown, as.character(c(
    cli::style_bold(c("--- a/train.R", "+++ b/train.R")), cli::col_cyan("@@ -1,3 +1,3 @@"), cli::col_red("-x <- 1"),
    cli::col_green("+x <- 2"), " print(x)", " end"
  )))
  # a removed line that looks like a head is a removed line
  expect_identical(coloured_diff(c("@@ -1 +1 @@", "--- x", "+++ y"))[2:3],
                   as.character(c(cli::col_red("--- x"), cli::col_green("+++ y"))))
})

test_that("long diffs are cut, each file has its share", {
  withr::local_options(cli.num_colors = 1L)
  skip_if_no_core()
  before <- local_project(a.txt = "1", z.txt = "1")
  after <- local_project(a.txt = as.character(1:3000), z.txt = "2")
  x <- compare_snapshots(before, after)
  shown <- capture.output(print(x))
  expect_lt(length(shown), 120L)
  expect_match(shown, "^[.]{3} 29[0-9]{2} more lines$", all = FALSE)
  expect_match(shown, "^[+]2$", all = FALSE)
  expect_match(capture.output(print(x, lines = 0)), "... and the diffs of 1 more file", fixed = TRUE, all = FALSE)
  expect_length(format(x, lines = Inf), 3003L + 3L + 5L + 1L)
  many <- stats::setNames(as.list(rep("x", 80)), sprintf("%02d", 1:80))
  shown <- format(compare_snapshots(withr::local_tempdir(), do.call(local_project, many)))
  expect_match(shown, "... and 30 more; as.data.frame() has all.", fixed = TRUE, all = FALSE)
  expect_match(shown, "... and the diffs of 30 more files", fixed = TRUE, all = FALSE)
})

test_that("one file's diff", {
  made <- local_change()
  x <- compare_snapshots(made$id, made$folder, workspace = made$ws)
  diff <- get_file_diff(x, "train.R")
  expect_s3_class(diff, "espalier_diff")
  expect_identical(diff[3:5], c("@@ -1,3 +1,3 @@", "-x <- 1", "+x <- 2"))
  expect_output(print(get_file_diff(x, "b.bin")), "(binary)", fixed = TRUE)
  expect_output(print(get_file_diff(x, "mode.sh")), "contents are the same", fixed = TRUE)
  expect_error(get_file_diff(x, "same.R"), "isn't among the paths that differ", class = "espalier_error_bad_argument")
  expect_error(get_file_diff(data.frame(path = "a"), "a"), class = "espalier_error_bad_argument")
})

test_that("hostile names and contents do nothing to the terminal", {
  skip_if_no_core()
  withr::local_options(cli.num_colors = 1L)
  before <- local_project(a = "1")
  after <- local_project(a = paste0("\033[31m", "\u202e"), "x\033]0;owned\a" = "1")
  writeBin(charToRaw("caf\xe9\n"), file.path(after, "latin1"))
  x <- compare_snapshots(before, after)
  expect_identical(x$path[[3]], "x\033]0;owned\a")
  shown <- format(x)
  expect_false(any(grepl("[[:cntrl:]]|\u202e", shown)))
  expect_match(shown, "+\\x1b[31m\\u202e", fixed = TRUE, all = FALSE)
  expect_match(shown, "+caf\\xe9", fixed = TRUE, all = FALSE)
  expect_match(shown, "latin1 .*not all UTF-8", all = FALSE)
})

test_that("R Markdown shows a table and a diff block", {
  skip_if_not_installed("knitr")
  skip_if_no_core()
  x <- compare_snapshots(local_project("a|`b.md" = "1"), local_project("a|`b.md" = c("1", "```", "x")))
  folder <- withr::local_tempdir()
  saveRDS(x, file.path(folder, "x.rds"))
  document <- file.path(folder, "x.Rmd")
  writeLines(c("```{r, echo = FALSE}", "x <- readRDS('x.rds')", "x", "get_file_diff(x, x$path)", "```"), document)
  # (a process of its own: the method is registered when knitr is loaded)
  in_other_r(function(document) {
    library(espalier)
    setwd(dirname(document))
    knitr::knit(document, quiet = TRUE)
  }, list(document))
  shown <- readLines(file.path(folder, "x.md"))
  expect_match(shown, "| changed | `` a\\|`b.md `` | 2 B -\\> 8 B |", fixed = TRUE, all = FALSE)
  expect_identical(sum(shown == "````diff"), 2L)
  expect_identical(sum(shown == "+```"), 2L)
  expect_false(any(startsWith(shown, "##")))
})
