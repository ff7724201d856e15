# Submitting: what is refused, and lists of runs, damaged ones too.

# What a refusal must leave as it was: everything.
created_in <- function(ws) tree_of(ws$path)$name

refused_unchanged <- function(ws, code, class, pattern = NULL) {
  before <- created_in(ws)
  expect_error(code, pattern, class = paste0("espalier_error_", class))
  expect_identical(created_in(ws), before)
}

test_that("what cannot run is refused before anything is created", {
  ws <- local_workspace()
  folder <- local_project(train.R = "1", "sub/x.R" = "1", secret.R = "1", .espalierignore = "secret.R")
  exp <- experiment(ws, "e")
  submit <- function(...) submit_experiment(exp, estimator(...))
  refused_unchanged(ws, submit("/no/such/folder", entry_script = "train.R"), "source_missing", "/no/such/folder")
  refused_unchanged(ws, submit(file.path(folder, "train.R"), entry_script = "train.R"), "source_missing", "is a file")
  refused_unchanged(ws, submit(folder, entry_script = "none.R"), "script_missing", "none\\.R.*train\\.R")
  refused_unchanged(ws, submit(folder, entry_script = "sub"), "script_missing", "directory")
  refused_unchanged(ws, submit(folder, entry_script = "../train.R"), "script_missing", "not inside")
  refused_unchanged(ws, submit(folder, entry_script = "secret.R"), "script_missing", "secret\\.R.*espalierignore")
  refused_unchanged(ws, submit_experiment(exp, script_run_config(command = c("no-such-program", "x"))),
                    "interpreter_missing", "no-such-program")
  refused_unchanged(ws, submit_experiment(exp, script_run_config(local_project("t.py" = "1"), "t.py", python = "/no/python")),
                    "interpreter_missing", "/no/python")
  refused_unchanged(ws, submit(folder, entry_script = "train.R", inputs = list(x = "/no/such/file")), "input_missing")
  refused_unchanged(ws, submit(folder, entry_script = "train.R", inputs = list("a/b" = folder)), "bad_name")
  expect_identical(nrow(list_runs(ws)), 0L)
})

test_that("a missing Rscript is told", {
  ws <- local_workspace()
  folder <- local_project(train.R = "1")
  session <- session_context()
  session$rscript <- "/no/such/Rscript"
  before <- created_in(ws)
  expect_error(
    experiment(ws, "e")$submit_values(list(source_directory = folder, entry_script = "train.R", session = session),
                                      empty_object(), FALSE),
    "/no/such/Rscript", class = "espalier_error_interpreter_missing"
  )
  expect_identical(created_in(ws), before)
})

test_that("an unreadable file of the folder is named", {
  ws <- local_workspace()
  folder <- local_project(train.R = "1")
  skip_if(!nzchar(Sys.which("mkfifo")), "no mkfifo here")
  system2("mkfifo", shQuote(file.path(folder, "pipe")))
  refused_unchanged(ws, submit_experiment(experiment(ws, "e"), estimator(folder, entry_script = "train.R")),
                    "source_unreadable", "pipe")
})

test_that("runs are filtered by type, tags and properties, newest first, and stay a list", {
  ws <- local_workspace()
  exp <- experiment(ws, "e")
  a <- ended(submit_experiment(exp, script_run_config(command = "true"), tags = list(k = "a", n = 1)))
  b <- ended(submit_lines(ws, "1", experiment = "e", tags = list(k = "b", n = 1)))
  ended(submit_command(ws, "true", experiment = "other"))
  runs <- get_runs_in_experiment(exp)
  expect_type(runs, "list")
  expect_s3_class(runs, "espalier_runs")
  expect_length(runs, 2L)
  expect_true(all(vapply(runs, inherits, NA, "Run")))
  expect_true(runs[[1]] == b && runs[[2]] == a)
  expect_true(get_runs_in_experiment(exp, type = "command")[[1]] == a)
  expect_true(get_runs_in_experiment(exp, tags = list(k = "a"))[[1]] == a)
  expect_length(get_runs_in_experiment(exp, tags = list(n = 1)), 2L)
  expect_length(get_runs_in_experiment(exp, type = "script", tags = list(k = "a")), 0L)
  expect_length(get_runs_in_experiment(exp, properties = list(p = "x")), 0L)
  frame <- as.data.frame(runs)
  expect_identical(frame$run_id, c(b$id, a$id))
  expect_s3_class(head(runs, 1L), "espalier_runs")
  expect_identical(as.data.frame(runs[2])$run_id, a$id)
  expect_output(print(runs), a$id)
  expect_output(print(runs[0]), "^No runs\\.$")
  expect_identical(class(as.data.frame(list_runs(exp))), "data.frame")
  expect_identical(sort(list_runs(ws)$experiment), c("e", "e", "other"))
})

