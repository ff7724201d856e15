#' Read the log of a run
#'
#' `get_run_log()` returns what a job printed, also while it runs. `get_run_traceback()` returns the calls that led to its
#' error. Both are what to look at when a run failed and the error message isn't enough.
#'
#' Lines are as a terminal would show them in the end: a progress bar is one line, without control sequences. The file
#' itself, byte for byte, is at `get_run_details(run)$logFiles`, and [download_file_from_run()] copies it.
#'
#' @param run A run.
#' @param n How many of the last lines to return. All by default; of a log above 16 MB the beginning is left out, which
#'   the first line reports.
#' @param name Name of another text file of the run, as [get_run_file_names()] lists it.
#' @return A character vector of class `espalier_log`, a line an element, that prints as text. `get_run_traceback()`
#'   returns the calls, outermost first, each with `at file:line` where it was found in the job's files, or the lines of a Python traceback. It is empty if the run didn't fail, or if its
#'   calls are unknown.
#' @section Errors: `espalier_error_run_missing`, `espalier_error_artifact_missing`, `espalier_error_artifact_unsafe`.
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
