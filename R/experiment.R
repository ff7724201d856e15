#' Get or create an experiment
#'
#' Use this to name the group of runs that a job is submitted to. The first run creates the experiment, and
#' [list_experiments()] shows it from then on. A new name that is nearly that of another experiment is reported.
#'
#' @param workspace A [workspace()].
#' @param name String: name of the experiment. The rule is that of [workspace()].
#' @return An `Experiment` object.
#' @section Errors:
#' * `espalier_error_bad_name`: the name breaks the rule.
#' * `espalier_error_bad_argument`: `workspace` isn't a workspace.
#' @seealso [submit_experiment()], [list_runs()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' experiment(ws, "pima")
#' @export
experiment <- function(workspace, name) {
  check_object(workspace, "Workspace", "workspace")
  check_name(name)
  found <- Experiment$new(identity = c(workspace = workspace$path, name = name))
  near <- if (is.null(job_dir())) misspelled_experiment(found)
  if (length(near) && first_time(paste("experiment", workspace$path, name))) {
    say(c(i = "Experiment {.val {name}} is new. There is {.val {near}} too. Did you mean it?"))
  }
  found
}

#' Submit a job
#'
#' Use this to run a script outside of this session. It freezes the job's folder, records the run and returns at once.
#' The run starts as soon as there is room, and goes on when R is closed or killed.
#'
#' A large folder takes a while the first time, with a progress bar. If you interrupt it (Ctrl-C, Esc) before the run is
#' written, nothing is submitted. After that the run exists, and a message shows its id.
#'
#' @param experiment An [experiment()].
#' @param config A job: an [estimator()], a [script_run_config()], or the result of [read_job()].
#' @param tags Named list or character vector: text to find the run by. Default: those of the job's file.
#' @param reuse Logical: whether to return the newest completed run of the experiment with the same program, arguments,
#'   snapshot, environment, inputs and seed, if there is one. So a report that is knitted again trains nothing again.
#'   Default: `FALSE`. A run whose input ([run_output()]) was written after its submit is never found: the content
#'   wasn't known then. Wait for the first run before you submit the second.
#' @return A `Run` object.
#' @section Errors: Nothing is created then.
#' * `espalier_error_source_missing`, `espalier_error_source_unreadable`: about the job's folder.
#' * `espalier_error_script_missing`: the folder doesn't have the script.
#' * `espalier_error_input_missing`: an input isn't there.
#' * `espalier_error_interpreter_missing`: no program is found that runs the script.
#' * `espalier_error_workspace_missing`, `espalier_error_workspace_read_only`: about the workspace.
#' @seealso [wait_for_run_completion()], [get_run()], [submit_grid()]
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' dir.create(folder)
#' writeLines(c("library(espalier)", "log_metric_to_run('answer', 42)"), file.path(folder, "train.R"))
#' ws <- workspace("example", path = tempfile())
#' run <- submit_experiment(experiment(ws, "first"), estimator(folder, entry_script = "train.R"))
#' wait_for_run_completion(run, show_output = FALSE)
#' get_run_metrics(run)
#' @export
submit_experiment <- function(experiment, config, tags = NULL, reuse = FALSE) {
  check_object(experiment, "Experiment", "experiment")
  check_object(config, "espalier_config", "config")
  values <- job_values(config)
  result <- NULL
  # (a time limit of the user's may end this in the middle of a message)
  on.exit(if (!is.null(result)) tell_submitted_all_the_same(result))
  result <- when_too_late(
    experiment$submit_values(
      values, named_strings(tags %||% attr(config, "tags"), "tags") %||% empty_object(), check_flag(reuse, "reuse")
    ),
    tell_submitted_all_the_same
  )
  tell_submitted(result, values)
  if (isTRUE(result$reused)) {
    say(c(i = "Nothing has changed since run {.val {result$run_id}}, so it is returned and nothing is run."))
  } else if (reuse) {
    say(c(i = "No completed run can be reused: run {.val {result$run_id}} is a new one."))
  }
  run <- Run$new(identity = c(workspace = experiment$workspace$path, id = result$run_id))
  on.exit()
  run
}

