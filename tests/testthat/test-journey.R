# The main journey on real data: submit, follow, get everything back. One job serves several tests here.

pima_script <- c(
  "library(espalier)",
  "p <- job_params(trees = 10L, cp = 0.01)",
  "train <- MASS::Pima.tr",
  "test <- MASS::Pima.te",
  "fit <- rpart::rpart(type ~ ., train, cp = p$cp)",
  "risk <- predict(fit, test)[, 'Yes']",
  "sick <- test$type == 'Yes'",
  "auc <- mean(outer(risk[sick], risk[!sick], '>') + 0.5 * outer(risk[sick], risk[!sick], '=='))",
  "log_metric_to_run('AUC', auc)",
  "log_metric_to_run('nan', NaN); log_metric_to_run('inf', Inf); log_metric_to_run('minus', -Inf)",
  "log_metric_to_run('na', NA_real_); log_metric_to_run('zero', -0); log_metric_to_run('leaves', 7L)",
  "log_metric_to_run('good', TRUE); log_metric_to_run('model', 'r\\u00e9part \\U0001F333')",
  "for (i in 1:3) log_metric_to_run('loss', 1 / i, step = i)",
  "log_list_to_run('folds', c(0.5, NA, NaN, -Inf))",
  "log_row_to_run('scores', model = 'a', auc = 0.5); log_row_to_run('scores', model = 'b', auc = 0.75)",
  "log_table_to_run('confusion', data.frame(truth = c('Yes', 'No'), n = c(3L, NA)))",
  "log_image_to_run('importance', plot = function() barplot(fit$variable.importance))",
  "plot(density(risk))",
  "saveRDS(fit, 'outputs/model.rds')",
  "writeLines('kept too', 'logs/note.txt')",
  "cat('AUC', format(auc, digits = 4), 'with', p$trees, 'trees\\n')"
)

pima_job <- function(folder) {
  estimator(source_directory = folder, entry_script = "train.R", script_params = list("--trees" = 200),
            compute_target = "local")
}

journey <- new.env()

# The journey of these tests, made by the first that asks for it.
pima <- function() {
  skip_if_no_core()
  skip_if_not_installed("MASS")
  skip_if_not_installed("rpart")
  if (is.null(journey$run)) {
    env <- teardown_env()
    journey$ws <- local_workspace("demo", env = env)
    journey$folder <- local_project(train.R = pima_script, env = env)
    journey$exp <- experiment(journey$ws, "pima")
    journey$run <- submit_experiment(journey$exp, pima_job(journey$folder), tags = list(purpose = "demo"))
    journey$printed <- capture.output(journey$said <- said_by(journey$waited <- wait_for_run_completion(journey$run)))
  }
  journey
}

test_that("a submitted script runs, its log is shown, and the end is told", {
  here <- pima()
  expect_identical(get_run_status(here$run), "Completed")
  expect_match(here$printed, "^AUC 0.7[0-9]* with 200 trees$", all = FALSE)
  expect_match(here$said, paste0(here$run$id, ".*: Completed\\.\n$"))
  expect_true(here$waited == here$run)
})

test_that("metrics come back with their values, types and series", {
  metrics <- get_run_metrics(pima()$run)
  expect_true(metrics$AUC > 0.7 && metrics$AUC < 0.8)
  expect_identical(metrics[c("nan", "inf", "minus", "leaves", "good")],
                   list(nan = NaN, inf = Inf, minus = -Inf, leaves = 7L, good = TRUE))
  expect_true(is.na(metrics$na) && !is.nan(metrics$na))
  expect_identical(1 / metrics$zero, -Inf)
  expect_identical(metrics$model, "r\u00e9part \U0001F333")
  expect_equal(metrics$loss, 1 / 1:3, tolerance = 0)
  expect_identical(metrics$folds, c(0.5, NA, NaN, -Inf))
  expect_identical(metrics$scores, data.frame(model = c("a", "b"), auc = c(0.5, 0.75)))
  expect_identical(metrics$confusion, data.frame(truth = c("Yes", "No"), n = c(3L, NA)))
  expect_identical(metrics$importance, "outputs/images/importance.png")
  expect_identical(get_run_metrics(pima()$run, name = "leaves"), list(leaves = 7L))
  expect_identical(unname(get_run_metrics(pima()$run, name = "no such")), list())
})

