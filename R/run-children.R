# Runs that have a run as their parent. Inside a job base R only; elsewhere the core does it.

#' Submit and find child runs
#'
#' Use these to split a run's work into runs below it, such as folds or trials. `submit_child_run()` submits a job as a
#' child. `get_child_runs()` finds the children of a run.
#'
#' `create_child_run()` and `create_child_runs()` make children without a job. Log into them with `run =`, then end them
#' with [complete_run()] or [fail_run()]. Children may have children. All belong to the parent's experiment.
#'
#' In a session, `parent_run` may be any run, also one that has ended. In a job, it is the job's run or one below it,
#' and no Python is needed.
#'
#' @section Jobs in containers:
#' A child of a job in a container runs in a container too. Its environment is the parent's, or another that is
#' registered in the workspace. A wider network, mount, user or secret than the parent's is an error. Inputs are the
#' parent's, or up to 64 MB that the job can read. `outputs` can't be used.
#'
#' @section Parents and children:
#' * [cancel_run()] cancels all runs below a run too.
#' * A parent whose script has ended well is `Finalizing` until its children have ended. It has no place in the queue.
#'   With `children = "detach"` of [estimator()] it ends at once.
#' * A parent that fails cancels its children, unless they are detached. One that reaches its time limit always cancels
#'   them.
#' * A child that fails doesn't make its parent fail. The parent's details name it in a warning.
#' * Children without a job end with their parent's job, or with their session.
#' * A job that waits for its children with [wait_for_run_completion()] lends them its place in the queue.
#'
#' @param parent_run A run. In a job, by default the job's run.
#' @param config An [estimator()] or [script_run_config()]. In a job, a relative `source_directory` starts at the job's
#'   working directory.
#' @param tags Named list or character vector: tags of the child. For `get_child_runs()`, only runs with all of these
#'   tags.
#' @param name String: a title.
#' @param run_id String: the child's id, `<experiment>_<up to 12 digits>_<8 hexadecimal digits>`. By default a new one.
#' @param outputs Path of a folder whose files become the child's outputs at its end.
#' @param count Number of children, up to 1,000. Give either this, or `tag_key` and `tag_values`.
#' @param tag_key String: the name of a tag.
#' @param tag_values Vector or list: the tag's values, one child for each.
#' @param recursive `TRUE` finds all runs below. The default is `FALSE`.
#' @param properties Named list: only runs with all of these properties.
#' @param type String: only runs of this type, `"script"`, `"command"` or `"interactive"`.
#' @param status String: only runs in this state, such as `"Completed"`.
#' @return `submit_child_run()` and `create_child_run()` return a `Run` object. The others return a list of these, of
#'   class `espalier_runs`, in the order in which they were made.
#' @section Errors:
#' * the classes of [submit_experiment()].
#' * `espalier_error_run_missing`: the parent doesn't exist.
#' * `espalier_error_run_exists`, `espalier_error_bad_name`: `run_id` is taken or isn't valid.
#' * `espalier_error_bad_argument`: in a job, `parent_run` isn't the job's run or one below it.
#' * `espalier_error_request_unanswered`: in a job, espalier doesn't answer.
#' @seealso [get_run_metrics()], whose `recursive = TRUE` collects the metrics of all runs below a run.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "folds"))
#' job <- submit_child_run(run, script_run_config(command = "echo hello"))
#' wait_for_run_completion(job, show_output = FALSE)
#' folds <- create_child_runs(run, tag_key = "fold", tag_values = c("a", "b"))
#' for (fold in folds) {
#'   log_metric_to_run("rmse", 0.1, run = fold)
#'   complete_run(fold)
#' }
#' complete_run(run)
#' get_child_runs(run, tags = list(fold = "a"))
#' str(get_run_metrics(run, recursive = TRUE, run_type = "interactive"))
#' @export
submit_child_run <- function(parent_run = get_current_run(FALSE), config, tags = NULL) {
  if (missing(config)) abort_missing("config")
  check_object(parent_run, "Run", "parent_run")
  check_object(config, "espalier_config", "config")
  values <- job_values(config)
  tags <- named_strings(tags, "tags") %||% empty_object()
  told <- if (is_asked_for(parent_run)) {
    submit_in_job(parent_run, values, tags)
  } else {
    when_too_late(parent_run$submit_child_values(values, tags), tell_submitted_all_the_same)
  }
  tell_submitted(told, values)
  child_of(parent_run, told$run_id)
}