#' A job as the core takes it, with the session that submits
#' @noRd
job_values <- function(config) {
  values <- plain_job(config)
  values$session <- session_context(values$python)
  values$python <- NULL
  values
}

#' A job as the core takes it, with the Python that was chosen for it
#' @noRd
plain_job <- function(config) {
  values <- unclass(config)
  attributes(values) <- list(names = names(values))
  if (length(values$command) == 1L && grepl("[[:space:]|;&<>$]", values$command[[1]])) values$command <- values$command[[1]]
  values
}

#' What there is to tell after a submit
#' @noRd
tell_submitted <- function(result, values) {
  if (is.null(values$session$r_package) && grepl("[.](r|rmd|qmd)$", values$entry_script %||% "", ignore.case = TRUE)) {
    inform_once("from_source", "espalier is loaded from source: jobs that call library(espalier) need it installed.")
  }
  for (note in unlist(result$notes)) inform_once(note, note, "note")
  for (text in result$warnings) say_warning(text)
}

tell_submitted_all_the_same <- function(result) {
  if (isTRUE(result$reused)) return()
  say(c(
    i = "Run {.val {result$run_id}} was submitted before the interrupt, and goes on.",
    " " = "Get it: {.code run <- get_run(ws, \"{result$run_id}\")}",
    " " = "Stop it: {.code cancel_run(run)}"
  ))
}

`%||%` <- function(x, y) if (is.null(x)) y else x

#' Record a run from this session
#'
#' Use this to record work at the prompt or in a document. Until [complete_run()], all `log_*_to_run()` functions of
#' this session record into the run. If the session ends first, the run is `Failed`.
#'
#' @param experiment An [experiment()].
#' @param outputs String: folder whose files are kept as the run's outputs when it completes. Default: none.
#' @param snapshot_directory String: folder to keep a snapshot of. Default: none.
#' @param outside_links String: what becomes of links that lead out of that folder, `"refuse"`, `"keep"` or `"copy"`.
#'   See [preview_snapshot()]. Default: `"refuse"`, or the option `espalier.outside_links`.
#' @return A `Run` object.
#' @section Errors:
#' * `espalier_error_source_missing`, `espalier_error_source_unreadable`: about one of the folders.
#' * `espalier_error_workspace_missing`, `espalier_error_workspace_read_only`: about the workspace.
#' @seealso [complete_run()], [log_metric_to_run()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' for (i in 1:5) log_metric_to_run("loss", 1 / i)
#' complete_run(run)
#' get_run_metrics(run)
#' @export
start_logging_run <- function(experiment, outputs = NULL, snapshot_directory = NULL,
                              outside_links = getOption("espalier.outside_links", "refuse")) {
  check_object(experiment, "Experiment", "experiment")
  run <- when_too_late(
    experiment$start_logging(
      path_argument(outputs, "outputs"), path_argument(snapshot_directory, "snapshot_directory"), session_client(),
      check_string(outside_links, "outside_links")
    ),
    function(run) {
      say(c(i = "Run {.val {run$id}} started before the interrupt.",
            " " = "End it: {.code fail_run(get_run(ws, \"{run$id}\"))}"))
    }
  )
  set_active_run(run$run_dir)
  run
}

