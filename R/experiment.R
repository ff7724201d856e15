#' Experiments
#'
#' An experiment is a named group of runs. It comes into being with its first run.
#'
#' @param workspace A [workspace()].
#' @param name Name of the experiment; the rule is that of [workspace()].
#' @return An `Experiment` object.
#' @section Errors: `espalier_error_bad_name`, `espalier_error_bad_argument`.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' experiment(ws, "pima")
#' @export
experiment <- function(workspace, name) {
  check_object(workspace, "Workspace", "workspace")
  check_name(name)
  Experiment$new(identity = c(workspace = workspace$path, name = name))
}

#' Submit a job
#'
#' Freezes the job's folder, writes the run durably and starts it as soon as there is room. Returns at once; the job
#' goes on when R is closed or killed. Follow it with [wait_for_run_completion()], find it again with [list_runs()] or
#' [get_run()].
#'
#' A large folder takes a while the first time: its progress is shown. Interrupted (Ctrl-C, Esc) before the run is
#' written, nothing is submitted; after that the run exists, and its id is told.
#'
#' @param experiment An [experiment()].
#' @param config An [estimator()] or [script_run_config()].
#' @param tags Named list or character vector, text to find the run by later.
#' @param reuse Return the newest completed run of the experiment with the same program, arguments, snapshot,
#'   environment, inputs and seed, if there is one; a report knitted again then trains nothing anew.
#' @return A `Run` object.
#' @section Errors: `espalier_error_source_missing`, `espalier_error_source_unreadable`,
#'   `espalier_error_script_missing`, `espalier_error_input_missing`, `espalier_error_interpreter_missing`,
#'   `espalier_error_workspace_missing`, `espalier_error_workspace_read_only`. Nothing has been created then.
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
  told <- when_too_late(
    experiment$submit_values(values, named_strings(tags, "tags") %||% empty_object(), check_flag(reuse, "reuse")),
    tell_submitted_all_the_same
  )
  tell_submitted(told, values)
  if (isTRUE(told$reused)) {
    say(c(i = "Nothing has changed since run {.val {told$run_id}}: that one is returned, nothing is run."))
  }
  Run$new(identity = c(workspace = experiment$workspace$path, id = told$run_id))
}

#' A job as the core takes it, with the session that submits
#' @noRd
job_values <- function(config) {
  values <- unclass(config)
  values$session <- session_context(values$python, values$entry_script)
  values$python <- NULL
  if (length(values$command) == 1L && grepl("[[:space:]|;&<>$]", values$command[[1]])) values$command <- values$command[[1]]
  values
}

#' What there is to tell after a submit
#' @noRd
tell_submitted <- function(told, values) {
  if (is.null(values$session$r_package) && grepl("[.][rR]$", values$entry_script %||% "")) {
    inform_once("from_source", "espalier is loaded from source: jobs that call library(espalier) need it installed.")
  }
  for (note in unlist(told$notes)) inform_once(note, note, "note")
  for (text in told$warnings) say_warning(text)
}

tell_submitted_all_the_same <- function(told) {
  if (isTRUE(told$reused)) return()
  say(c(
    i = "Run {.val {told$run_id}} was submitted before the interrupt, and goes on.",
    " " = "Get it: {.code run <- get_run(ws, \"{told$run_id}\")}",
    " " = "Stop it: {.code cancel_run(run)}"
  ))
}

`%||%` <- function(x, y) if (is.null(x)) y else x

#' Record a run from this session
#'
#' Starts an interactive run: until [complete_run()], all `log_*_to_run()` functions of this session record into it.
#' If the session ends first, the run is Failed.
#'
#' @param experiment An [experiment()].
#' @param outputs Folder whose files are kept as the run's outputs when it completes.
#' @param snapshot_directory Folder to keep a snapshot of.
#' @param outside_links What becomes of links that lead out of that folder, see [snapshot_preview()].
#' @return A `Run` object.
#' @section Errors: `espalier_error_source_missing`, `espalier_error_source_unreadable`, `espalier_error_workspace_missing`,
#'   `espalier_error_workspace_read_only`.
#' @seealso [complete_run()]
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
      check_outside_links(outside_links)
    ),
    function(run) {
      say(c(i = "Run {.val {run$id}} was begun before the interrupt.",
            " " = "End it: {.code fail_run(get_run(ws, \"{run$id}\"))}"))
    }
  )
  set_active_run(run$run_dir)
  run
}