test_that("the history has every value in order, with steps and times", {
  history <- get_run_metric_history(pima()$run, "loss")
  expect_identical(names(history), c("name", "step", "value", "time", "text"))
  expect_identical(history$step, c(1, 2, 3))
  expect_equal(history$value, 1 / 1:3, tolerance = 0)
  expect_s3_class(history$time, "POSIXct")
  expect_false(is.unsorted(history$time))
  expect_true("AUC" %in% get_run_metric_history(pima()$run)$name)
})

test_that("files are listed and downloaded, plots without a device are kept", {
  run <- pima()$run
  expect_identical(files_of(run), c(
    "logs/note.txt", "outputs/images/importance.png", "outputs/model.rds", "outputs/plots/plot-001.png",
    "user_logs/std_log.txt"
  ))
  target <- withr::local_tempfile(fileext = ".rds")
  expect_identical(download_file_from_run(run, "outputs/model.rds", target), target)
  expect_s3_class(readRDS(target), "rpart")
  withr::local_dir(withr::local_tempdir())
  download_file_from_run(run, "logs/note.txt")
  expect_identical(readLines("note.txt"), "kept too")
  expect_error(download_file_from_run(run, "outputs/none"), "outputs/none", class = "espalier_error_artifact_missing")
  expect_error(download_file_from_run(run, "../../workspace.json"), class = "espalier_error_bad_name")
})

test_that("runs are a tidy table with types", {
  here <- pima()
  table <- list_runs(here$exp)
  expect_s3_class(table, "data.frame")
  row <- table[table$run_id == here$run$id, ]
  types <- vapply(table, function(column) class(column)[1L], "")
  expect_identical(types[c(
    "run_id", "experiment", "display_name", "status", "type", "target", "created_at", "started_at", "ended_at",
    "duration_seconds", "exit_code", "error", "tag_purpose", "param_trees", "param_cp", "metric_AUC", "metric_leaves",
    "metric_good", "metric_model", "metric_loss"
  )], c(
    run_id = "character", experiment = "character", display_name = "character", status = "character",
    type = "character", target = "character", created_at = "POSIXct", started_at = "POSIXct", ended_at = "POSIXct",
    duration_seconds = "numeric", exit_code = "integer", error = "character", tag_purpose = "character",
    param_trees = "integer", param_cp = "numeric", metric_AUC = "numeric", metric_leaves = "integer",
    metric_good = "logical", metric_model = "character", metric_loss = "numeric"
  ))
  expect_identical(row$param_trees, 200L)
  expect_identical(row$tag_purpose, "demo")
  expect_identical(row$exit_code, 0L)
  expect_equal(row$metric_loss, 1 / 3, tolerance = 0)
  expect_true(row$created_at <= row$started_at && row$started_at < row$ended_at)
  expect_true(abs(difftime(Sys.time(), row$created_at, units = "mins")) < 10)
  expect_true(row$duration_seconds > 0 && row$duration_seconds < 60)
})

test_that("details have azuremlsdk's names and what was run", {
  details <- get_run_details(pima()$run)
  expect_true(all(c("runId", "target", "status", "startTimeUtc", "endTimeUtc", "error", "warnings", "tags", "properties",
                    "inputDatasets", "outputDatasets", "runDefinition", "logFiles", "submittedBy") %in% names(details)))
  expect_identical(details$runDefinition$entry_script, "train.R")
  expect_identical(unlist(details$runDefinition$command)[-(1:2)], c("--trees", "200"))
  expect_match(details$runDefinition$snapshot$id, "^sha256:[0-9a-f]{64}$")
  expect_identical(details$runDefinition$client, paste("R", getRversion()))
  with_logs <- get_run_details_with_logs(pima()$run)
  expect_match(with_logs$logFiles[["user_logs/std_log.txt"]], "AUC 0.7")
  expect_identical(with_logs$logFiles[["logs/note.txt"]], "kept too\n")
})

test_that("objects print what a person looks for", {
  here <- pima()
  local_reproducible_output(width = 100)
  withr::local_timezone("UTC")
  table <- list_runs(here$exp)[c("run_id", "status", "created_at", "tag_purpose", "param_trees")]
  expect_snapshot({
    pima_job(here$folder)
    here$run
    here$exp
    here$ws
    get_run_details(here$run)
    table[table$run_id == here$run$id, ]
  }, transform = steady)
})