#' List the runs of an experiment
#'
#' Use `list_runs()` to compare, filter and sort runs in a data frame with a row for each run, newest first.
#' `get_runs_in_experiment()` returns azuremlsdk's list of runs, which is printed as that table.
#'
#' Runs that have a parent are left out unless asked for. [get_child_runs()] finds those of one run.
#'
#' @section Columns:
#' | column | type | content |
#' |---|---|---|
#' | `run_id` | text | id, `<experiment>_<seconds since 1970>_<8 characters>` |
#' | `experiment` | text | name of the experiment |
#' | `display_name` | text | title for people, `NA` without one |
#' | `parent` | text | id of the run whose child it is, `NA` without one |
#' | `children` | integer | number of its children |
#' | `status` | text | state, see below |
#' | `type` | text | `"script"`, `"command"` or `"interactive"` |
#' | `entry_script` | text | path in the source folder, `NA` of other types |
#' | `commit` | text | git commit at submit, `NA` outside of a repository |
#' | `target` | text | where it runs: `"local"`, `"docker"` or another executor |
#' | `created_at` | POSIXct | time of the submit |
#' | `started_at` | POSIXct | time at which the job started, `NA` before |
#' | `ended_at` | POSIXct | time at which the run ended, `NA` before |
#' | `duration_seconds` | double | seconds that the job ran |
#' | `cpu_seconds` | double | processor time of all its processes, in seconds |
#' | `max_memory_bytes` | double | most memory at any time, in bytes |
#' | `exit_code` | integer | exit status, `NA` before the end and after a signal |
#' | `error` | text | why it failed |
#' | `archived_at` | POSIXct | time of [archive_run()]; only with `include_archived` |
#' | `tag_*` | text | a column for each tag |
#' | `param_*` | as given | a column for each parameter |
#' | `metric_*` | as logged | a column for each metric, with its last value |
#'
#' A run is `"Queued"`, `"Preparing"`, `"Running"`, `"Finalizing"` or `"CancelRequested"`, and at the end `"Completed"`,
#' `"Failed"` or `"Canceled"`. A run with a damaged record, or an ended one with a damaged event log, is `"Damaged"`.
#' One written by a newer version is `"Unreadable"`. For these, `error` names the file and the cause.
#'
#' A run without a tag, parameter or metric has `NA` in its column. Where some runs have text and others numbers, the
#' column is text.
#'
#' @section Printing:
#' Printing shows the columns that fit and names the others. Columns by which runs differ come first, then those with
#' one value, then those without any. Columns that you choose or add are always shown. Long values are shortened, and
#' numbers have as many digits as tell a column's values apart. R Markdown and Quarto show the table with the same
#' columns.
#'
#' If tibble is installed, the data frame is also a tibble. With and without it `[` returns a table, also of one column:
#' take a column by `$` or `[[`. [as.data.frame()] returns a plain data frame.
#'
#' @section Filters:
#' `filter` is a condition as in [subset()]. Columns are those of the data frame (`status`, `metric_AUC`, `param_lr`,
#' `tag_stage`), or `metrics.AUC`, `params.lr` and `tags.stage`. Everything else is a value: variables are looked up
#' where `list_runs()` is called, and their content is never read as code. There are `&`, `|`, `!`, `==`, `!=`, `<`,
#' `<=`, `>`, `>=`, `%in%`, `is.na()`, `startsWith()`, `endsWith()` and `grepl(fixed = TRUE)`.
#'
#' * A metric that was logged more than once has its last value. `first(metrics.loss)`, `min(metrics.loss)` and
#'   `max(metrics.loss)` are others, in `filter` and in `sort`. They become columns of that name:
#'   `x[["min(metric_loss)"]]`. The least and largest value ignore `NA` and `NaN`.
#' * A run that lacks a value is left out by a comparison and by its opposite.
#' * Times compare with a POSIXct, a Date, `"2026-03-01"`, `"2026-03-01T12:00:00Z"` (UTC unless it has another zone), or
#'   `"7 days"`, which is before now.
#' * Text that reads as a number or as `TRUE` is compared with numbers as that number.
#' * A name that no run of the workspace has is an error, unless no run has any metric (parameter, tag). So is a value
#'   that can't be compared, such as text with numbers.
#'
#' A string is the same in the language of MLflow's `search_runs()`, with `or`, `not` and parentheses: `"metrics.AUC >
#' 0.85 and tags.stage = 'prod'"`. It also has `LIKE`, `ILIKE`, `IN` and `IS NULL`.
#'
#' @param x An [experiment()] or a [workspace()].
#' @param filter Condition that the runs must meet, `metrics.AUC > 0.85 & tags.stage == "prod"`, or its text. Default:
#'   all runs.
#' @param sort Character vector: columns to sort by, with `-` for the largest first: `"-metrics.AUC"`, or
#'   `"-metric_AUC"` as in the table. Runs without a value come last. Default: newest first.
#' @param n Number of runs at most. Default: all.
#' @param experiment An [experiment()].
#' @param type String: only runs of this type, `"script"`, `"command"` or `"interactive"`. Default: all.
#' @param tags,properties Named lists: only runs that have all of these. Default: all runs.
#' @param include_children Logical: whether runs that have a parent are listed too. Default: `FALSE`.
#' @param include_archived Logical: whether archived runs are listed too, see [archive_run()]. Default: `FALSE`.
#' @param ... Not used. `params.lr = 0.3` in place of `params.lr == 0.3` is an error.
#' @return `list_runs()`: a data frame of class `espalier_run_table`, with the columns below and those that `filter` and
#'   `sort` name. `get_runs_in_experiment()`: a list of `Run` objects, of class `espalier_runs`.
#' @section Errors:
#' * `espalier_error_workspace_missing`: the workspace is gone.
#' * `espalier_error_bad_filter`: `filter` or `sort` can't be read, or names what no run has.
#' @seealso [best_run()], [plot()][plot.espalier_run_table], [get_run()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' for (loss in c(0.3, 0.1, 0.2)) {
#'   run <- start_logging_run(experiment(ws, "by-hand"))
#'   log_metric_to_run("loss", loss)
#'   complete_run(run)
#' }
#' list_runs(ws)[, c("run_id", "status", "metric_loss")]
#' limit <- 0.25
#' list_runs(ws, metrics.loss < limit & status == "Completed", sort = "metrics.loss", n = 10)
#' list_runs(ws, "metrics.loss < 0.25 and created_at > '7 days'")
#' @export
list_runs <- function(x, filter = NULL, sort = NULL, n = NULL, include_children = FALSE, include_archived = FALSE,
                      ...) {
  if (missing(x)) abort_missing("x")
  refuse_assignments(...)
  if (!inherits(x, c("Experiment", "Workspace"))) {
    abort_argument("x", "an experiment or a workspace", x)
  }
  env <- parent.frame()
  filter <- substitute(filter)
  order <- order_text(substitute(sort), env)
  if (is.logical(filter) && length(filter) == 1L) { # (once the second argument)
    include_children <- filter
    filter <- NULL
  }
  filter <- filter_text(filter, env)
  check_flag(include_children, "include_children")
  list <- if (inherits(x, "Workspace")) x$runs$list else x$list_runs
  check_flag(include_archived, "include_archived")
  table <- list(include_children, filter, order, check_count(n, "n", null = TRUE), include_archived = include_archived)
  if (nrow(table)) {
    path <- if (inherits(x, "Workspace")) x$path else x$workspace$path
    return(structure(run_table(table, NULL), asked = c(unlist(order), filter), workspace = path))
  }
  archived <- !include_archived && nrow(list(include_children, filter, max_results = 1L, include_archived = TRUE))
  run_table(table, why_no_runs(x, !is.null(filter), n, archived))
}

