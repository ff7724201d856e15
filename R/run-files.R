#' List and download the files of a run
#'
#' Use these to get what a job has written, also while it runs. `get_run_file_names()` lists the files. The others copy
#' one file, or all files whose names begin with `prefix`.
#'
#' The files are `outputs/...` and `logs/...`, the job's log `user_logs/std_log.txt`, and uploaded files. After the end
#' of the run, other files of the job's working copy are there as `workdir/...`, up to 1 GB in all.
#'
#' A copy replaces a file that is there already. Odd characters of names (backslashes, control
#' characters, bytes that aren't text) become `\\x` and two hex digits, as in `"outputs/a\\x0ab"`. A name that is too long for a copy
#' is shortened.
#'
#' @param run A run.
#' @param name String: the file, as `get_run_file_names()` lists it, also without `outputs/`. Or the name of an output
#'   that the run declares.
#' @param output_file_path Path of the copy: a file, or an existing folder. By default the working directory.
#' @param prefix String: only files whose names begin so. By default all.
#' @param output_directory Path of the folder for the copies, by default the working directory. Subfolders are made in
#'   it.
#' @param output_paths Character vector: the path of each copy instead, in the order of the names.
#' @param batch_size Ignored. It is there because azuremlsdk has it.
#' @param append_prefix `FALSE` leaves the folders of `prefix` out of the paths of the copies. The default is `TRUE`.
#' @return `get_run_file_names()` returns a character vector, the others the paths of the copies, invisibly.
#' @section Errors:
#' * `espalier_error_artifact_missing`: the run has no file of this name.
#' * `espalier_error_artifact_unsafe`: the file is a link or a device. `download_files_from_run()` copies all other
#'   files first, and names these in the field `failed`.
#' * `espalier_error_bad_name`: `name` isn't a valid file name.
#' @seealso [read_run_output()], [upload_files_to_run()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' job <- script_run_config(command = "echo hello > outputs/hello.txt")
#' run <- submit_experiment(experiment(ws, "files"), job)
#' wait_for_run_completion(run, show_output = FALSE)
#' get_run_file_names(run, prefix = "outputs/")
#' copy <- download_file_from_run(run, "outputs/hello.txt", tempfile())
#' readLines(copy)
#' @export
download_file_from_run <- function(run, name, output_file_path = NULL) {
  check_object(run, "Run", "run")
  check_string(name, "name")
  written <- when_too_late(
    run$download_file(name, path_argument(output_file_path %||% working_directory(), "output_file_path")),
    function(written) say(c(i = "{.path {written}} had been written before the interrupt."))
  )
  invisible(written)
}

#' @rdname download_file_from_run
#' @export
download_files_from_run <- function(run, prefix = NULL, output_directory = NULL, output_paths = NULL,
                                    batch_size = 100L, append_prefix = TRUE) {
  check_object(run, "Run", "run")
  check_string(prefix, "prefix", null = TRUE)
  check_count(batch_size, "batch_size", min = 1)
  check_flag(append_prefix, "append_prefix")
  folder <- path_argument(output_directory %||% working_directory(), "output_directory")
  if (!is.null(output_paths)) {
    check_texts(output_paths, "output_paths")
    home <- startsWith(output_paths, "~")
    output_paths[home] <- path.expand(output_paths[home])
  }
  written <- when_too_late(
    run$download_files(prefix, folder, output_paths, append_prefix = append_prefix),
    function(written) say(c(i = "{length(written)} file{?s} had been written before the interrupt."))
  )
  invisible(unlist(written))
}

#' @rdname download_file_from_run
#' @export
get_run_file_names <- function(run, prefix = NULL) {
  check_object(run, "Run", "run")
  run$get_file_names(check_string(prefix, "prefix", null = TRUE))
}
