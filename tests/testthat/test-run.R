# A run: found, asked, cancelled; and what a job may do with its own.

test_that("runs are found by id and as the latest, in their experiment only", {
  ws <- local_workspace()
  exp <- experiment(ws, "e")
  expect_error(get_run(exp, "latest"), "has none yet", class = "espalier_error_run_missing")
  expect_error(get_run(ws, "latest"), class = "espalier_error_run_missing")
  first <- ended(submit_command(ws, "true", experiment = "e"))
  second <- ended(submit_command(ws, "true", experiment = "e"))
  other <- ended(submit_command(ws, "true", experiment = "other"))
  expect_true(get_run(exp, "latest") == second)
  expect_true(get_run(ws, "latest") == other)
  expect_true(get_run(exp, first$id) == first)
  expect_true(get_run(ws, other$id) == other)
  expect_false(first == second)
  expect_true(first != second)
  expect_error(get_run(exp, other$id), "in the experiment \"e\"", class = "espalier_error_run_missing")
  for (id in c("e_1_00000000", "../../x", "x", "e_1_0000000g", strrep("a", 1000))) {
    expect_error(get_run(ws, id), class = "espalier_error_run_missing")
    expect_error(get_run(exp, id), class = "espalier_error_run_missing")
  }
  expect_error(get_run(ws, ""), class = "espalier_error_bad_argument")
  expect_identical(first$experiment_name, "e")
})

test_that("a run of a long-named experiment is found again", {
  ws <- local_workspace()
  exp <- experiment(ws, strrep("long-", 25))
  run <- ended(submit_experiment(exp, script_run_config(command = "true")))
  expect_true(get_run(exp, run$id) == run)
})

test_that("logging in a job loads no other package and starts no Python, nor does asking for its own run", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c(
    "base <- loadedNamespaces()", "library(espalier)", "p <- job_params(a = 1L)", "log_metric_to_run('x', 0.5)",
    "log_list_to_run('l', 1:3)", "log_row_to_run('r', a = 1)", "log_table_to_run('t', data.frame(a = 1))",
    "log_image_to_run('i', plot = function() plot(1))", "extra <- setdiff(loadedNamespaces(), base)",
    "run <- get_current_run()", "log_metric_to_run('y', 1.5, run = run)",
    "saveRDS(list(extra = extra, class = class(run), python = isNamespaceLoaded('reticulate'),",
    "             maps = readLines('/proc/self/maps')), 'outputs/seen.rds')"
  )))
  seen <- readRDS(output_of(run, "seen.rds"))
  expect_identical(seen$extra, "espalier")
  expect_identical(seen$class, class(run))
  expect_false(seen$python)
  expect_true(any(grepl("libR", seen$maps)))
  expect_false(any(grepl("libpython", seen$maps)))
  expect_identical(get_run_metrics(run)[c("x", "y")], list(x = 0.5, y = 1.5))
})

test_that("forked workers of a job log too", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c(
    "library(espalier)", "log_metric_to_run('before', 0.5)",
    "x <- parallel::mclapply(1:4, function(i) for (k in 1:50) log_metric_to_run('loss', i + k / 100, step = k), mc.cores = 2)",
    "log_metric_to_run('after', 0.5)"
  )))
  expect_identical(get_run_status(run), "Completed")
  expect_identical(sort(get_run_metrics(run)$loss), sort(as.vector(outer(1:50 / 100, 1:4, "+"))))
  expect_identical(get_run_metrics(run)[c("before", "after")], list(before = 0.5, after = 0.5))
  expect_true(length(list.files(file.path(run$run_dir, "events"), "^r-")) >= 3L)
})

test_that("what was logged comes back with the type it had, NA too, however long it is", {
  ws <- local_workspace()
  run <- start_logging_run(experiment(ws, "e"))
  alone <- list(dbl = NA_real_, int = NA_integer_, chr = NA_character_, lgl = NA, nan = NaN, two = 2, text = strrep("a", 16000))
  for (name in names(alone)) log_metric_to_run(name, alone[[name]])
  for (value in list(NA_real_, NA_real_)) log_metric_to_run("series", value)
  for (value in list(NA, 1L, NA)) log_metric_to_run("mixed", value)
  log_list_to_run("list", c(NA_character_, NA))
  log_list_to_run("one", NA_real_)
  log_list_to_run("none", character())
  table <- data.frame(x = NA_real_, n = NA_integer_, s = c(NA_character_, NA), l = NA, y = c(1, NaN))
  log_table_to_run("table", table)
  log_table_to_run("empty", table[0, ])
  log_row_to_run("rows", a = NA_real_, b = NA)
  log_row_to_run("rows", a = 3, c = NA_character_)
  complete_run(run)
  metrics <- get_run_metrics(run)
  expect_identical(metrics[names(alone)], alone)
  expect_identical(metrics[c("series", "mixed", "list", "one", "none")], list(
    series = c(NA_real_, NA), mixed = c(NA, 1L, NA), list = c(NA_character_, NA), one = NA_real_, none = character()
  ))
  expect_identical(metrics$table, table)
  expect_identical(metrics$empty, table[0, ])
  expect_identical(metrics$rows, data.frame(a = c(NA, 3), b = NA, c = NA_character_))
  expect_identical(list_runs(ws)[c("metric_dbl", "metric_chr", "metric_text")], ignore_attr = TRUE,
                   list(metric_dbl = NA_real_, metric_chr = NA_character_, metric_text = strrep("a", 16000)))
  expect_identical(get_run_metric_history(run, "text")$text, strrep("a", 16000))
})

