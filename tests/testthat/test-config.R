# What a job is given: parameters of every type, variables, inputs, seed, limits.

# Writes the bytes of each argument, so that nothing on the way can be hidden by printing.
bytes_script <- "writeLines(vapply(commandArgs(TRUE), function(a) paste(charToRaw(a), collapse = ''), ''), 'outputs/args.txt')"

bytes_of <- function(text) {
  vapply(enc2utf8(text), function(x) paste(charToRaw(x), collapse = ""), "", USE.NAMES = FALSE)
}

test_that("parameters of every type arrive as documented, byte for byte, and nothing is executed", {
  ws <- local_workspace()
  trap <- withr::local_tempfile()
  hostile <- c(sprintf("$(touch %s)", trap), sprintf("`touch %s`", trap), sprintf("; touch %s", trap),
               sprintf("\"; touch %s; \"", trap), sprintf("'; touch %s #", trap), sprintf("| touch %s", trap))
  params <- list(
    text = "two  words", line = "a\nb\r\n\tc", quotes = "it's \"so\" \\ `here`", emoji = "\U0001F333 \u00e9\u4e2d",
    latin = iconv("\u00e9t\u00e9", "UTF-8", "latin1"), tag = "!NA", bang = "!", dash = "--no", star = "* ? ~ $HOME",
    hostile = hostile, empty = "", null = NULL, yes = TRUE, no = FALSE, int = 100000L, double = 1e5, tenth = 0.1,
    sum = 0.1 + 0.2, small = 1e-10, large = 1e22, minus = -1, zero = 0, big = 2^53, third = 1 / 3, inf = -Inf, nan = NaN,
    date = as.Date("2024-02-29"), time = as.POSIXct("2024-02-29 12:34:56", tz = "UTC"),
    zone = as.POSIXct("2024-02-29 12:34:56.25", tz = "America/New_York"), factor = factor("b", c("a", "b")),
    vector = c(1, 2.5, 1e5), words = c("a", "", "c d"), flags = c(TRUE, FALSE), "-x" = 1, "--long" = "as is",
    "name with space" = "v"
  )
  run <- ended(submit_lines(ws, bytes_script, script_params = params))
  expected <- c(
    "--text", "two  words", "--line", "a\nb\r\n\tc", "--quotes", "it's \"so\" \\ `here`", "--emoji",
    "\U0001F333 \u00e9\u4e2d", "--latin", "\u00e9t\u00e9", "--tag", "!NA", "--bang", "!", "--dash=--no",
    "--star", "* ? ~ $HOME", "--hostile", hostile, "--empty", "--null", "--yes", "TRUE", "--no", "FALSE",
    "--int", "100000", "--double", "100000", "--tenth", "0.1", "--sum", "0.30000000000000004", "--small", "0.0000000001",
    "--large", "10000000000000000000000", "--minus", "-1", "--zero", "0", "--big", "9007199254740992", "--third", "0.3333333333333333",
    "--inf", " -Inf", "--nan", "NaN", "--date", "2024-02-29", "--time", "2024-02-29T12:34:56Z",
    "--zone", "2024-02-29T17:34:56.250000Z", "--factor", "b", "--vector", "1", "2.5", "100000", "--words", "a", "", "c d",
    "--flags", "TRUE", "FALSE", "-x", "1", "--long", "as is", "--name with space", "v"
  )
  got <- readLines(output_of(run, "args.txt"))
  expect_identical(got, bytes_of(expected))
  expect_identical(get_run_status(run), "Completed")
  expect_false(file.exists(trap))
  table <- list_runs(ws)
  expect_identical(table$param_int, 100000L)
  expect_identical(table$param_small, 1e-10)
  # a whole double stays one, though it is written as digits
  expect_identical(table[c("param_double", "param_minus", "param_zero", "param_big")], ignore_attr = TRUE,
                   list(param_double = 1e5, param_minus = -1, param_zero = 0, param_big = 2^53))
  vector <- get_run_details(run)$runDefinition$params$vector
  expect_identical(vapply(vector, `[[`, "", "kind"), c("double", "double", "double"))
  expect_identical(table$param_text, "two  words")
  expect_identical(table$param_null, TRUE)
})

