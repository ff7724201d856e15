#' Get a compute target
#'
#' Use this to run scripts of azuremlsdk that look for a compute target before they make one. Other scripts name the
#' target in the job: `compute_target = "local"` of [estimator()].
#'
#' `"local"` is this machine, `"docker"` a container on it, and other names are those of executors that Python packages
#' provide. Clusters (azuremlsdk's `create_aml_compute()`) aren't available.
#'
#' @param workspace A [workspace()].
#' @param cluster_name String: name of the target.
#' @return A list of class `espalier_compute_target` with `name`. `NULL` if no target has that name, as in azuremlsdk.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument has the wrong type.
#' @seealso [estimator()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' get_compute(ws, "local")
#' get_compute(ws, "cpu-cluster")
#' @export
get_compute <- function(workspace, cluster_name) {
  check_object(workspace, "Workspace", "workspace")
  check_string(cluster_name, "cluster_name")
  name <- workspace$get_compute(cluster_name)
  if (!is.null(name)) structure(list(name = name), class = "espalier_compute_target")
}

#' @export
print.espalier_compute_target <- function(x, ...) {
  cat(header("Compute target", encodeString(x$name)), "\n", sep = "")
  invisible(x)
}

#' The name of a target that is given by name or as `get_compute()` returned it
#' @noRd
target_name <- function(compute_target) {
  if (inherits(compute_target, "espalier_compute_target")) compute_target <- compute_target$name
  check_string(compute_target, "compute_target", null = TRUE)
}
