# Runs that have a run as their parent. Inside a job base R only; elsewhere the core does it.

#' Make and find child runs
#'
#' A run may have children, they may have children of their own, and so on. `submit_child_run()` submits a job as a child;
#' `create_child_run()` and `create_child_runs()` make children that are recorded by hand, as [start_logging_run()] does:
#' log into them with `run =`, then [complete_run()] or [fail_run()] them. All belong to the parent's experiment.
#' `get_child_runs()` finds them; [list_runs()] shows them when asked to.
#'
#' In a session `parent_run` may be any run, also one that has ended. In a job, R or Python, it is the job's own run, the
#' default, or one below it. There no Python is needed: the job asks, and the process that runs it does what was asked. A
#' relative `source_directory` is relative to the job's working directory, which is itself a folder that can be submitted.
#'
#' @section Jobs in containers:
#' A child that a job in a container asks for runs in a container too, with any value of `docker`. Its environment is the parent's, or
#' another that is registered in the workspace. Network, mounts, user and secrets are the parent's at most; a wider option
#' is an error. Inputs are the parent's own, or up to 64 MB that the job can read. `outputs` can't be used there.
#'
#' @section Parents and children:
#' * [cancel_run()] of a run cancels all runs below it.
#' * A run whose script has ended well waits for its children: it is `Finalizing`, without a place in the queue, until they
#'   have ended. With `children = "detach"` in [estimator()] it ends at once, and they go on.
#' * A run that fails, for any cause, cancels its children; with `children = "detach"` they go on. One that reaches its
#'   time limit cancels them either way.
#' * Children that fail do not make their parent fail; its details name them among its warnings.
#' * Children made by hand in a job live as long as their parent, and end as it does unless they were ended before. Those made
#'   in a session are lost with it, as the run of [start_logging_run()] is.
#' * A job that waits for its children with [wait_for_run_completion()] lends them its place in the queue.
#'
#' @param parent_run A run; in a job by default its own.
#' @param config An [estimator()] or [script_run_config()].
#' @param tags Named list or character vector: text to find the run by later; for `get_child_runs()` only runs that have
#'   all of these.
#' @param name A title for people.
#' @param run_id The id it gets: `<experiment>_<up to 12 digits>_<8 hexadecimal digits>`; `NULL` for a new one.
#' @param outputs Folder whose files are kept as its outputs when it ends.
#' @param count How many to make, up to 1,000. Either this, or `tag_key` and `tag_values`.
#' @param tag_key Name of a tag.
#' @param tag_values Its values: one child is made for each.
#' @param recursive Also their children, and so on.
#' @param properties Named list: only runs that have all of these.
#' @param type Only runs of this type: `"script"`, `"command"` or `"interactive"`.
#' @param status Only runs in this state.
#' @return `submit_child_run()` and `create_child_run()` a `Run` object; the others a list of them, of class
#'   `espalier_runs`, in the order in which they were made.
#' @section Errors: those of [submit_experiment()]; `espalier_error_run_missing` (the parent),
#'   `espalier_error_run_exists`, `espalier_error_bad_name`; in a job `espalier_error_request_unanswered` when what was
#'   asked for is not answered, and `espalier_error_bad_argument` for a run that is not the job's own or below it.
#' @seealso [get_run_metrics()], whose `recursive = TRUE` collects the metrics of all runs below one
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "folds"))
#' folds <- create_child_runs(run, tag_key = "fold", tag_values = c("a", "b"))
#' for (fold in folds) {
#'   log_metric_to_run("rmse", 0.1, run = fold)
#'   complete_run(fold)
#' }
#' job <- submit_child_run(run, script_run_config(command = "echo hello"))
#' wait_for_run_completion(job, show_output = FALSE)
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
    espalier_abort("bad_argument", "Give either `count`, or `tag_key` and `tag_values`.")
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