test_that("what is no parameter is refused, naming it", {
  refused <- function(value, pattern = "script_params\\$x") {
    expect_error(estimator("p", entry_script = "t.R", script_params = list(x = value)), pattern,
                 class = "espalier_error_bad_argument")
  }
  for (value in list(NA, NA_character_, NA_real_, c(1L, NA), factor(c("a", NA)), as.Date(NA))) refused(value, "without NA")
  refused(list(1, 2))
  refused(mean)
  refused(1i)
  refused(as.raw(1))
  refused(character())
  refused(data.frame(a = 1))
  refused(structure(1, class = "difftime", units = "mins"))
  expect_error(estimator("p", entry_script = "t.R", script_params = list(1)), "not all of its elements have names",
               class = "espalier_error_bad_argument")
  expect_error(estimator("p", entry_script = "t.R", script_params = list(a = 1, a = 2)), "more than once",
               class = "espalier_error_bad_argument")
})

test_that("text that is in no known encoding is refused, and no run is made", {
  ws <- local_workspace()
  bad <- "\xff\xfe"
  Encoding(bad) <- "bytes"
  expect_error(submit_lines(ws, "1", script_params = list(x = bad)), class = "espalier_error_bad_argument")
  expect_identical(nrow(list_runs(ws)), 0L)
})

test_that("other arguments are checked at once", {
  bad <- function(...) expect_error(estimator("p", entry_script = "t.R", ...), class = "espalier_error_bad_argument")
  bad(environment_variables = c("a"))
  bad(environment_variables = list(A = NA))
  bad(environment_variables = list(A = c("x", "y")))
  bad(environment_variables = list(A = mean))
  bad(max_run_duration_seconds = "10")
  bad(seed = 1.5)
  bad(seed = NA)
  bad(seed = 2^31)
  bad(keep_workdir = NA)
  bad(inputs = list("data.csv"))
  bad(inputs = list(data = ""))
  run <- structure(list(), class = "Run")
  bad(inputs = run)
  expect_error(
    script_run_config(command = "true", inputs = list(clean = run)),
    "`inputs = list(clean = run_output(run, \"outputs/...\"))`", fixed = TRUE
  )
  bad(compute_target = 1)
  bad(display_name = c("a", "b"))
  expect_error(script_run_config(command = c("ls", NA)), class = "espalier_error_bad_argument")
  expect_error(script_run_config("p", "t.R", arguments = 1), class = "espalier_error_bad_argument")
})

test_that("arguments of the cloud are accepted, and it is said", {
  said <- said_by(est <- estimator("p", entry_script = "t.R", vm_size = "STANDARD_D2", shm_size = "2g",
                                   vm_priority = "lowpriority"))
  for (arg in c("vm_size", "shm_size", "vm_priority")) expect_match(said, arg)
  expect_match(said, "are ignored, because they matter only in a cloud", fixed = TRUE)
  expect_s3_class(est, "espalier_config")
  expect_silent(estimator("p", entry_script = "t.R", use_gpu = FALSE))
  ws <- local_workspace()
  expect_error(submit_lines(ws, "1", compute_target = "gpu-cluster"), "gpu-cluster", class = "espalier_error_not_supported")
})

test_that("a job sees its variables and not those of the session", {
  ws <- local_workspace()
  withr::local_envvar(ESPALIER_TEST_SECRET = "canary", TZ = "Asia/Kathmandu", LANGUAGE = "de")
  run <- ended(submit_lines(ws, c(
    "v <- c('A', 'B', 'N', 'T', 'TZ', 'LANGUAGE', 'HOME', 'ESPALIER_TEST_SECRET', 'ESPALIER_RUN_ID')",
    "saveRDS(Sys.getenv(v), 'outputs/vars.rds')",
    "saveRDS(list(wd = getwd(), libs = .libPaths(), r = R.version.string), 'outputs/r.rds')"
  ), environment_variables = list(A = "$HOME `x` 'q'\nline", B = "", N = 1e5, T = TRUE, API_TOKEN = "canary-2")))
  seen <- readRDS(output_of(run, "vars.rds"))
  expect_identical(unname(seen), c(
    "$HOME `x` 'q'\nline", "", "100000", "TRUE", "Asia/Kathmandu", "de", Sys.getenv("HOME"), "", run$id
  ))
  r <- readRDS(output_of(run, "r.rds"))
  expect_identical(basename(r$wd), "work")
  expect_identical(basename(dirname(r$wd)), substr(run$id, nchar(run$id) - 7L, nchar(run$id)))
  expect_identical(r$r, R.version.string)
  expect_true(all(.libPaths() %in% r$libs))
  recorded <- get_run_details(run)$runDefinition$environment
  expect_identical(recorded$variables$API_TOKEN, "<hidden>")
  gone_soon(file.path(run$run_dir, ".job"))
  everything <- unlist(lapply(list.files(run$run_dir, recursive = TRUE, full.names = TRUE, all.files = TRUE), function(file) {
    if (!grepl("rds$", file)) readLines(file, warn = FALSE)
  }))
  expect_false(any(grepl("canary", everything)))
  expect_false(any(grepl("canary-2", capture.output(print(estimator("p", entry_script = "t.R",
    environment_variables = list(API_TOKEN = "canary-2")))))))
})

