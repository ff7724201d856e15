#' Get a run
#'
#' Use it to come back to a run, for example in a new session.
#'
#' @param experiment An [experiment()], or a [workspace()] to look in all its experiments.
#' @param run_id String: the run's id, as [list_runs()] shows it, or `"latest"` for the newest
#'   one that has no parent and isn't archived.
#' @return A `Run` object.
#' @section Errors:
#' * `espalier_error_run_missing`: the run doesn't exist.
#' @seealso [list_runs()], [get_run_details()]
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
      espalier_abort("run_missing", sprintf("Can't find a run: the experiment \"%s\" has none yet.", experiment$name), "Submit one.")
    }
    run_id <- ids[[1]]
  }
  # (a run id is <experiment, its first 100 characters>_<seconds>_<8 hex>)
  if (sub("_[0-9]+_[0-9a-f]{8}$", "", run_id) != substr(experiment$name, 1L, 100L)) {
    espalier_abort(
      "run_missing", sprintf("Can't find the run \"%s\" in the experiment \"%s\".", run_id, experiment$name),
      "list_runs() shows the ids."
    )
  }
  experiment$workspace$runs$get(run_id)
}

#' Get the current run
#'
#' Use it in a script to get the run that the script belongs to. In a job that is the job's run. In a session it is the
#' run of [start_logging_run()]. It needs no Python.
#'
#' @param allow_offline `TRUE` (the default) returns `NULL` with a message if the code belongs to no run. `FALSE` makes
#'   that an error.
#' @return A `Run` object, or `NULL`.
#' @section Errors:
#' * `espalier_error_run_not_active`: the code belongs to no run, and `allow_offline` is `FALSE`.
#' @seealso [log_metric_to_run()], [upload_files_to_run()]
#' @examples
#' get_current_run()
#' @export
get_current_run <- function(allow_offline = TRUE) {
  check_flag(allow_offline, "allow_offline")
  dir <- current_run_dir()
  if (is.null(dir)) {
    if (!allow_offline) {
      espalier_abort("run_not_active", "Can't find a current run: this code belongs to none.",
                     "Submit it, or begin with start_logging_run().")
    }
    say("This code belongs to no run: values that it logs aren't recorded.")
    return(NULL)
  }
  Run$new(identity = run_identity(dir))
}

#' Cancel a run
#'
#' Use it to stop a run, or to take it out of the queue. All runs below it are canceled too. Canceling a run twice is
#' harmless.
#'
#' R in a running job gets an interrupt, as by Ctrl-C, so `on.exit()`, `finally`, finalizers and `.Last()` run. Other
#' processes get the signal TERM. Processes that are left 10 seconds later are killed.
#'
#' @param run A run. In a job, a run below the job's own.
#' @return `TRUE`, or `FALSE` if the run had ended already, invisibly.
#' @section Errors:
#' * `espalier_error_run_missing`: the run doesn't exist.
#' * `espalier_error_run_not_active`: the run is one of [start_logging_run()]. End it with [complete_run()] in its
#'   session.
#' @seealso [wait_for_run_completion()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- submit_experiment(experiment(ws, "long"), script_run_config(command = c("sleep", "60")))
#' cancel_run(run)
#' wait_for_run_completion(run, show_output = FALSE)
#' get_run_status(run)
#' @export
cancel_run <- function(run) {
  check_object(run, "Run", "run")
  if (is_asked_for(run)) return(invisible(job_ask("cancel", run = identity_of(run)[["id"]])$canceled))
  invisible(run$cancel())
}

#' End an interactive run
#'
#' Use these when your own code is the run. `complete_run()` ends it as completed, `fail_run()` as failed.
#'
#' @param run A run of [start_logging_run()] or [create_child_run()].
#' @param error_details String: why the run failed. By default there is no reason.
#' @return The run, invisibly.
#' @section Errors:
#' * `espalier_error_run_not_active`: the run has ended, or isn't interactive.
#' @seealso [start_logging_run()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' log_metric_to_run("accuracy", 0.9)
#' complete_run(run)
#'
#' other <- start_logging_run(experiment(ws, "by-hand"))
#' fail_run(other, "the data were not there")
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

