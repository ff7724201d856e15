#' Read the log of a run
#'
#' Use these when a run failed and its error message isn't enough. `get_run_log()` returns what the job printed, also
#' while it runs. `get_run_traceback()` returns the calls that led to its error.
#'
#' Lines are as a terminal shows them in the end: a progress bar is one line, without control sequences.
#' [download_file_from_run()] copies the log byte for byte.
#'
#' @param run A run.
#' @param n Number: how many of the last lines to return. By default all. Of a log above 16 MB the beginning is left
#'   out, and the first line reports it.
#' @param name String: another text file of the run, as [get_run_file_names()] lists it. By default the job's log.
#' @return A character vector of class `espalier_log`, an element for each line, which prints as text.
#'   `get_run_traceback()` returns the calls, outermost first, each with `at file:line` if it was found in the job's
#'   files. For a Python script these are the lines of its traceback. The vector is empty if there are no known calls.
#' @section Errors:
#' * `espalier_error_run_missing`: the run doesn't exist.
#' * `espalier_error_artifact_missing`: the run has no file of this name.
#' * `espalier_error_artifact_unsafe`: the file is a link or a device.
#' @seealso [wait_for_run_completion()], which shows the log as it grows.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- submit_experiment(experiment(ws, "log"), script_run_config(command = "seq 100"))
#' wait_for_run_completion(run, show_output = FALSE)
#' get_run_log(run, n = 3)
#' get_run_traceback(run)
#' @export
get_run_log <- function(run, n = NULL, name = "user_logs/std_log.txt") {
  check_object(run, "Run", "run")
  if (identical(n, Inf)) n <- NULL
  check_count(n, "n", null = TRUE, min = 0)
  structure(run$get_log(n, check_string(name, "name")), class = "espalier_log")
}

#' @rdname get_run_log
#' @export
get_run_traceback <- function(run) {
  check_object(run, "Run", "run")
  calls <- run$get_traceback()
  nothing <- if (!length(calls)) no_traceback_text(run)
  structure(calls, class = "espalier_log", nothing = nothing)
}

#' Why a run has no traceback
#' @noRd
no_traceback_text <- function(run) {
  status <- run$get_status()
  if (status != "Failed") return(sprintf("No traceback: the run didn't fail. Its status is %s.", status))
  "No traceback: the calls of the error are unknown, as of a syntax error. get_run_log(run) shows the log."
}
