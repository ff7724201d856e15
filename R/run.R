#' Get a run
#'
#' @param experiment An [experiment()] or a [workspace()].
#' @param run_id Id of the run, or `"latest"` for the newest one that has no parent and isn't archived.
#' @return A `Run` object.
#' @section Errors: `espalier_error_run_missing`.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' complete_run(run)
#' get_run(ws, "latest") == run
#' @export
get_run <- function(experiment, run_id) {
  if (missing(experiment)) abort_missing("experiment")
  check_string(run_id, "run_id")
  if (inherits(experiment, "Workspace")) return(experiment$runs$get(run_id))
  check_object(experiment, "Experiment", "experiment")
  if (run_id == "latest") {
    ids <- experiment$list_runs(max_results = 1L)$run_id
    if (!length(ids)) {
      espalier_abort("run_missing", sprintf("The experiment \"%s\" has no runs yet.", experiment$name), "Submit one.")
    }
    run_id <- ids[[1]]
  }
  # (a run id is <experiment, its first 100 characters>_<seconds>_<8 hex>)
  if (sub("_[0-9]+_[0-9a-f]{8}$", "", run_id) != substr(experiment$name, 1L, 100L)) {
    espalier_abort(
      "run_missing", sprintf("The experiment \"%s\" has no run \"%s\".", experiment$name, run_id), "See list_runs()."
    )
  }
  experiment$workspace$runs$get(run_id)
}

#' Get the current run
#'
#' Inside a job the job's run; in a session with an interactive run that one. Needs no Python.
#'
#' @param allow_offline Outside a run, return `NULL` with a message; `FALSE` makes that an error.
#' @return A `Run` object, or `NULL`.
#' @section Errors: `espalier_error_run_not_active`.
#' @examples
#' get_current_run()
#' @export
get_current_run <- function(allow_offline = TRUE) {
  check_flag(allow_offline, "allow_offline")
  dir <- current_run_dir()
  if (is.null(dir)) {
    if (!allow_offline) {
      espalier_abort("run_not_active", "This code runs in no run.", "Submit it, or begin with start_logging_run().")
    }
    say("No run: what is logged here is recorded nowhere.")
    return(NULL)
  }
  Run$new(identity = run_identity(dir))
}

#' Cancel a run
#'
#' A queued run is taken out of the queue. R in a running one gets an interrupt, as by Ctrl-C, so that `on.exit()`,
#' `finally`, finalizers and `.Last()` run. Other processes get a signal to end (TERM). Those left 10 seconds later are
#' killed. The same is done to all runs below it: its children, their children, and so on. Harmless
#' when repeated.
#'
#' @param run A run. In a job, one below the job's own.
#' @return `TRUE`, or `FALSE` when the run had ended already; invisibly.
#' @section Errors: `espalier_error_run_missing`; `espalier_error_run_not_active` for the run of [start_logging_run()],
#'   which its session ends.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- submit_experiment(experiment(ws, "long"), script_run_config(command = c("sleep", "60")))
#' cancel_run(run)
#' wait_for_run_completion(run, show_output = FALSE)
#' run
#' @export
cancel_run <- function(run) {
  check_object(run, "Run", "run")
  if (is_asked_for(run)) return(invisible(job_ask("cancel", run = identity_of(run)[["id"]])$canceled))
  invisible(run$cancel())
}

#' End an interactive run
#'
#' @param run The run of [start_logging_run()], or of [create_child_run()]; that of a job needs no Python there.
#' @param error_details Why it failed.
#' @return The run, invisibly.
#' @section Errors: `espalier_error_run_not_active` when the run has ended or isn't interactive.
#' @seealso [start_logging_run()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' fail_run(run, "the data were not there")
#' run
#' @export
complete_run <- function(run) {
  check_object(run, "Run", "run")
  if (is_asked_for(run)) return(end_in_job(run, "complete"))
  when_too_late(run$complete(), function(none) tell_ended(run))
  leave_run(run)
}

#' @rdname complete_run
#' @export
fail_run <- function(run, error_details = NULL) {
  check_object(run, "Run", "run")
  check_string(error_details, "error_details", null = TRUE)
  if (is_asked_for(run)) return(end_in_job(run, "fail", error_details))
  when_too_late(run$fail(error_details), function(none) tell_ended(run))
  leave_run(run)
}

end_in_job <- function(run, op, message = NULL) {
  id <- identity_of(run)
  job_ask(op, run = id[["id"]], message = message)
  close_event_writer(run_folder(id))
  invisible(run)
}