#' Get the metrics and details of a run
#'
#' Use these to look at a run, also while it goes on. `get_run_metrics()` returns what it logged, `get_run_status()` its
#' state, and `get_run_details()` everything that is recorded.
#'
#' @param run A run.
#' @param name String: only the metric of this name. By default all metrics.
#' @param recursive `TRUE` adds the metrics of all runs below this one. The default is `FALSE`.
#' @param run_type String: of the runs below, only those of this type: `"script"`, `"command"` or `"interactive"`. By
#'   default all.
#' @param populate Ignored. It is there because azuremlsdk has it.
#' @return
#' * `get_run_metrics()`: a named list, in which values have the types they were logged with:
#'     * a scalar for a metric logged once, a vector for one logged more often. Values of mixed types become doubles if
#'       all are numbers, else strings;
#'     * a data frame for tables and rows;
#'     * a string for an image: its file name;
#'     * an `espalier_chart` for a chart of [log_confusion_matrix_to_run()], or a list of these. [plot()] draws it, and
#'       [as.data.frame()] makes it a data frame.
#'
#'     With `recursive = TRUE` it is a list of these lists, named by run id, this run first.
#' * `get_run_metric_history()`: a data frame with a row for each logged scalar and the columns `name`, `step`, `value`,
#'   `time` and `text`. Numbers and logical values are in `value`. Strings, dates and times are in `text`. The other
#'   column is `NA`.
#' * `get_run_status()`: a string: `"Queued"`, `"Preparing"`, `"Running"`, `"Completed"`, `"Failed"`, `"Canceled"`, ...
#' * `get_run_detailed_status()`: a list with `status` and, for a queued run, the `reason` why it waits and its
#'   `position`. 1 is next. `position` is `NULL` for a run that can't start yet.
#' * `get_run_details()`: a list of class `espalier_run_details`: `runId`, `status`, times, `usage`, `error`, `tags`,
#'   `runDefinition`, `logFiles`, `provenance` and more. `get_run_details_with_logs()` has the texts of the logs in
#'   `logFiles`. Of a log above 1 MB it has the end.
#' * `get_run_environment()`: a list of class `espalier_run_environment`: `how` the job gets its packages (`"session"`,
#'   `"user-managed"`, `"private"` or `"image"`), its `environment` and `key`, and the `image`, `tag` or `folder` that
#'   was prepared, where it was `found`, and the `seconds` that took.
#' @section Errors:
#' * `espalier_error_run_missing`: the run doesn't exist.
#' * `espalier_error_damaged`: a log of metrics can't be read. If only some lines are damaged, the rest is returned with
#'   the warning `espalier_warning_damaged`.
#' * `espalier_error_newer_format`: a newer espalier wrote the run.
#' @seealso [get_run_log()], [get_run_usage()], [get_run_provenance()], [plot()][plot.Run]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' for (i in 1:5) log_metric_to_run("loss", 1 / i)
#' log_table_to_run("classes", data.frame(truth = c("a", "b"), n = c(3L, 4L)))
#' complete_run(run)
#' get_run_metrics(run)
#' get_run_metric_history(run)
#' get_run_status(run)
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
#' Use it to see which of many small pieces of work are done, and which failed, also while the run goes on.
#' [log_part_to_run()], [run_part()] and Python's `run.log_part()` record them.
#'
#' @param run A run.
#' @return A data frame with a row for each part, in the order of their first records. The columns are `key`, `status`,
#'   `error`, `seconds`, `digest`, and one for each metric. What a part lacks is `NA`. If a key was recorded more than
#'   once, the last record counts. A metric of mixed types becomes double if all are numbers, else text.
#' @section Errors:
#' * `espalier_error_run_missing`: the run doesn't exist.
#' * `espalier_error_damaged`: a file of parts can't be read. If only some lines are damaged, the rest is returned with
#'   the warning `espalier_warning_damaged`.
#' * `espalier_error_newer_format`: a newer espalier wrote the run.
#' @seealso [log_part_to_run()]
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
#' Use tags to find runs again: [list_runs()] has a column for each, and filters by them.
#'
#' @param run A run.
#' @param tags Named list or character vector: tags to add or change. Other tags stay.
#' @return `get_run_tags()` returns a named list, `set_run_tags()` the run, invisibly.
#' @section Errors:
#' * `espalier_error_run_missing`: the run doesn't exist.
#' * `espalier_error_bad_name`: the name of a tag isn't valid.
#' @seealso [list_runs()]
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