test_that("text, dates and logical values leave the numbers of a history numbers", {
  ws <- local_workspace()
  run <- start_logging_run(experiment(ws, "e"))
  values <- list(a = 1L, b = "text", c = TRUE, d = 2.5, e = as.Date("2024-01-02"))
  for (name in names(values)) log_metric_to_run(name, values[[name]])
  complete_run(run)
  history <- get_run_metric_history(run)
  expect_identical(names(history), c("name", "step", "value", "time", "text"))
  expect_identical(history$value, c(1, NA, 1, 2.5, NA))
  expect_identical(history$text, c(NA, "text", NA, NA, "2024-01-02"))
  expect_identical(get_run_metric_history(run, "c")$value, TRUE)
  expect_identical(get_run_metric_history(run, "b")$value, NA_real_)
})

test_that("a job without metrics, output or plots has none", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, "invisible(1)"))
  expect_identical(get_run_status(run), "Completed")
  expect_length(get_run_metrics(run), 0L)
  expect_identical(nrow(get_run_metric_history(run)), 0L)
  expect_identical(log_of(run), character())
  expect_identical(files_of(run), "user_logs/std_log.txt")
})

test_that("warnings of a job are kept in order and printed with the details", {
  local_utf8()
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c("warning('first \\u00e9')", "as.integer('x')", "invisible(suppressWarnings(as.integer('y')))")))
  details <- get_run_details(run)
  expect_identical(get_run_status(run), "Completed")
  expect_match(unlist(details$warnings)[1], "first \u00e9")
  expect_match(unlist(details$warnings)[2], "NAs introduced by coercion")
  expect_length(unlist(details$warnings), 2L)
  expect_output(print(details), "NAs introduced")
  expect_output(print(run), "warnings: +.*first \u00e9.*, and 1 more in get_run_details\\(run\\)\\$warnings")
})

test_that("a failed run shows the place of its error and where to look, and refuses to be plotted or read", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c("f <- function() stop('no luck')", "f()")))
  expect_output(print(run), "error: +no luck .*\\[in f\\(\\), at train.R:1\\]")
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  refused <- tryCatch(plot(run), error = identity)
  expect_match(conditionMessage(refused), "it failed before it logged a metric.*get_run_log\\(run\\)")
  expect_identical(conditionCall(refused), quote(plot()))
  expect_error(plot(get_runs_in_experiment(experiment(ws, run$experiment_name))), "1 of 1 failed|it failed before")
  expect_error(read_run_output(run, "model.rds"), "The run failed. print\\(run\\)", class = "espalier_error_artifact_missing")
  broken <- ended(submit_lines(ws, "x <- (1"))
  expect_output(print(get_run_traceback(broken)), "No traceback: the calls of the error are unknown")
  good <- ended(submit_command(ws, "true"))
  expect_output(print(get_run_traceback(good)), "No traceback: the run didn't fail. Its status is Completed.", fixed = TRUE)
})

test_that("cancelling ends a run and its process group, once", {
  ws <- local_workspace()
  run <- submit_command(ws, "echo begun; sleep 300 & sleep 300; echo never")
  expect_true(eventually(function() identical(tryCatch(log_of(run), error = identity, warning = identity), "begun")))
  # (the job's processes have the run's id among their variables, its runner among its arguments)
  expect_gt(length(processes_with(run$id)), 2L)
  expect_true(cancel_run(run))
  expect_match(said_by(wait_for_run_completion(run, show_output = FALSE)), "Canceled")
  expect_identical(get_run_status(run), "Canceled")
  expect_false(cancel_run(run))
  expect_identical(get_run_details(run)$error$code, "canceled")
  expect_identical(log_of(run), "begun")
  expect_true(eventually(function() !length(processes_with(run$id))))
})

test_that("a queued run is cancelled without ever being started", {
  ws <- local_workspace()
  before <- get_host_resources()$total[[1L]]
  withr::defer(set_host_resources(cpus = before))
  set_host_resources(cpus = 1)
  holder <- submit_command(ws, c("sleep", "30"))
  queued <- submit_command(ws, "echo started")
  expect_true(cancel_run(queued))
  expect_identical(get_run_status(queued), "Canceled")
  expect_true(is.na(list_runs(ws)$started_at[1]))
  cancel_run(holder)
  ended(holder)
})

test_that("links out of a run are never followed", {
  ws <- local_workspace()
  run <- ended(submit_command(ws, "ln -s /etc/passwd outputs/link; mkfifo outputs/pipe; echo x > outputs/file"))
  expect_true(all(c("outputs/link", "outputs/file") %in% get_run_file_names(run)))
  target <- withr::local_tempfile()
  expect_error(download_file_from_run(run, "outputs/link", target), class = "espalier_error_artifact_unsafe")
  expect_error(download_file_from_run(run, "outputs/pipe", target), class = "espalier_error_artifact_unsafe")
  for (name in c("/etc/passwd", "outputs/../spec.json", "outputs//file", "outputs\\file")) {
    expect_error(download_file_from_run(run, name, target), class = "espalier_error_bad_name")
  }
  expect_error(download_file_from_run(run, "spec.json", target), class = "espalier_error_artifact_missing")
  expect_false(file.exists(target))
  expect_error(get_run_details_with_logs(run), NA)
})

test_that("what others wrote is printed without control sequences", {
  ws <- local_workspace()
  run <- submit_experiment(experiment(ws, "e"), script_run_config(command = "true"),
                           tags = list(evil = "\u001b]0;title\u0007\u001b[31mred\u009b5m"))
  ended(run)
  out <- capture.output(print(run), print(get_run_details(run)), print(list_runs(ws)))
  expect_true(any(grepl("red", out)))
  expect_false(any(grepl("\u001b|\u0007|\u009b", out)))
})