tell_ended <- function(run) {
  leave_run(run)
  say(c(i = "Run {.val {run$id}} had ended before the interrupt."))
}

leave_run <- function(run) {
  if (identical(active_run_dir(), normalizePath(run$run_dir, mustWork = FALSE))) clear_active_run()
  close_event_writer(run_folder(identity_of(run)))
  invisible(run)
}

#' Get the details of a run
#'
#' @param run A run.
#' @param name Only the metric of this name.
#' @param recursive Also the metrics of all runs below this one.
#' @param run_type Of the runs below only those of this type: `"script"`, `"command"` or `"interactive"`.
#' @param populate As in azuremlsdk; everything is always read.
#' @return
#' * `get_run_status()`: one of `"Queued"`, `"Preparing"`, `"Running"`, `"Completed"`, `"Failed"`, `"Canceled"`, ...
#' * `get_run_detailed_status()`: a list of `status` and, for a run that is queued, its `position` and the
#'   `reason` why it waits. `position` is its place among the runs that can start, 1 is next. It is `NULL` for a run that
#'   can't start yet, because it waits for another run or for the time of its next attempt, and for one that isn't queued;
#' * `get_run_details()`: a named list: `runId`, `status`, times, `usage` (see [get_run_usage()]), `error`, `tags`, `runDefinition`, `logFiles`,
#'   `provenance` (see [get_run_provenance()]), ...;
#'   `get_run_details_with_logs()` has the logs' text in `logFiles`, of a log above 1 MB its end, with a note; see
#'   [get_run_log()].
#' * `get_run_metrics()`: a named list: a scalar for a metric logged once, a vector for one logged more often, a data
#'   frame for tables and rows, a file name for images; for a confusion matrix and what else
#'   [log_confusion_matrix_to_run()] describes a list of `schema_type`, `schema_version` and `data`, of class
#'   `espalier_chart`, which [plot()] draws and [as.data.frame()] makes a data frame of, or a list of these where it was
#'   logged more than once. Each has the type it was logged with, `NA` too; values of
#'   different types under one name become doubles where all are numbers, else strings. With `recursive = TRUE` a named
#'   list of such lists, by run id, this run's first.
#' * `get_run_environment()`: a list: `how` the job comes to what it finds (`"session"`, `"user-managed"`, `"private"`,
#'   `"image"`), its `environment` (as [r_environment()] makes it; `NULL` for the session's packages), `key`, and what was made
#'   ready: `image`, `tag`, `folder`, where it was `found`, and the `seconds` that took;
#' * `get_run_metric_history()`: a data frame of every logged scalar: `name`, `step`, `value`, `time`, `text`. Numbers and
#'   logical values are in `value`, which is double unless all are integers or all are logical; `TRUE` among numbers is 1.
#'   Strings, dates and times are in `text`. Where one of the two has a value, the other is `NA`.
#' @section Errors: `espalier_error_run_missing`; `espalier_error_damaged` when an event log can't be read at all;
#'   `espalier_error_newer_format`. Of damaged lines in a log there is one warning, `espalier_warning_damaged`, with file and
#'   line. The rest is returned.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' for (i in 1:5) log_metric_to_run("loss", 1 / i)
#' log_table_to_run("confusion", data.frame(truth = c("a", "b"), n = c(3L, 4L)))
#' complete_run(run)
#' get_run_status(run)
#' get_run_metrics(run)
#' get_run_metric_history(run)
#' @export
get_run_metrics <- function(run, name = NULL, recursive = FALSE, run_type = NULL, populate = FALSE) {
  check_object(run, "Run", "run")
  check_string(name, "name", null = TRUE)
  check_flag(recursive, "recursive")
  check_string(run_type, "run_type", null = TRUE)
  check_flag(populate, "populate")
  if (!recursive) return(metrics_of(run, name))
  runs <- c(list(run), unclass(get_child_runs(run, recursive = TRUE, type = run_type)))
  names(runs) <- vapply(runs, function(each) identity_of(each)[["id"]], "")
  lapply(runs, metrics_of, name)
}

metrics_of <- function(run, name) lapply(run$get_metric_frames(name), metric_value)

# What isn't a table arrives as one column without a name; of charts it has their payloads, beside a column of their types.
metric_value <- function(frame) {
  if (identical(names(frame), c("", "chart"))) return(charts_of(frame[[1L]]))
  if (identical(names(frame), "")) frame[[1L]] else frame
}