test_that("an unchanged job is not run again with reuse = TRUE, a changed one is", {
  here <- pima()
  before <- nrow(list_runs(here$exp))
  said <- said_by(again <- submit_experiment(here$exp, pima_job(here$folder), reuse = TRUE))
  expect_true(again == here$run)
  expect_match(said, here$run$id, fixed = TRUE)
  expect_identical(nrow(list_runs(here$exp)), before)
  other <- pima_job(here$folder)
  other$script_params <- list("--trees" = 201)
  new <- submit_experiment(here$exp, other, reuse = TRUE)
  expect_false(new == here$run)
  expect_identical(get_run_status(ended(new)), "Completed")
  expect_false(submit_experiment(experiment(here$ws, "another"), pima_job(here$folder), reuse = TRUE) == here$run)
})

test_that("tags are set, changed and found again", {
  ws <- local_workspace()
  exp <- experiment(ws, "tagged")
  run <- ended(submit_command(ws, "true", experiment = "tagged"))
  other <- ended(submit_experiment(exp, script_run_config(command = "true"), tags = c(stage = "b", "with space" = "x=1")))
  expect_length(get_run_tags(run), 0L)
  expect_true(set_run_tags(run, list(stage = "a", n = 3)) == run)
  expect_identical(get_run_tags(run)[c("n", "stage")], list(n = "3", stage = "a"))
  set_run_tags(run, c(stage = "c"))
  set_run_tags(run, list())
  expect_identical(get_run_tags(run)$stage, "c")
  expect_identical(get_run_tags(other), list(stage = "b", "with space" = "x=1"))
  expect_error(set_run_tags(run, list("a")), class = "espalier_error_bad_argument")
  expect_error(set_run_tags(run, list(a = NA)), class = "espalier_error_bad_argument")
  expect_error(set_run_tags(run, list("a\nb" = "some text")), class = "espalier_error_bad_name")
  expect_length(get_runs_in_experiment(exp, tags = list(stage = "c")), 1L)
  expect_true(get_runs_in_experiment(exp, tags = list(stage = "b"))[[1]] == other)
  expect_length(get_runs_in_experiment(exp, tags = list(stage = "b", n = "3")), 0L)
})

test_that("a Python script is a job like any other", {
  ws <- local_workspace()
  skip_if(!nzchar(Sys.which("python3")), "no python3 on the PATH")
  folder <- local_project("train.py" = c(
    "import os, sys", "from espalier import Run", "run = Run.get_context()", "run.log('auc', 0.9)",
    "for i in range(3): run.log('loss', 1 / (i + 1))",
    "open('outputs/args.txt', 'w').write('|'.join(sys.argv[1:]))", "print('working in', os.getcwd())"
  ))
  run <- ended(submit_experiment(experiment(ws, "py"), estimator(folder, entry_script = "train.py",
                                                                 script_params = list(trees = 100000, flag = TRUE))))
  expect_identical(get_run_status(run), "Completed")
  expect_identical(get_run_metrics(run), list(auc = 0.9, loss = c(1, 1 / 2, 1 / 3)))
  expect_identical(readLines(output_of(run, "args.txt"), warn = FALSE), "--trees|100000|--flag|True")
  failed <- submit_experiment(experiment(ws, "py"), estimator(
    local_project("bad.py" = "raise ValueError('no such column')"), entry_script = "bad.py"
  ))
  expect_error(wait_for_run_completion(failed, show_output = FALSE), "ValueError: no such column",
               class = "espalier_error_run_failed")
})

test_that("any command is a job: a vector as it is, a string by the shell", {
  ws <- local_workspace()
  vector <- ended(submit_command(ws, c("echo", "$HOME; two  spaces", "it's")))
  expect_identical(log_of(vector), "$HOME; two  spaces it's")
  string <- ended(submit_command(ws, "printf '%s\\n' one two | wc -l > outputs/n.txt && echo $((40 + 2))"))
  expect_identical(log_of(string), "42")
  expect_identical(trimws(readLines(output_of(string, "n.txt"))), "2")
  expect_identical(log_of(ended(submit_command(ws, "echo;echo"))), c("", ""))
  folder <- local_project("run.sh" = "echo here: $(cat data.txt) $1", "data.txt" = "kept")
  script <- submit_experiment(experiment(ws, "sh"), script_run_config(folder, "run.sh", arguments = "arg one"))
  expect_identical(log_of(ended(script)), "here: kept arg one")
  expect_identical(list_runs(ws)$type, c("script", "command", "command", "command"))
})

