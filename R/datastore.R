# The default datastore: azuremlsdk's verbs for a folder of the workspace.

#' Upload files to the default datastore
#'
#' Use these to run scripts of azuremlsdk that upload their data first. Jobs that read a folder of your own don't need
#' them: give the folder as an input, see [estimator()].
#'
#' The default datastore is a folder of the workspace, `datastores/default/`. `datastore$path("irisdata")` names a file
#' or folder in it. Among the `script_params` or `inputs` of a job that is an input: it is recorded by its digest, and
#' the script gets `--name path`. In this session it is the path as text: `list.files(datastore$path("irisdata"))`.
#'
#' Other datastores of azuremlsdk, and its datasets, aren't available.
#'
#' @param workspace A [workspace()].
#' @param datastore The result of `get_default_datastore()`.
#' @param files Character vector or list of paths of files.
#' @param relative_root String: folder whose structure is kept. With `relative_root = "data"` the file `data/2026/a.csv`
#'   becomes `2026/a.csv`. Default: files lose their folders.
#' @param target_path String: folder in the datastore. Default: its top.
#' @param overwrite Logical: whether files that are there are replaced. Default: `FALSE`, they stay, with a message.
#' @param show_progress Logical: whether a message reports what was uploaded. Default: `TRUE`.
#' @return `get_default_datastore()`: a `Datastore` object. `upload_files_to_datastore()`: invisibly, the path of
#'   `target_path`, of class `espalier_data_path`.
#' @section Errors: Nothing is uploaded then.
#' * `espalier_error_source_missing`: a file isn't there.
#' * `espalier_error_bad_name`: a path leads out of the datastore.
#' * `espalier_error_bad_argument`: two files would get one name.
#' @seealso [estimator()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' datastore <- get_default_datastore(ws)
#' file <- file.path(tempdir(), "iris.csv")
#' write.csv(iris, file, row.names = FALSE)
#' upload_files_to_datastore(datastore, list(file), target_path = "irisdata")
#' datastore$files()
#' list.files(datastore$path("irisdata"))
#' @export
get_default_datastore <- function(workspace) {
  check_object(workspace, "Workspace", "workspace")
  DefaultDatastore$new(identity = identity_of(workspace$datastore))
}

#' @rdname get_default_datastore
#' @export
upload_files_to_datastore <- function(datastore, files, relative_root = NULL, target_path = NULL, overwrite = FALSE,
                                      show_progress = TRUE) {
  check_object(datastore, "Datastore", "datastore")
  if (is.list(files)) files <- vapply(files, check_string, "", arg = "files")
  check_texts(files, "files")
  check_flag(show_progress, "show_progress")
  paths <- vapply(files, absolute_path, "", arg = "files", USE.NAMES = FALSE)
  kept <- datastore$upload_files(as.list(paths), path_argument(relative_root, "relative_root"), target_path, overwrite)
  if (show_progress) {
    say(c(
      v = if (length(kept) < length(files)) "Uploaded {length(files) - length(kept)} file{?s} to the default datastore.",
      i = if (length(kept)) "{.path {kept}} {?is/are} there already. {.code overwrite = TRUE} replaces {?it/them}."
    ))
  }
  invisible(datastore$path(target_path))
}

#' A path in a datastore, which is an input wherever a job takes it
#' @noRd
DefaultDatastore <- R6::R6Class("DefaultDatastore",
  inherit = Datastore,
  cloneable = FALSE,
  public = list(
    path = function(path = NULL) structure(super$path(path), class = "espalier_data_path")
  )
)

#' @export
object_title.DefaultDatastore <- function(x) "default"

#' @export
print.espalier_data_path <- function(x, ...) {
  cat(header("Data path", encodeString(unclass(x))), "\n", sep = "")
  invisible(x)
}

#' @export
as.character.espalier_data_path <- function(x, ...) unclass(x)

#' Script parameters that are paths in a datastore are inputs
#' @return A list of `script_params` and `inputs`.
#' @noRd
params_and_inputs <- function(script_params, inputs) {
  is_data <- vapply(script_params, inherits, NA, "espalier_data_path")
  if (!any(is_data)) return(list(script_params = script_params, inputs = inputs))
  if (any(!nzchar(names(script_params)[is_data] %||% ""))) {
    espalier_abort("bad_argument", "A path of the datastore in `script_params` has no name.",
                   "Give the parameter's name: script_params = list(\"--data\" = datastore$path(\"a.csv\")).",
                   argument = "script_params")
  }
  data <- stats::setNames(script_params[is_data], sub("^-+", "", names(script_params)[is_data]))
  list(script_params = script_params[!is_data], inputs = c(as.list(inputs), data))
}