#' @rdname get_run_metrics
#' @export
get_run_metric_history <- function(run, name = NULL) {
  check_object(run, "Run", "run")
  run$get_metric_history(check_string(name, "name", null = TRUE))
}

#' List the parts of a run
#'
#' What [log_part_to_run()], [run_part()] and Python's `run.log_part()` recorded, also while the run goes on.
#'
#' @param run A run.
#' @return A data frame with a row for each part, in the order in which they were first recorded: `key`, `status`,
#'   `error`, `seconds`, `digest`, and a column for each metric. What a part lacks is `NA`. Of a key that was recorded
#'   more than once the last line counts. A metric has the type it was recorded with; one recorded with different types
#'   becomes double where all are numbers, else text.
#' @section Errors: `espalier_error_run_missing`; `espalier_error_damaged` when a file of parts can't be read at all;
#'   `espalier_error_newer_format`. Of damaged lines in a file there is one warning, `espalier_warning_damaged`, with file
#'   and line. The rest is returned.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' for (i in 1:3) {
#'   run_part(paste("fold", i), stopifnot(i != 2), metrics = function(value) list(rmse = 1 / i))
#' }
#' complete_run(run)
#' list_parts(run)
#' @export
list_parts <- function(run) {
  check_object(run, "Run", "run")
  run$list_parts()
}

#' @rdname get_run_metrics
#' @export
get_run_status <- function(run) {
  check_object(run, "Run", "run")
  if (is_asked_for(run)) return(run_state(run_folder(identity_of(run))))
  run$get_status()
}

#' @rdname get_run_metrics
#' @export
get_run_detailed_status <- function(run) {
  check_object(run, "Run", "run")
  run$get_detailed_status()
}

#' @rdname get_run_metrics
#' @export
get_run_details <- function(run) {
  check_object(run, "Run", "run")
  structure(run$get_details(), class = "espalier_run_details")
}

#' @rdname get_run_metrics
#' @export
get_run_details_with_logs <- function(run) {
  check_object(run, "Run", "run")
  structure(run$get_details_with_logs(), class = "espalier_run_details")
}

#' @rdname get_run_metrics
#' @export
get_run_environment <- function(run) {
  check_object(run, "Run", "run")
  result <- run$get_environment()
  definition <- result$definition
  result <- result[setdiff(names(result), c("name", "version", "definition"))]
  if (!is.null(definition)) result$environment <- Environment$new(identity = c(definition = definition))
  structure(Filter(Negate(is.null), result), class = "espalier_run_environment")
}

#' @export
format.espalier_run_environment <- function(x, ...) header("Run environment", facts = x$how)

#' @export
print.espalier_run_environment <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  line <- function(label, value) if (length(value)) cat(sprintf("  %-7s %s\n", label, safe_line(format(value))))
  for (name in c("key", "image", "tag", "folder")) line(name, x[[name]])
  if (length(x$found)) line("was", found_text(x$found))
  if (length(x$seconds)) line("took", format_short(x$seconds))
  if (!is.null(x$environment)) print(x$environment)
  invisible(x)
}

#' Get and set the tags of a run
#'
#' @param run A run.
#' @param tags Named list or character vector of tags to add or change.
#' @return `get_run_tags()` a named list; `set_run_tags()` the run, invisibly.
#' @section Errors: `espalier_error_run_missing`, `espalier_error_bad_name`.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' set_run_tags(run, list(purpose = "example"))
#' get_run_tags(run)
#' complete_run(run)
#' @export
set_run_tags <- function(run, tags) {
  check_object(run, "Run", "run")
  run$set_tags(named_strings(tags, "tags") %||% empty_object())
  invisible(run)
}

#' @rdname set_run_tags
#' @export
get_run_tags <- function(run) {
  check_object(run, "Run", "run")
  run$get_tags()
}

#' @export
format.espalier_run_details <- function(x, ...) header("Run details", x$runId)

#' @export
print.espalier_run_details <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  line <- function(label, value) if (length(value) && nzchar(value)) cat(sprintf("  %-11s %s\n", label, value))
  line("status", x$status)
  line("started", x$startTimeUtc)
  if (length(x$durationSeconds)) line("took", format_short(x$durationSeconds))
  line("exit code", if (length(x$exitCode)) format(x$exitCode))
  line("command", paste(encodeString(unlist(x$runDefinition$command)), collapse = " "))
  line("snapshot", x$runDefinition$snapshot$id)
  line("environment", run_environment_text(x$environment))
  line("git", git_text(x$runDefinition$git))
  line("diff", x$provenance$diff)
  for (output in x$outputDatasets) line("output", safe_line(paste0(output$name, ", ", output$path)))
  line("kept", kept_text(x$kept))
  if (length(x$error)) line("error", safe_line(x$error$message))
  for (text in unlist(x$warnings)) line("warning", safe_line(text))
  for (name in names(x$tags)) line(one_line(paste0("tag ", name)), tag_text(x$tags[[name]]))
  cat("  names of all fields: names(x)\n")
  invisible(x)
}