#' What is printed in place of a table without rows
#' @noRd
why_no_runs <- function(x, filtered, n, archived) {
  if (identical(as.numeric(n), 0)) return("No run is listed, because `n` is 0.")
  if (filtered) return(if (archived) "Only archived runs match; include_archived = TRUE shows them." else "No run matches.")
  if (archived) return("All runs are archived; include_archived = TRUE shows them.")
  near <- if (inherits(x, "Experiment")) near_experiment(x)
  paste0("No runs yet.", if (length(near)) sprintf(" Did you mean \"%s\"?", near))
}

#' The experiment that the name of one without runs may have meant; `NULL` if there is none
#' @noRd
near_experiment <- function(x) {
  names <- x$workspace$experiments$list()$experiment
  if (!length(names)) return(NULL)
  distance <- utils::adist(x$name, names, ignore.case = TRUE)[1L, ]
  # (names of a series differ in their numbers, and mean what they say)
  near <- which(distance <= nchar(x$name) / 2 & gsub("[0-9]", "", names) != gsub("[0-9]", "", x$name))
  if (length(near)) names[near[which.min(distance[near])]]
}

#' The experiment that a new name may be a misspelling of: one letter more, less or other, or two that are exchanged
#' @noRd
misspelled_experiment <- function(x) {
  # (a workspace that is gone is reported by the call that needs it)
  names <- tryCatch(x$workspace$experiments$list()$experiment, espalier_error = function(e) NULL)
  if (x$name %in% names || nchar(x$name) < 4L) return(NULL)
  letters_of <- function(names) vapply(strsplit(tolower(names), ""), function(each) paste(sort(each), collapse = ""), "")
  distance <- utils::adist(x$name, names, ignore.case = TRUE)[1L, ]
  is_near <- distance < 2 | distance == 2 & letters_of(names) == letters_of(x$name)
  utils::head(names[is_near & gsub("[0-9]", "", names) != gsub("[0-9]", "", x$name)], 1L)
}