test_that("the printed table hides no column behind another of the same name", {
  ws <- local_workspace()
  run <- start_logging_run(experiment(ws, "e"))
  log_metric_to_run("status", 0.5)
  log_metric_to_run("lr", 0.25)
  log_metric_to_run("text", paste0(strrep("x", 100), "END"))
  set_run_tags(run, list(lr = "high", esc = "\033[31mred"))
  complete_run(run)
  local_reproducible_output(width = 300)
  out <- capture.output(print(list_runs(ws)))
  expect_match(out[1], "run_id +status +created_at +duration_seconds +tag_esc +tag_lr +metric_lr +metric_status +metric_text")
  expect_match(out[2], "Completed.*high +0\\.25 +0\\.5 +x+\\.\\.\\.")
  expect_false(any(grepl("\033|END", out)))
})

test_that("a long table prints its beginning and says how much there is", {
  table <- structure(data.frame(run_id = sprintf("r%02d", 1:30), status = "Completed"),
                     class = c("espalier_run_table", "data.frame"))
  expect_output(print(table), "r20.*and 10 more")
  expect_output(print(table, n = 3), "r03.*and 27 more")
  expect_output(print(table["run_id"]), "r01")
})

test_that("an experiment without runs names one of a near name", {
  ws <- local_workspace()
  expect_output(print(list_runs(suppressMessages(experiment(ws, "stpes")))), "^No runs yet\\.$")
  complete_run(start_logging_run(experiment(ws, "steps")))
  expect_output(print(list_runs(suppressMessages(experiment(ws, "stpes")))), "^No runs yet\\. Did you mean \"steps\"\\?$")
  expect_output(print(list_runs(experiment(ws, "other"))), "^No runs yet\\.$")
})

test_that("a part of the table is printed as it is, under its real names", {
  ws <- local_workspace()
  expect_output(print(list_runs(ws)), "^No runs yet\\.$")
  for (i in 1:2) ended(submit_command(ws, if (i == 1) "true" else "exit 3", script_params = list(k = i)))
  table <- list_runs(ws)
  expect_s3_class(table, c("espalier_run_table", "data.frame"))
  local_reproducible_output(width = 300)
  shown <- function(x) capture.output(print(x))
  expect_match(shown(table)[1], "run_id +status +created_at +duration_seconds +error +param_k")
  expect_match(utils::tail(shown(table), 1L), "and [0-9]+ more columns: .*exit_code.*commit")
  table$mine <- c("x", "y")
  expect_match(shown(table)[1], "param_k mine")
  expect_match(shown(table[order(table$param_k), ])[2:3], "x|y")
  expect_identical(trimws(shown(table[c("status", "mine")])), c("status    mine", "Failed    x", "Completed y"))
  none <- shown(table[table$status == "Nothing", ])
  expect_false(any(grepl("No runs", none)))
  expect_match(none, "^No rows\\. 20 columns: run_id.*mine$", all = FALSE)
  expect_identical(shown(table[0, c("status", "mine")]), "No rows. 2 columns: status, mine")
  expect_match(shown(table[0]), "0 columns and 2 rows")
  expect_identical(trimws(shown(table[1, c("mine", "mine")])), c("mine mine.1", "x    x"))
  expect_match(shown(transform(table["mine"], more = 1)), "mine more|[xy]")
  names(table)[1] <- "id"
  expect_match(shown(table)[1], "^ *id +experiment")
})

test_that("the list shows script, commit and the error", {
  ws <- local_workspace()
  folder <- local_project(fail.R = "stop('no such level, and a text that is long enough to be cut in print')")
  ended(submit_experiment(experiment(ws, "e"), estimator(folder, entry_script = "fail.R")))
  ended(submit_command(ws, "true"))
  table <- list_runs(ws)
  expect_identical(table$entry_script, c(NA, "fail.R"))
  expect_identical(table$commit, rep(NA_character_, 2))
  expect_match(table$error[2], "to be cut in print (exit status 1)", fixed = TRUE)
  table$commit[2] <- strrep("0123456789", 4)
  local_reproducible_output(width = 300)
  expect_match(capture.output(print(table)), "fail.R +01234567 .* no such level, and a text that is lon\\.\\.\\.", all = FALSE)
})