# `tidy:3, image sha256:1a2b3c4d5e, found in the Docker engine`; nothing for what the session has.
run_environment_text <- function(x) {
  if (is.null(x) || identical(x$how, "session")) return(NULL)
  name <- paste0(x$name, if (length(x$version)) paste0(":", x$version))
  made <- if (length(x$image)) paste("image", substr(x$image, 1L, 19L)) else if (length(x$folder)) "private" else x$how
  safe_line(paste(c(name, made, if (length(x$found)) found_text(x$found)), collapse = ", "))
}

# `3 files in workdir/ (1.2 MB), 1 too large`: what a job wrote outside of ./outputs and ./logs.
kept_text <- function(x) {
  if (!length(x)) return(NULL)
  files <- function(n) paste(n, if (n == 1) "file" else "files")
  parts <- c(
    if (x$count) sprintf("%s in workdir/ (%s)", files(x$count), format_bytes(x$bytes)),
    if (length(x$too_large)) sprintf("%s too large to keep", files(length(x$too_large))),
    if (length(x$deleted)) sprintf("%s of the snapshot deleted", files(length(x$deleted)))
  )
  if (length(parts)) paste(parts, collapse = ", ")
}

found_text <- function(found) {
  switch(found, built = "built for it", local = "found in the Docker engine", paste("found in the", found))
}

git_text <- function(git) {
  if (!length(git$commit)) return("")
  paste0(substr(git$commit, 1, 10), if (length(git$branch)) paste0(" on ", git$branch), if (isTRUE(git$dirty)) ", changed since")
}

# What print() shows of a run beside its identity.
# A tag's value in one line: a job may give its run any text, and any number of lines.
tag_text <- function(value) cut_bytes(one_line(paste(unlist(value), collapse = " ")), 500L)

#' @export
object_facts.Run <- function(x) {
  # (a script that shows a run must not start Python in its job)
  if (is_asked_for(x)) return(list(status = run_state(run_folder(identity_of(x)))))
  details <- x$get_details()
  facts <- list(experiment = details$experiment, status = details$status)
  if (details$status == "Queued") facts$waits <- x$get_detailed_status()$reason
  if (length(details$attempts)) facts$attempt <- format(details$attempt)
  if (length(details$runDefinition$parent)) facts$parent <- details$runDefinition$parent
  if (length(details$startTimeUtc)) facts$started <- format(parse_time(details$startTimeUtc), "%Y-%m-%d %H:%M:%S", tz = "")
  if (length(details$durationSeconds)) facts$took <- format_short(details$durationSeconds)
  facts$environment <- run_environment_text(details$environment)
  facts$kept <- kept_text(details$kept)
  if (length(details$error)) facts$error <- safe_line(details$error$message)
  row <- workspace_of(x)$runs$list(include_children = TRUE, include_archived = TRUE, run_ids = list(details$runId))
  facts$parameters <- cells_text(row, "param_")
  facts$metrics <- cells_text(row, "metric_")
  for (name in names(details$tags)) facts[[one_line(paste("tag", name))]] <- tag_text(details$tags[[name]])
  facts
}

#' What a run has of a group of columns, in a line; `NULL` where it has none
#' @noRd
cells_text <- function(row, prefix, most = 20L) {
  columns <- Filter(function(name) startsWith(name, prefix) && !is.na(row[[name]][1L]), names(row))
  if (!length(columns)) return(NULL)
  one <- function(name) paste(substring(name, nchar(prefix) + 1L), "=", shown_cells(row[[name]][1L], name, getOption("digits")))
  text <- safe_line(vapply(utils::head(columns, most), one, ""))
  c(text, if (length(columns) > most) sprintf("and %d more", length(columns) - most))
}

parse_time <- function(text) as.POSIXct(text, tz = "UTC", format = "%Y-%m-%dT%H:%M:%OSZ")

#' @export
summary.Run <- function(object, ...) get_run_details(object)