test_that("inputs are given by argument and variable, and recorded", {
  ws <- local_workspace()
  data <- withr::local_tempdir()
  writeLines("a,b\n1,2", file.path(data, "x.csv"))
  withr::local_dir(data)
  run <- ended(submit_lines(ws, c(
    "args <- commandArgs(TRUE)", "cat(args, sep = '\\n')",
    "cat(nrow(read.csv(Sys.getenv('ESPALIER_INPUT_TABLE'))), length(list.files(Sys.getenv('ESPALIER_INPUT_FOLDER_1'))))"
  ), inputs = list(table = "x.csv", "folder-1" = data)))
  copy_of <- function(...) file.path(run$run_dir, ".job", "inputs", ...)
  expect_identical(log_of(run), c("--folder-1", copy_of("folder-1", basename(data)), "--table", copy_of("table", "x.csv"),
                                  "1 1"))
  expect_true(eventually(function() !dir.exists(copy_of())))
  recorded <- get_run_details(run)$inputDatasets
  expect_match(recorded[[2]]$digest, "^sha256:")
  expect_identical(recorded[[2]]$kind, "file")
  expect_identical(recorded[[2]]$path, file.path(normalizePath(data), "x.csv"))
  expect_error(submit_lines(ws, "1", inputs = list(d = "/no/such/file")), "/no/such/file", fixed = TRUE,
               class = "espalier_error_input_missing")
  expect_identical(nrow(list_runs(ws)), 1L)
})

