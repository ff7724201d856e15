# Objects hold strings only: they work in any process that has the package, whatever became of the session that made
# them; and where they cannot work they say so at once, and never hang.

# A run that has ended, in a workspace of its own.
local_run <- function(env = parent.frame()) {
  ws <- local_workspace(env = env)
  ended(submit_command(ws, "true"))
}

# What another R says, as lines; it is killed after a while, for a hanging child is what is looked for.
lines_of <- function(lines, ..., seconds = 60) {
  process <- rscript_process(lines, ...)
  process$wait(seconds * 1000)
  hung <- process$is_alive()
  if (hung) process$kill_tree()
  c(process$read_all_output_lines(), if (hung) "hung")
}

test_that("nothing but strings is in an object, whatever it was made by", {
  run <- local_run()
  ws <- get_workspace("test", path = dirname(run$workspace_path))
  for (object in list(run, ws, experiment(ws, "exp"), get_run(ws, "latest"), list_workspaces(path = dirname(ws$path))[[1L]])) {
    expect_type(identity_of(object), "character")
    private <- as.list(object$.__enclos_env__$private)
    expect_identical(names(private), "identity")
    fields <- Filter(Negate(is.function), as.list(object, all.names = TRUE))
    expect_setequal(setdiff(names(fields), names(get(class(object)[1L])$active)), ".__enclos_env__")
  }
})

test_that("a saved object works in another R, and what that one saves works here", {
  run <- local_run()
  back <- withr::local_tempfile(fileext = ".rds")
  said <- lines_of(c(
    "given <- commandArgs(TRUE)", "run <- readRDS(given[1])", "cat(run$get_status(), espalier::get_run_status(run), '\\n')",
    "print(run)", "saveRDS(list(run, run$id), given[2])"
  ), saved(run), back)
  expect_identical(said[1:2], c("Completed Completed ", sprintf("<Run %s>", run$id)))
  expect_true(readRDS(back)[[1L]] == run)
  expect_true(unserialize(serialize(run, NULL)) == run)
})

test_that("workers of PSOCK, callr and future use objects, and send theirs back", {
  run <- local_run()
  said <- lines_of(c(
    "library(espalier)", "run <- readRDS(commandArgs(TRUE))", "cluster <- parallel::makePSOCKcluster(1)",
    "parallel::clusterCall(cluster, .libPaths, .libPaths())",
    "cat(unlist(parallel::parLapply(cluster, list(run), function(x) espalier::get_run_status(x))), '\\n')",
    "other <- parallel::clusterCall(cluster, function(x) espalier::get_run(x, 'latest'),",
    "                               get_workspace('test', path = dirname(run$workspace_path)))[[1]]",
    "cat(other == run, get_run_status(other), '\\n')", "parallel::stopCluster(cluster)"
  ), saved(run))
  expect_true("Completed " %in% said)
  expect_true("TRUE Completed " %in% said)
  expect_identical(in_other_r(function(run) espalier::get_run_status(run), list(run)), "Completed")
  skip_if_not_installed("future")
  said <- lines_of(c(
    "library(espalier)", "run <- readRDS(commandArgs(TRUE))", "future::plan('multisession', workers = 2)",
    "cat(future::value(future::future(get_run_status(run))), '\\n')", "future::plan('sequential')"
  ), saved(run))
  expect_true("Completed " %in% said)
})

test_that("knitr's cache brings them back in a later session", {
  skip_if_not_installed("knitr")
  run <- local_run()
  folder <- withr::local_tempdir()
  writeLines(c(
    "```{r made, cache = TRUE}", sprintf("run <- readRDS(%s)", deparse(saved(run))),
    "cat('made', file = 'made.txt', append = TRUE)", "```", "", "```{r used}", "espalier::get_run_status(run)", "```"
  ), file.path(folder, "report.Rmd"))
  knit <- c("setwd(commandArgs(TRUE))", "invisible(knitr::knit('report.Rmd', quiet = TRUE))",
            "cat(grep('Completed', readLines('report.md'), value = TRUE), '\\n')")
  for (time in 1:2) expect_true(any(grepl("Completed", lines_of(knit, folder))))
  expect_identical(readLines(file.path(folder, "made.txt"), warn = FALSE), "made")
})

test_that("printing explains a workspace that is gone, and the object is told by its strings", {
  ws <- local_workspace()
  run <- ended(submit_command(ws, "true"))
  exp <- experiment(ws, "exp")
  unlink(ws$path, recursive = TRUE)
  expect_output(print(run), paste0("<Run ", run$id, ">.*not readable: +Can't find the run .* in .*workspace: +", ws$path))
  expect_output(print(exp), "<Experiment exp>.*not readable: +Can't find a workspace at .*workspace: ")
  expect_output(print(ws), paste0("not readable: +Can't find a workspace at ", ws$path))
  expect_identical(format(run), sprintf("<Run %s>", run$id))
  expect_error(get_run_status(run), class = "espalier_error_run_missing")
})

# ---- another version of the package ----------------------------------------------------------------

