#' List and download the files of a run
#'
#' `get_run_file_names()` lists what a run has, also while it runs: `outputs/...` and `logs/...` as the job writes them,
#' its log `user_logs/std_log.txt`, and what was uploaded. When it has ended, files that the job wrote anywhere else in its
#' working copy are there as `workdir/...`, up to 1 GB in all (see `vignette("how-a-run-works")`). The others copy one file, or all whose names begin with
#' `prefix`. Each file appears whole at its place, or not at all; one that is there already is replaced.
#'
#' A job may give its files any name. A backslash, a control character or a byte that isn't text is listed as `\\x` and two
#' hex digits (`"outputs/a\\x0ab"`), and the copy gets that name. A name that is too long for a copy is shortened.
#'
#' @param run A run.
#' @param name Name of the file, as `get_run_file_names()` lists it, also without `outputs/`; or the name of an output
#'   that the run declares.
#' @param output_file_path Where to: a file, or a folder that exists. The working directory by default.
#' @param prefix Only files whose names begin so.
#' @param output_directory Where to; the working directory by default. Folders of the names are made in it.
#' @param output_paths Where each file goes instead, in the order of their names.
#' @param batch_size As in azuremlsdk; ignored.
#' @param append_prefix `FALSE` to leave the folders of `prefix` out of the paths written.
#' @return `get_run_file_names()` a character vector; the others the paths written, invisibly.
#' @section Errors: `espalier_error_artifact_missing`; `espalier_error_artifact_unsafe` for links and devices, which are
#'   never followed (`download_files_from_run()` copies all other files first, and names in the field `failed` those it
#'   could not); `espalier_error_bad_name`.
#' @seealso [upload_files_to_run()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' job <- script_run_config(command = "echo hello > outputs/hello.txt")
#' run <- submit_experiment(experiment(ws, "files"), job)
#' wait_for_run_completion(run, show_output = FALSE)
#' get_run_file_names(run, prefix = "outputs/")
#' readLines(download_file_from_run(run, "outputs/hello.txt", tempfile()))
#' download_files_from_run(run, "outputs/", tempfile("copies"))
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