test_that("a job that writes to its input fails, and the original stays as it was", {
  ws <- local_workspace()
  data <- local_project(table.csv = c("a", "1"), "folder/x.csv" = c("b", "2"))
  before <- list(tree_of(data), readLines(file.path(data, "table.csv")), readLines(file.path(data, "folder/x.csv")))
  # root may write whatever the modes are, so there the job gives up that right
  bound <- if (system2("id", "-u", stdout = TRUE) == "0") c("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
  skip_if(length(bound) && !nzchar(Sys.which("setpriv")), "run by root, and there is no setpriv to give up root's rights")
  try_to <- function(line, prefix = bound) {
    folder <- local_project(train.R = c(
      "table <- Sys.getenv('ESPALIER_INPUT_TABLE'); folder <- Sys.getenv('ESPALIER_INPUT_FOLDER')", line))
    ended(submit_experiment(experiment(ws, "write"), script_run_config(
      folder, command = c(prefix, file.path(R.home("bin"), "Rscript"), "train.R"),
      inputs = list(table = file.path(data, "table.csv"), folder = file.path(data, "folder")))))
  }
  for (line in c("cat('3\n', file = table, append = TRUE)", "writeLines('new', file.path(folder, 'new.txt'))")) {
    run <- try_to(line)
    expect_identical(get_run_status(run), "Failed")
    expect_match(cause_of(run)$message, "cannot open the connection")
    expect_match(paste(log_of(run), collapse = " "), "Permission denied")
  }
  # what a job can do all the same reaches its copy only, and is said
  run <- try_to("Sys.chmod(table, '0644'); writeLines('bad', table); stopifnot(identical(readLines(table), 'bad'))", NULL)
  expect_identical(get_run_status(run), "Completed")
  expect_match(unlist(get_run_details(run)$warnings), "input table .* private copy")
  expect_identical(list(tree_of(data), readLines(file.path(data, "table.csv")), readLines(file.path(data, "folder/x.csv"))),
                   before)
})

test_that("an input that changed before the job began fails the run", {
  ws <- local_workspace()
  data <- local_project(x.csv = "1")
  before <- get_host_resources()$total[[1L]]
  withr::defer(set_host_resources(cpus = before))
  set_host_resources(cpus = 1)
  blocker <- submit_command(ws, "sleep 60")
  run <- submit_command(ws, "echo ran", inputs = list(data = file.path(data, "x.csv")))
  writeLines("2", file.path(data, "x.csv"))
  cancel_run(blocker)
  expect_error(
    wait_for_run_completion(run, show_output = FALSE),
    "x\\.csv\\): it changed between submit and the start of the job", class = "espalier_error_run_failed"
  )
  expect_identical(unlist(cause_of(run)$class), "espalier_error_input_changed")
})

test_that("a seed makes random numbers equal, and is part of what decides reuse", {
  ws <- local_workspace()
  folder <- local_project(train.R = c("library(espalier)", "log_metric_to_run('u', runif(1))"))
  draw <- function(seed) {
    run <- submit_experiment(experiment(ws, "seed"), estimator(folder, entry_script = "train.R", seed = seed), reuse = TRUE)
    list(id = ended(run)$id, u = get_run_metrics(run)$u)
  }
  first <- draw(42L)
  set.seed(42)
  expect_identical(first$u, runif(1))
  expect_identical(suppressMessages(draw(42))$id, first$id)
  expect_false(draw(43)$u == first$u)
})

test_that("the working copy is removed, or kept on request", {
  ws <- local_workspace()
  gone <- ended(submit_lines(ws, "writeLines('x', 'made.txt')"))
  kept <- ended(submit_lines(ws, "writeLines('x', 'made.txt')", keep_workdir = TRUE))
  expect_true(eventually(function() !dir.exists(file.path(gone$run_dir, "work"))))
  expect_true(file.exists(file.path(kept$run_dir, "work", "made.txt")))
})

test_that("a job that takes longer than its limit is stopped", {
  ws <- local_workspace()
  run <- submit_command(ws, "echo begun; sleep 60", max_run_duration_seconds = 0.3)
  ended(run)
  expect_identical(get_run_status(run), "Canceled")
  expect_identical(cause_of(run)$code, "timed_out")
  expect_identical(log_of(run), "begun")
})

test_that("a script that mentions excluded data is told so at submit, and inputs are the remedy", {
  ws <- local_workspace()
  folder <- local_project(
    train.R = c("path <- Sys.getenv('ESPALIER_INPUT_PIMA', 'data/pima.csv')", "cat(nrow(read.csv(path)))"),
    "data/pima.csv" = c("a", "1", "2"), ".espalierignore" = c("# big", "/data/")
  )
  exp <- experiment(ws, "data")
  expect_warning(
    run <- submit_experiment(exp, estimator(folder, entry_script = "train.R")),
    "data/pima\\.csv.*/data/.*\\.espalierignore.*inputs = list", class = "espalier_warning"
  )
  expect_identical(get_run_status(ended(run)), "Failed")
  expect_match(cause_of(run)$message, "cannot open the connection")
  run <- suppressWarnings(submit_experiment(exp, estimator(folder, entry_script = "train.R",
                                                           inputs = list(pima = file.path(folder, "data/pima.csv")))))
  expect_identical(log_of(ended(run)), "2")
})

test_that("a project with renv runs on its own library, and its activate.R changes nothing", {
  ws <- local_workspace()
  folder <- local_project(
    ".Rprofile" = "source('renv/activate.R')",
    # as renv's own does: it asks this variable first
    "renv/activate.R" = "if (Sys.getenv('RENV_CONFIG_AUTOLOADER_ENABLED') != 'FALSE') { .libPaths(tempdir()); cat('activated\\n') }",
    train.R = c("library(espalier)", "log_metric_to_run('m', 0.5)", "cat(.libPaths()[1])", "library(own)")
  )
  library <- file.path(folder, "renv", "library", paste0("R-", getRversion()[, 1:2]), R.version$platform)
  dir.create(library, recursive = TRUE)
  package <- local_project("own/DESCRIPTION" = c("Package: own", "Version: 1.0", "Title: T", "Description: D.",
                                                 "License: MIT", "Author: A", "Maintainer: A <a@b.org>"),
                           "own/NAMESPACE" = "")
  install <- system2(file.path(R.home("bin"), "R"), c("CMD", "INSTALL", "--no-docs", "--no-test-load", "--no-lock",
                     paste0("--library=", shQuote(library)), shQuote(file.path(package, "own"))), stdout = FALSE, stderr = FALSE)
  expect_identical(install, 0L)
  run <- ended(submit_experiment(experiment(ws, "renv"), estimator(folder, entry_script = "train.R")))
  expect_identical(get_run_status(run), "Completed")
  expect_identical(log_of(run), library)
  expect_identical(get_run_metrics(run), list(m = 0.5))
  recorded <- get_run_details(run)$runDefinition$environment$r
  expect_identical(recorded$renv, library)
  expect_identical(unlist(recorded$library_paths), library)
})

test_that("job_params() in a job has the submitted values and records them", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c(
    "library(espalier)", "p <- job_params(trees = 500L, lr = 0.1, note = NULL, deep = FALSE)", "print(p)"
  ), script_params = list(trees = 200, deep = TRUE)))
  expect_identical(get_run_status(run), "Completed")
  row <- as.data.frame(list_runs(ws))
  expect_identical(row[c("param_trees", "param_lr", "param_deep")],
                   data.frame(param_trees = 200L, param_lr = 0.1, param_deep = TRUE))
  wrong <- ended(submit_lines(ws, c("library(espalier)", "job_params(trees = 5L)"), script_params = list(trees = "many")))
  expect_match(cause_of(wrong)$message, "`trees` must be a whole number", fixed = TRUE)
  expect_true("espalier_error_bad_argument" %in% cause_of(wrong)$class)
})