# (of the session the runner knows what the job was given; what it cannot know is sent)
submit_in_job <- function(parent_run, values, tags) {
  known <- values$session
  values$session <- Filter(length, known[c("client", "rscript", "r_version", "library_paths", "python")])
  told <- job_ask("submit", parent = identity_of(parent_run)[["id"]], config = values, tags = tags)
  list(run_id = told$run_ids[[1L]], notes = told$notes, warnings = told$warnings)
}

child_of <- function(parent_run, id) {
  Run$new(identity = c(workspace = identity_of(parent_run)[["workspace"]], id = id))
}

#' @rdname submit_child_run
#' @export
create_child_run <- function(parent_run = get_current_run(FALSE), name = NULL, run_id = NULL, outputs = NULL) {
  check_object(parent_run, "Run", "parent_run")
  check_shown_string(name, "name")
  check_string(run_id, "run_id", null = TRUE)
  outputs <- path_argument(outputs, "outputs")
  if (!is_asked_for(parent_run)) return(parent_run$child_run(name, run_id, outputs))
  create_in_job(parent_run, list(list(name = name, run_id = run_id, collect_from = outputs)))[[1L]]
}

#' @rdname submit_child_run
#' @export
create_child_runs <- function(parent_run = get_current_run(FALSE), count = NULL, tag_key = NULL, tag_values = NULL) {
  check_object(parent_run, "Run", "parent_run")
  if (is.null(count) == is.null(tag_key) || is.null(tag_key) != is.null(tag_values)) {
    espalier_abort("bad_argument", "Can't create children: their number isn't clear.",
                   "Give either `count`, or `tag_key` and `tag_values`.")
  }
  check_count(count, "count", null = TRUE, min = 1, max = 1000)
  check_shown_string(tag_key, "tag_key")
  values <- unlist(lapply(tag_values, function(value) named_strings(list(tag_values = value), "tag_values")), use.names = FALSE)
  runs <- if (is_asked_for(parent_run)) {
    tags <- if (is.null(count)) lapply(values, function(value) structure(list(value), names = tag_key))
    create_in_job(parent_run, if (is.null(tags)) rep(list(empty_object()), count) else lapply(tags, function(each) list(tags = each)))
  } else {
    parent_run$create_children(count, tag_key, values)
  }
  runs_below(parent_run, runs)
}

create_in_job <- function(parent_run, wanted) {
  told <- job_ask("create", parent = identity_of(parent_run)[["id"]], client = session_client(), wanted = wanted)
  lapply(told$run_ids, function(id) child_of(parent_run, id))
}

#' @rdname submit_child_run
#' @export
get_child_runs <- function(parent_run = get_current_run(FALSE), recursive = FALSE, tags = NULL, properties = NULL, type = NULL,
                           status = NULL) {
  check_object(parent_run, "Run", "parent_run")
  check_flag(recursive, "recursive")
  tags <- named_strings(tags, "tags")
  properties <- named_strings(properties, "properties")
  check_string(type, "type", null = TRUE)
  check_string(status, "status", null = TRUE)
  if (!is_asked_for(parent_run)) {
    return(runs_below(parent_run, parent_run$get_children(recursive, tags, properties, type, status)))
  }
  args <- list(recursive = recursive, tags = tags, properties = properties, type = type, status = status)
  found <- job_call(parent_run, "get_children", Filter(length, args))
  runs_below(parent_run, lapply(found, function(identity) child_of(parent_run, identity$id)))
}

#' A list of runs that prints as a table
#' @noRd
runs_below <- function(parent_run, runs) {
  workspace <- identity_of(parent_run)[["workspace"]]
  # (the beginning of the id would be cut for a long name)
  name <- if (is.null(job_dir())) parent_run$experiment_name else Sys.getenv("ESPALIER_EXPERIMENT")
  structure(runs, class = "espalier_runs", experiment = Experiment$new(identity = c(workspace = workspace, name = name)))
}