# A library with a later version: a new method, one with another name, one with a further argument.
local_later_version <- function(env = parent.frame()) {
  skip_if(is.null(source_top()), "not in a source tree: no other version can be made")
  skip_on_cran()
  top <- withr::local_tempdir(.local_envir = env)
  copy <- file.path(top, "espalier")
  dir.create(copy)
  parts <- c("DESCRIPTION", "NAMESPACE", "LICENSE", "R", "inst", "src", "configure", "cleanup", "tools")
  file.copy(file.path(source_top(), parts), copy, recursive = TRUE)
  unlink(Sys.glob(file.path(copy, "src", "*.[os]*")))
  change <- function(file, from, to) {
    path <- file.path(copy, file)
    text <- paste(readLines(path, encoding = "UTF-8"), collapse = "\n")
    expect_true(grepl(from, text, fixed = TRUE), info = paste(file, from))
    writeLines(gsub(from, to, text, fixed = TRUE), path, useBytes = TRUE)
  }
  version <- read.dcf(file.path(copy, "DESCRIPTION"), "Version")[[1L]]
  change("DESCRIPTION", paste("Version:", version), "Version: 99.1.0")
  change("R/gen-run.R", "    get_status = function() Run__get_status(self),",
         "    get_state = function() Run__get_status(self),\n    shout = function() toupper(self$get_state()),")
  change("R/run.R", "run$get_status()", "run$get_state()")
  library <- file.path(top, "library")
  dir.create(library)
  # (nobody measures this one)
  makevars <- withr::local_tempfile(lines = "CFLAGS = -O0")
  withr::local_envvar(R_MAKEVARS_USER = makevars)
  args <- c("CMD", "INSTALL", "--no-docs", "--no-test-load", "--no-byte-compile", paste0("--library=", shQuote(library)), shQuote(copy))
  said <- suppressWarnings(system2(file.path(R.home("bin"), "R"), args, stdout = TRUE, stderr = TRUE))
  expect_true(file.exists(file.path(library, "espalier", "Meta")), info = paste(utils::tail(said), collapse = "\n"))
  library
}

test_that("objects go from one version of the package to another and back", {
  run <- local_run()
  library <- local_later_version()
  later <- withr::local_tempfile(fileext = ".rds")
  use <- c(
    "print(run)", "cat(espalier::get_run_status(run), nrow(espalier::list_runs(get_workspace('test', path =",
    "  dirname(run$workspace_path)))), 'rows\\n')"
  )
  said <- lines_of(c(
    "given <- commandArgs(TRUE)", ".libPaths(c(given[3], .libPaths()))", "run <- readRDS(given[1])", "library(espalier)",
    "cat('version', format(packageVersion('espalier')), '\\n')", use, "cat(run$shout(), inherits(try(run$nonsense, silent = TRUE), 'try-error'), '\\n')",
    "saveRDS(get_run(get_workspace('test', path = dirname(run$workspace_path)), 'latest'), given[2])"
  ), saved(run), later, library)
  expect_identical(said[1:2], c("version 99.1.0 ", sprintf("<Run %s>", run$id)))
  expect_true(all(c("Completed 1 rows", "COMPLETED TRUE ") %in% said))

  theirs <- readRDS(later)
  expect_false("get_status" %in% ls(theirs))
  expect_true(theirs == run)
  expect_identical(get_run_status(theirs), "Completed")
  expect_identical(theirs$get_status(), "Completed")
  expect_error(theirs$nonsense, class = "espalier_error_bad_argument")
  expect_output(print(theirs), "status: +Completed")
})

# ---- forks -----------------------------------------------------------------------------------------

# What becomes of each call in a forked child of one session; the session itself is as `before` leaves it.
in_forks <- function(before, ..., seconds = 30) {
  calls <- c(...)
  lines_of(c(
    "library(espalier)", "run <- readRDS(commandArgs(TRUE)[1])", before,
    "in_fork <- function(code) {",
    "  job <- parallel::mcparallel(tryCatch(eval(code), error = function(e) class(e)[1]))",
    sprintf("  got <- parallel::mccollect(job, wait = FALSE, timeout = %d)", seconds),
    "  if (is.null(got)) { tools::pskill(job$pid, 9); cat('the child hung\\n') } else cat('child:', format(got[[1]]), '\\n')",
    "}", sprintf("in_fork(quote(%s))", calls)
  ), saved(local_run(env = parent.frame())), seconds = seconds * length(calls) + 30)
}

test_that("a forked child of a session with Python is refused, data frames too, and what needs no Python works", {
  skip_on_os("windows")
  refused <- "child: espalier_error_forked "
  said <- in_forks(
    "invisible(get_run_status(run))", "get_run_status(run)",
    "list_runs(get_workspace('test', path = dirname(run$workspace_path)))", "espalier:::arg_data(data.frame(a = 1:3), 'x')",
    "parallel::mclapply(1, function(i) get_run_status(run))[[1]]", "paste(capture.output(print(run)), collapse = ' ')",
    "run$id" # (identity is in the object; logging needs no Python)
  )
  expect_identical(said[1:4], rep(refused, 4L))
  expect_match(said[[5L]], "not readable: +Can't use the core in this process")
  expect_match(said[[6L]], "^child: exp_")
})

test_that("so is one of a session in which only others used Python", {
  skip_on_os("windows")
  others <- c("espalier:::python_choose(NULL) -> choice", "invisible(espalier:::bridge_boot(choice))")
  expect_true("child: espalier_error_forked " %in% in_forks(others, "get_run_status(run)"))
})

test_that("a child of a session without Python starts its own", {
  skip_on_os("windows")
  several <- "paste(unlist(parallel::mclapply(1:2, function(i) get_run_status(run), mc.cores = 2)), collapse = ' ')"
  expect_identical(in_forks("invisible()", "get_run_status(run)", several), c("child: Completed ", "child: Completed Completed "))
  expect_true("child: Completed " %in% in_forks("invisible(loadNamespace('reticulate'))", "get_run_status(run)"))
})