#' @rdname list_runs
#' @export
get_runs_in_experiment <- function(experiment, type = NULL, tags = NULL, properties = NULL, include_children = FALSE,
                                   include_archived = FALSE) {
  check_object(experiment, "Experiment", "experiment")
  runs <- experiment$get_runs(
    type, if (length(tags)) named_strings(tags, "tags"), if (length(properties)) named_strings(properties, "properties"),
    check_flag(include_children, "include_children"), check_flag(include_archived, "include_archived")
  )
  structure(runs, class = "espalier_runs", experiment = experiment)
}

#' @export
as.data.frame.espalier_runs <- function(x, ...) {
  ids <- vapply(unclass(x), function(run) run$id, "")
  table <- attr(x, "experiment")$workspace$runs$list(include_children = TRUE, include_archived = TRUE, run_ids = as.list(ids))
  table <- table[match(ids, table$run_id), , drop = FALSE]
  rownames(table) <- NULL
  run_table(table)
}

#' @export
`[.espalier_runs` <- function(x, i) {
  structure(NextMethod(), class = "espalier_runs", experiment = attr(x, "experiment"))
}

#' @export
print.espalier_runs <- function(x, ...) {
  if (!length(x)) cat("No runs.\n") else print(if (is.null(job_dir())) as.data.frame(x) else states_of_runs(x), ...)
  invisible(x)
}

# What a job can say of runs without Python.
states_of_runs <- function(runs) {
  table <- data.frame(
    run_id = vapply(runs, function(run) identity_of(run)[["id"]], ""),
    status = vapply(runs, function(run) run_state(run_folder(identity_of(run))), "")
  )
  run_table(table)
}

# Seconds as a number that a person compares: hundredths of a few seconds, whole ones of many.
shown_seconds <- function(x) {
  text <- sprintf("%.*f", ifelse(is.na(x) | x < 9.995, 2L, ifelse(x < 99.95, 1L, 0L)), x)
  text[is.na(x)] <- NA_character_
  text
}

format_seconds <- function(x) {
  text <- ifelse(x < 60, sprintf("%.1f s", x), sprintf("%d min %02d s", as.integer(x) %/% 60L, as.integer(x) %% 60L))
  ifelse(is.na(x), "", text)
}

# What may be a matter of milliseconds.
format_short <- function(seconds) if (seconds < 0.095) sprintf("%.0f ms", 1000 * seconds) else format_seconds(seconds)

#' @export
object_facts.Experiment <- function(x) {
  list(runs = format(nrow(x$list_runs())))
}

#' @export
summary.Experiment <- function(object, ...) states_summary(list_runs(object))

#' @export
summary.espalier_runs <- function(object, ...) states_summary(if (length(object)) as.data.frame(object) else data.frame(status = character()))

#' @export
summary.espalier_run_table <- function(object, ...) {
  if (all(c("run_id", "status", "duration_seconds") %in% names(object))) states_summary(object) else summary(drop_table_class(object), ...)
}

#' @export
format.espalier_runs <- function(x, ...) vapply(unclass(x), format, "", USE.NAMES = FALSE)

#' A row for each state: how many runs are in it, and how long they took
#' @noRd
states_summary <- function(table) {
  groups <- split(as.numeric(table$duration_seconds), factor(table$status, unique(table$status)))
  data.frame(
    status = names(groups) %||% character(), runs = lengths(groups, use.names = FALSE),
    total_seconds = vapply(groups, sum, 0, na.rm = TRUE, USE.NAMES = FALSE), stringsAsFactors = FALSE
  )
}
