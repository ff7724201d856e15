#' Use a run's output as an input
#'
#' Use it to give a job a file or folder of another run of the same workspace, which may still be queued or running.
#'
#' The job waits until that run has ended, as with `depends_on`. It fails if that run fails or lacks the file. It finds
#' the file as any other input: by the argument `--data <path>`, the variable `ESPALIER_INPUT_DATA`, and [job_params()].
#'
#' @param run A run.
#' @param name String: an output that the run declares (`outputs` of [script_run_config()]), or a file or folder of it:
#'   `"outputs/model.rds"`, `"outputs"`, `"workdir/data/clean.csv"`.
#' @return An object of class `espalier_run_output`, for `inputs` of [estimator()] or [script_run_config()].
#' @section Errors:
#' These are raised by [submit_experiment()]:
#' * `espalier_error_bad_name`: `name` isn't a valid file name.
#' * `espalier_error_run_missing`: the run is of another workspace.
#' * `espalier_error_input_missing`: the run has failed, or has completed without the file.
#' @seealso [estimator()], [input_url()], [read_run_output()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' clean <- script_run_config(
#'   command = "echo 1,2 > outputs/clean.csv", outputs = c(clean = "outputs/clean.csv")
#' )
#' first <- submit_experiment(experiment(ws, "steps"), clean)
#' train <- script_run_config(
#'   command = "cat $ESPALIER_INPUT_DATA", inputs = list(data = run_output(first, "clean"))
#' )
#' second <- submit_experiment(experiment(ws, "steps"), train)
#' wait_for_run_completion(second)
#' @export
run_output <- function(run, name) {
  check_object(run, "Run", "run")
  check_string(name, "name")
  new_value(list(run = run$id, output = name), c("espalier_run_output", "espalier_input"))
}

#' @export
format.espalier_run_output <- function(x, ...) header("Input", encodeString(x$output), paste("run", x$run))
