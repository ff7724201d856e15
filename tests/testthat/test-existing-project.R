# A project as people have it, that knows nothing of espalier, runs as a job without an edit.

existing_project <- function(env = parent.frame()) {
  top <- local_project(
    "sales.Rproj" = "Version: 1.0",
    "config.yml" = c("default:", "  rows: 3"),
    "R/helpers.R" = "rate <- function(x) x * 2",
    "data/raw.csv" = c("x", "1", "2", "3"),
    "01-clean.R" = c(
      "source('R/helpers.R')",
      "raw <- read.csv('data/raw.csv')",
      "saveRDS(rate(raw$x), 'data/clean.rds')"
    ),
    "02-fit.R" = c(
      "clean <- readRDS(file.path('data', 'clean.rds'))",
      "dir.create('models'); saveRDS(mean(clean), 'models/mean.rds')",
      "write.csv(data.frame(x = clean), 'table.csv', row.names = FALSE)"
    ),
    "03-report.R" = c(
      "for (script in c('01-clean.R', '02-fit.R')) source(script)",
      "png('plot.png'); plot(1:3); dev.off()",
      "pdf(NULL); dev.off()",
      "setwd('data'); raw <- read.csv('../table.csv'); setwd('..')",
      "dir.create('outputs', showWarnings = FALSE); setwd('outputs'); read.csv('../data/raw.csv'); setwd('..')",
      "unlink('outputs', recursive = TRUE); dir.create('outputs'); writeLines('done', 'outputs/done.txt')",
      "writeLines(readLines('config.yml'), 'config.yml')",
      "cat('total', sum(raw$x), '\\n')"
    ),
    ".gitignore" = "data/clean.rds",
    env = env
  )
  git <- function(...) suppressWarnings(system2("git", c("-C", shQuote(top), ...), stdout = TRUE, stderr = TRUE))
  git("init", "-q", ".")
  git("-c", "user.name=a", "-c", "user.email=a@example.org", "add", "-A")
  git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "one")
  top
}

files_below <- function(folder) {
  names <- list.files(folder, all.files = TRUE, recursive = TRUE)
  names <- names[!startsWith(names, ".git/")]
  stats::setNames(tools::md5sum(file.path(folder, names)), names)
}

test_that("an existing project runs without an edit, and what it wrote is found", {
  ws <- local_workspace()
  top <- existing_project()
  before <- files_below(top)
  run <- ended(submit_experiment(experiment(ws, "sales"), script_run_config(top, "03-report.R")))
  expect_identical(get_run_status(run), "Completed")
  expect_setequal(
    get_run_file_names(run),
    c("outputs/done.txt", "system_logs/runner.log", "user_logs/std_log.txt", "workdir/config.yml",
      "workdir/data/clean.rds", "workdir/models/mean.rds", "workdir/plot.png", "workdir/table.csv")
  )
  expect_identical(files_below(top), before)
  clean <- readRDS(download_file_from_run(run, "workdir/data/clean.rds", tempfile()))
  expect_identical(clean, c(2, 4, 6))
  kept <- get_run_details(run)$kept
  expect_identical(kept$count, 5L)
  expect_length(kept$deleted, 0L)
  shown <- paste(capture.output(print(run)), collapse = "\n")
  expect_match(shown, "kept: +5 files in workdir/ \\(")
  shown <- paste(capture.output(print(get_run_details(run))), collapse = "\n")
  expect_match(shown, "kept +5 files in workdir/ \\(")
  log <- readLines(file.path(run$run_dir, "system_logs", "runner.log"))
  expect_match(log[1], "Kept 5 files .* workdir/config.yml, workdir/data/clean.rds, workdir/models/mean.rds")
})