#' Runs of an experiment
#'
#' `list_runs()` gives a data frame, a row a run, newest first: ids, status, times, duration, error, and a column for each
#' tag (`tag_*`), parameter (`param_*`) and metric (`metric_*`, its last value). `get_runs_in_experiment()` gives
#' azuremlsdk's list of runs, printed as that table.
#'
#' Runs that have a parent are left out unless asked for: the column `children` says how many children a run has, `parent`
#' whose child it is. [get_child_runs()] finds those of one run.
#'
#' A run with a damaged record, or an ended one with a damaged event log, has the status `"Damaged"`, one written by a
#' newer version `"Unreadable"`; `error` names the file and what was found, and printing shows it below the table. The
#' other runs are listed as usual.
#'
#' @param x An [experiment()] or a [workspace()].
#' @param experiment An [experiment()].
#' @param type Only runs of this type: `"script"`, `"command"` or `"interactive"`.
#' @param tags,properties Named list: only runs that have all of these.
#' @param include_children Also runs that have a parent.
#' @return A data frame; a list of `Run` objects of class `espalier_runs`.
#' @section Errors: `espalier_error_workspace_missing`.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' log_metric_to_run("loss", 0.1)
#' complete_run(run)
#' list_runs(ws)[, c("run_id", "status", "metric_loss")]
#' @export
list_runs <- function(x, include_children = FALSE) {
  if (!inherits(x, c("Experiment", "Workspace"))) {
    abort_argument("x", "an experiment or a workspace", x)
  }
  structure(x$list_runs(check_flag(include_children, "include_children")), class = c("espalier_run_table", "data.frame"))
}

#' @rdname list_runs
#' @export
get_runs_in_experiment <- function(experiment, type = NULL, tags = NULL, properties = NULL, include_children = FALSE) {
  check_object(experiment, "Experiment", "experiment")
  runs <- experiment$get_runs(
    type, if (length(tags)) named_strings(tags, "tags"), if (length(properties)) named_strings(properties, "properties"),
    check_flag(include_children, "include_children")
  )
  structure(runs, class = "espalier_runs", experiment = experiment)
}

#' @export
as.data.frame.espalier_runs <- function(x, ...) {
  table <- list_runs(attr(x, "experiment"), include_children = TRUE)
  ids <- vapply(x, function(run) run$id, "")
  table <- table[match(ids, table$run_id), , drop = FALSE]
  rownames(table) <- NULL
  table
}

#' @export
`[.espalier_runs` <- function(x, i) {
  structure(NextMethod(), class = "espalier_runs", experiment = attr(x, "experiment"))
}

#' @export
print.espalier_runs <- function(x, ...) {
  print(if (is.null(job_dir())) as.data.frame(x) else states_of_runs(x), ...)
  invisible(x)
}

# What a job can say of runs without Python.
states_of_runs <- function(runs) {
  table <- data.frame(
    run_id = vapply(runs, function(run) identity_of(run)[["id"]], ""),
    status = vapply(runs, function(run) run_state(run_folder(identity_of(run))), "")
  )
  structure(table, class = c("espalier_run_table", "data.frame"))
}

#' @export
print.espalier_run_table <- function(x, n = 20L, ...) {
  if (!nrow(x)) {
    cat("No runs yet.\n")
    return(invisible(x))
  }
  shown <- utils::head(run_table_view(x), n)
  print.data.frame(shown, row.names = FALSE, right = FALSE)
  more <- nrow(x) - nrow(shown)
  if (more > 0) cat(sprintf("... and %d more; as.data.frame() and View() show all.\n", more))
  cat(damage_notes(utils::head(x, n)), sep = "")
  invisible(x)
}

# A line for each run that cannot be read whole: where, and what was found.
damage_notes <- function(x) {
  if (!all(c("run_id", "status", "error") %in% names(x))) return(character())
  x <- x[x$status %in% c("Damaged", "Unreadable"), , drop = FALSE]
  sprintf("%s is %s: %s\n", x$run_id, tolower(x$status), gsub("[\r\n]+", " ", safe_line(x$error)))
}

#' @export
as.data.frame.espalier_run_table <- function(x, ...) {
  class(x) <- "data.frame"
  x
}

# The columns a person looks at first: the rest stays in the data frame.
run_table_view <- function(x) {
  has <- function(name) name %in% names(x)
  view <- data.frame(run_id = if (has("run_id")) x$run_id else seq_len(nrow(x)), stringsAsFactors = FALSE)
  if (has("status")) view$status <- x$status
  if (has("parent") && !all(is.na(x$parent))) view$parent <- x$parent
  if (has("children") && any(x$children > 0L, na.rm = TRUE)) view$children <- x$children
  if (has("created_at")) view$submitted <- format(x$created_at, "%Y-%m-%d %H:%M:%S", tz = "")
  if (has("duration_seconds")) view$took <- format_seconds(x$duration_seconds)
  found <- grep("^(tag|param|metric)_", names(x), value = TRUE)
  short <- sub("^(tag|param|metric)_", "", found)
  # a name that two columns would bear is written in full
  twice <- short %in% c(names(view), short[duplicated(short)])
  short[twice] <- found[twice]
  view[short] <- lapply(unclass(x)[found], shown_cells)
  view
}

shown_cells <- function(column) {
  if (is.double(column)) return(signif(column, 4))
  if (!is.character(column)) return(column)
  long <- !is.na(column) & nchar(column, "chars") > 40L
  column[long] <- paste0(substr(column[long], 1L, 37L), "...")
  column
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