test_that("a run with damaged records is listed as Damaged, the others as they are", {
  ws <- local_workspace()
  runs <- lapply(1:4, function(i) ended(submit_command(ws, "true")))
  writeLines("{ no json", file.path(runs[[1]]$run_dir, "status.json"))
  file.remove(file.path(runs[[2]]$run_dir, "spec.json"))
  record <- file.path(runs[[3]]$run_dir, "status.json")
  writeLines(sub("\"format\": ?1", "\"format\": 99", readLines(record)), record)
  table <- list_runs(ws)
  status <- table$status[match(vapply(runs, function(run) run$id, ""), table$run_id)]
  expect_identical(status, c("Damaged", "Damaged", "Unreadable", "Completed"))
  expect_match(table$error[table$run_id == runs[[1]]$id], "status.json")
  expect_error(get_run_status(runs[[1]]), "status.json", class = "espalier_error_damaged")
  expect_error(get_run_status(runs[[3]]), class = "espalier_error_newer_format")
  expect_error(wait_for_run_completion(runs[[1]]), class = "espalier_error_damaged")
  expect_output(print(runs[[1]]), "not readable")
  out <- capture.output(print(table))
  expect_match(out, paste0("^", runs[[1]]$id, " is damaged: .*status.json"), all = FALSE)
  expect_match(out, paste0("^", runs[[2]]$id, " is damaged: .*spec.json is missing"), all = FALSE)
  expect_match(out, paste0("^", runs[[3]]$id, " is unreadable: .*format 99"), all = FALSE)
  expect_length(grep("^exp_[^ ]* is ", out), 3L)
  expect_true(get_run(ws, runs[[1]]$id) == runs[[1]])
})

test_that("an event log damaged after its run was listed: Damaged with file and line, the others as they are", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c("library(espalier)", "for (i in 1:5) log_metric_to_run('x', i)")))
  other <- ended(submit_command(ws, "true"))
  log <- list.files(file.path(run$run_dir, "events"), "^r-", full.names = TRUE)
  status <- function() {
    table <- list_runs(ws)
    table$status[match(c(run$id, other$id), table$run_id)]
  }
  expect_identical(status(), c("Completed", "Completed"))
  lines <- readLines(log)
  lines[4] <- "{\"type\":\"metric\",\"se"
  writeLines(lines, log)
  expect_warning(metrics <- get_run_metrics(run), paste0(basename(log), " is damaged at line 4, which"), class = "espalier_warning_damaged")
  expect_identical(metrics$x, c(1L, 2L, 4L, 5L))
  expect_warning(history <- get_run_metric_history(run), class = "espalier_warning_damaged")
  expect_identical(history$value, c(1L, 2L, 4L, 5L))
  expect_identical(status(), c("Damaged", "Completed"))
  table <- list_runs(ws)
  expect_match(table$error[table$run_id == run$id], paste0(basename(log), " is damaged at line 4.*Completed"))
  expect_identical(table$metric_x[table$run_id == run$id], 5L)
  expect_output(print(table), paste0(run$id, " is damaged: .*", basename(log), " is damaged at line 4"))
  expect_output(print(get_runs_in_experiment(experiment(ws, "exp"))), "damaged at line 4")
  expect_output(print(get_run_details(run)), "warning .*damaged at line 4")
  expect_identical(get_run_status(run), "Completed")
  lines[4] <- "{\"type\":\"of a later version\",\"seq\":2,\"time\":1}"
  writeLines(lines, log)
  cat("{\"type\":\"metric\",\"seq\":6,\"ti", file = log, append = TRUE)
  expect_equal(get_run_metrics(run)$x, c(1, 2, 4, 5))
  expect_identical(status(), c("Completed", "Completed"))
})

test_that("the index is rebuilt when it is deleted or garbage, and nothing is lost", {
  ws <- local_workspace()
  run <- ended(submit_command(ws, "true"))
  before <- list_runs(ws)
  index <- function() list.files(file.path(Sys.getenv("ESPALIER_CACHE_DIR"), "index"), full.names = TRUE)
  expect_true(length(index()) > 0L)
  unlink(index())
  expect_identical(list_runs(ws), before)
  for (file in index()) writeLines(strrep("garbage", 1000), file)
  expect_identical(list_runs(ws), before)
  expect_identical(list_runs(ws), before)
})

test_that("the limit of concurrent runs is kept", {
  ws <- local_workspace()
  before <- get_host_resources()$total[[1L]]
  withr::defer(set_host_resources(cpus = before))
  expect_error(set_host_resources(cpus = 0), class = "espalier_error_bad_argument")
  expect_invisible(set_host_resources(cpus = 1))
  expect_identical(as.numeric(get_host_resources()$total[[1L]]), 1)
  first <- submit_command(ws, c("sleep", "2"))
  second <- submit_command(ws, "true")
  expect_identical(get_run_status(second), "Queued")
  expect_match(said_by(wait_for_run_completion(second)), "waits in the queue")
  expect_identical(get_run_status(ended(first)), "Completed")
  table <- list_runs(ws)
  expect_true(table$started_at[table$run_id == second$id] >= table$ended_at[table$run_id == first$id])
})

test_that("a new name that is nearly that of another experiment is noted, once", {
  ws <- local_workspace()
  complete_run(start_logging_run(experiment(ws, "pima")))
  expect_message(experiment(ws, "pmia"), "There is \"pima\" too. Did you mean it?", fixed = TRUE)
  expect_no_message(experiment(ws, "pmia"))
  expect_message(experiment(ws, "pimaa"), "Did you mean it", fixed = TRUE)
  for (name in c("pima", "pima2", "cars", "pim")) expect_no_message(experiment(ws, name))
})