test_that("code that looks for the project's top finds the working copy", {
  ws <- local_workspace()
  top <- existing_project()
  dir.create(file.path(top, "project"))
  writeLines(c(
    "climb <- function(is_top, at = getwd()) {",
    "  while (!is_top(at) && dirname(at) != at) at <- dirname(at)",
    "  at",
    "}",
    "cat('rproj:', climb(function(d) any(endsWith(list.files(d), '.Rproj'))), '\\n')",
    "cat('git:', system('git rev-parse --show-toplevel', intern = TRUE), '\\n')",
    "cat('status:', length(system('git log --oneline', intern = TRUE)), '\\n')",
    "cat('wd:', getwd(), '\\n')",
    "writeLines('x', file.path(climb(function(d) any(endsWith(list.files(d), '.Rproj'))), 'result.txt'))",
    "unlink('gone.R')"
  ), file.path(top, "project", "train.R"))
  writeLines("1", file.path(top, "project", "gone.R"))
  config <- estimator(file.path(top, "project"), entry_script = "train.R", keep_workdir = TRUE)
  run <- ended(submit_experiment(experiment(ws, "sub"), config))
  expect_identical(get_run_status(run), "Completed")
  log <- trimws(log_of(run))
  place <- sub("^wd: ", "", grep("^wd:", log, value = TRUE))
  expect_identical(basename(place), "project")
  expect_identical(log[1:3], c(paste("rproj:", dirname(place)), paste("git:", dirname(place)), "status: 1"))
  expect_false(startsWith(place, top) || file.exists(file.path(top, "result.txt")))
  expect_true("workdir/result.txt" %in% get_run_file_names(run))
  expect_true(file.exists(file.path(run$run_dir, "work", "project", "train.R")))
  expect_identical(unlist(get_run_details(run)$kept$deleted), "project/gone.R")
  expect_match(paste(capture.output(print(run)), collapse = "\n"), "1 file of the snapshot deleted")
})

test_that("what is too large is not kept, and a warning names it", {
  ws <- local_workspace()
  run <- ended(submit_lines(
    ws, c("writeLines('x', 'small.txt')", "writeBin(raw(3e6), 'large.bin')"),
    environment_variables = list(ESPALIER_KEEP_LIMIT = "2 MB")
  ))
  details <- get_run_details(run)
  expect_identical(details$kept$too_large[[1]]$name, "large.bin")
  expect_match(unlist(details$warnings), "large.bin \\(2.9 MB\\).*ESPALIER_KEEP_LIMIT")
  expect_true("workdir/small.txt" %in% get_run_file_names(run, prefix = "workdir/"))
  expect_match(paste(capture.output(print(run)), collapse = "\n"), "1 file too large to keep")
})

test_that("a job that misses what an earlier run wrote says which run, and how to get it", {
  ws <- local_workspace()
  folder <- local_project(
    clean.R = "dir.create('data'); saveRDS(1:3, 'data/clean.rds')", fit.R = "print(mean(readRDS('data/clean.rds')))",
    given.R = "print(mean(readRDS(espalier::job_params(clean = 'data/clean.rds')$clean)))"
  )
  exp <- experiment(ws, "fit")
  first <- ended(submit_experiment(exp, estimator(folder, entry_script = "clean.R")))
  run <- submit_experiment(exp, estimator(folder, entry_script = "fit.R"))
  expect_snapshot(wait_for_run_completion(run, show_output = FALSE), error = TRUE, transform = steady)
  expect_match(cause_of(run)$hint, first$id, fixed = TRUE)
  # (what the hint says is done)
  hint <- parse(text = sub(".* copy it into the project: (.*)\\.$", "\\1", cause_of(run)$hint))
  dir.create(file.path(folder, "data"))
  withr::with_dir(folder, eval(hint))
  expect_identical(log_of(ended(submit_experiment(exp, estimator(folder, entry_script = "fit.R")))), "[1] 2")
  # where an ignore rule leaves it out: first the file in the project is named, and without that the run
  writeLines("data/", file.path(folder, ".gitignore"))
  expect_warning(run <- ended(submit_experiment(exp, estimator(folder, entry_script = "fit.R"))), "left out of the snapshot")
  expect_match(cause_of(run)$hint, "^The project has \"data/clean.rds\", but data/ \\(\\.gitignore:1\\)")
  unlink(file.path(folder, "data"), recursive = TRUE)
  run <- ended(submit_experiment(exp, estimator(folder, entry_script = "fit.R")))
  inputs <- eval(parse(text = sub(".*inputs = (list.*)), and read.*", "\\1)", cause_of(run)$hint)))
  again <- ended(submit_experiment(exp, estimator(folder, entry_script = "given.R", inputs = inputs)))
  expect_identical(log_of(again), "[1] 2")
})

test_that("a path that leads out of the source folder is named at submit, with what to submit instead", {
  ws <- local_workspace()
  folder <- local_project("R/x.R" = "x <- 1", "sub/script.R" = "source('../R/x.R'); print(x)")
  exp <- experiment(ws, "sub")
  expect_snapshot(
    run <- submit_experiment(exp, estimator(file.path(folder, "sub"), entry_script = "script.R")), transform = steady
  )
  expect_identical(get_run_status(ended(run)), "Failed")
  # (what the warning says is done)
  writeLines("source('R/x.R'); print(x)", file.path(folder, "sub", "script.R"))
  expect_no_warning(run <- submit_experiment(exp, estimator(folder, entry_script = "sub/script.R")))
  expect_identical(log_of(ended(run)), "[1] 1")
})