test_that("a description of a job prints what it says", {
  local_reproducible_output(width = 100)
  expect_snapshot({
    estimator("/p", entry_script = "train.R", script_params = list(trees = 200, flag = NULL, lr = c(0.1, 0.01)),
              environment_variables = c(A = "1", PASSWORD = "x"), seed = 1)
    script_run_config(command = "Rscript train.R | tee outputs/copy.txt")
  })
})

test_that("a job without a script is refused by the name of what is missing, and what was meant is proposed", {
  expect_snapshot(error = TRUE, {
    estimator(".")
    estimator(".", script = "train.R")
    estimator("models/a.R")
    estimator(entry_script = "train.R")
    script_run_config("a.R")
    script_run_config(".", script = "train.R")
    script_run_config()
  })
  call <- list(".", script = "train.R")
  expect_error(do.call(estimator, call), "Did you mean `entry_script`?", fixed = TRUE, class = "espalier_error_bad_argument")
  expect_s3_class(script_run_config(command = "true"), "espalier_config")
})

test_that("options come from their builders or by themselves, and not from both", {
  built <- estimator(
    "p", entry_script = "t.R", resources = resource_options(cpus = 2, memory = "4 GB"), source = source_options(keep_workdir = TRUE),
    limits = limit_options(run_seconds = 60, queue_seconds = Inf)
  )
  flat <- estimator(
    "p", entry_script = "t.R", cpus = 2, memory = "4 GB", keep_workdir = TRUE, max_run_duration_seconds = 60,
    queue_timeout_seconds = Inf
  )
  expect_identical(built, flat)
  expect_identical(estimator("p", entry_script = "t.R", use_gpu = TRUE)$gpus, 1)
  expect_null(estimator("p", entry_script = "t.R", limits = limit_options(run_seconds = Inf))$max_run_duration_seconds)
  refused <- function(text, ...) {
    expect_error(estimator("p", entry_script = "t.R", ...), text, fixed = TRUE, class = "espalier_error_bad_argument")
  }
  refused("Can't use both `resources` and `cpus`", resources = resource_options(gpus = 1), cpus = 2)
  refused("`limits` must be made by limit_options()", limits = 60)
  refused("estimator() has no argument `cpu`.\ni Did you mean `cpus`?", cpu = 2)
  refused("`queue_timeout_seconds` must be above 0", queue_timeout_seconds = -1)
  expect_output(print(resource_options(cpus = 2)), "<Resource options: cpus = 2>", fixed = TRUE)
  expect_output(print(limit_options()), "<Limit options: default>", fixed = TRUE)
})

test_that("options print under the names of their arguments, and a choice that isn't there is refused at once", {
  expect_output(print(limit_options(run_seconds = 600, queue_seconds = 5)), "run_seconds = 600, queue_seconds = 5", fixed = TRUE)
  expect_error(source_options(outside_links = "copyy"), "`outside_links` must be one of \"refuse\", \"keep\", \"copy\"", fixed = TRUE)
})
