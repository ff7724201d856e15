#' Use a run's output as an input
#'
#' `inputs = list(data = run_output(run, "outputs/data.csv"))` gives a job a file or folder of another run of the same
#' workspace. The run may still be queued or running: the job then waits for it, as with `depends_on`, and fails if that
#' run fails or has no such file in the end. The job finds the file as any other input: `--data <path>`, the variable
#' `ESPALIER_INPUT_DATA`, and `job_params()`.
#'
#' @param run A run.
#' @param name Name of an output that the run declares (`outputs` of [script_run_config()]), or of a file or folder, as [get_run_file_names()] lists it: `"outputs/model.rds"`, `"outputs"`,
#'   `"workdir/data/clean.csv"`.
#' @return An object that names the output, for `inputs`.
#' @section Errors: At submit: `espalier_error_bad_name`, `espalier_error_run_missing` for a run of another workspace,
#'   `espalier_error_input_missing` for a run that has failed, or that has completed without the file.
#' @seealso [estimator()], [input_url()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' clean <- script_run_config(
#'   command = "echo 1,2 > outputs/clean.csv", outputs = c(clean = "outputs/clean.csv")
#' )
#' first <- submit_experiment(experiment(ws, "steps"), clean)
#' train <- script_run_config(command = "cat $ESPALIER_INPUT_DATA",
#'                            inputs = list(data = run_output(first, "clean")))
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