test_that("an edit after submit does not reach the job", {
  ws <- local_workspace()
  withr::defer(set_host_resources(cpus = before))
  before <- get_host_resources()$total[[1L]]
  set_host_resources(cpus = 1)
  holder <- submit_command(ws, "sleep 0.3")
  folder <- local_project(train.R = "cat(readLines('data.txt'))", "data.txt" = "as submitted")
  run <- submit_experiment(experiment(ws, "edit"), estimator(folder, entry_script = "train.R"))
  expect_identical(get_run_status(run), "Queued")
  writeLines("edited", file.path(folder, "data.txt"))
  expect_identical(log_of(ended(run)), "as submitted")
  ended(holder)
})

test_that("a session records a run by hand", {
  ws <- local_workspace()
  exp <- experiment(ws, "by-hand")
  kept <- withr::local_tempdir()
  writeLines("x", file.path(kept, "made.txt"))
  run <- start_logging_run(exp, outputs = kept)
  expect_identical(get_run_status(run), "Running")
  expect_true(get_current_run() == run)
  log_metric_to_run("loss", 0.5)
  log_metric_to_run("loss", 0.25)
  expect_identical(get_run_metrics(run), list(loss = c(0.5, 0.25)))
  expect_true(complete_run(run) == run)
  expect_identical(get_run_status(run), "Completed")
  expect_true("outputs/made.txt" %in% get_run_file_names(run))
  expect_message(expect_null(get_current_run()), "belongs to no run")
  expect_error(get_current_run(allow_offline = FALSE), class = "espalier_error_run_not_active")
  expect_message(log_metric_to_run("loss", 0), "recorded nowhere", class = "espalier_message_not_recorded")
  expect_error(complete_run(run), class = "espalier_error_run_not_active")
  failed <- start_logging_run(exp)
  fail_run(failed, "the data were not there")
  expect_identical(cause_of(failed)$message, "the data were not there")
  expect_identical(list_runs(exp)$status, c("Failed", "Completed"))
  expect_length(get_runs_in_experiment(exp, type = "interactive"), 2L)
  expect_length(get_runs_in_experiment(exp, type = "script"), 0L)
})

test_that("an interactive run that its session leaves behind is Failed", {
  ws <- local_workspace()
  id <- in_other_r(function(ws) espalier::start_logging_run(espalier::experiment(ws, "left"))$id, list(ws))
  expect_identical(list_runs(ws)$status, "Failed")
  expect_identical(cause_of(get_run(ws, id))$code, "runner_lost")
})

test_that("objects survive saveRDS(), other processes and fresh sessions", {
  here <- pima()
  file <- withr::local_tempfile(fileext = ".rds")
  saveRDS(list(ws = here$ws, exp = here$exp, run = here$run, runs = get_runs_in_experiment(here$exp)), file)
  back <- readRDS(file)
  expect_true(back$run == here$run && back$exp == here$exp && back$ws == here$ws)
  expect_identical(get_run_metrics(back$run), get_run_metrics(here$run))
  seen <- in_other_r(function(run) list(class(run), espalier::get_run_status(run)), list(here$run))
  expect_identical(seen, list(class(here$run), "Completed"))
  fresh <- rscript_process(c(
    "library(espalier)", "x <- readRDS(commandArgs(TRUE))", "cat(get_run_status(x$run), nrow(as.data.frame(x$runs)) > 0)",
    "cat('', get_run(x$exp, 'latest') == x$runs[[1]])"
  ), file)
  fresh$wait(20000)
  expect_identical(fresh$read_all_output(), "Completed TRUE TRUE")
})

test_that("without a locale (cron, a bare container) file names beyond ASCII are kept", {
  skip_if_no_core()
  local_utf8()
  folder <- local_project(train.R = "invisible(file.copy(list.files(pattern = '^caf'), 'outputs/copy'))")
  writeLines("x", file.path(folder, "caf\u00e9.txt"))
  home <- file.path(normalizePath(withr::local_tempdir()), "caf\u00e9")
  dir.create(home)
  withr::local_envvar(LC_ALL = "C")
  session <- rscript_process(c(
    "library(espalier)", "given <- commandArgs(TRUE)", "setwd(given[2])", "ws <- workspace('bare', path = '.')",
    "run <- submit_experiment(experiment(ws, 'exp'), estimator(given[1], entry_script = 'train.R'))",
    "wait_for_run_completion(run, show_output = FALSE)",
    "cat(list.files(), Sys.getlocale('LC_CTYPE'), Sys.getenv('LC_ALL'))"
  ), folder, home)
  session$wait(20000)
  expect_match(session$read_all_output(), "Completed.*bare C C$")
  expect_length(Sys.glob(file.path(home, "bare", "runs", "*", "*", "outputs", "copy")), 1L)
})
