#' Register and list environments
#'
#' Use these to share an environment by name among the jobs of a workspace, and to keep its versions. A few environments
#' come with espalier (`curated` in the list). To change one, register it under another name.
#'
#' A definition that differs from the newest version gets the next version. An equal one keeps that version. If the
#' definition names an earlier version and equals it, it keeps that one. Versions never change.
#'
#' @param environment An environment, as [r_environment()] returns it.
#' @param workspace A [workspace()].
#' @param name String: name of an environment.
#' @param version Version of the environment, a string or number. Default: the newest.
#' @return `register_environment()` and `get_environment()`: an `Environment` object.
#'
#'   `list_environments()`: a data frame with the newest version of each environment. Columns: `name`, `version`,
#'   `versions` (their number), `kind` (`"R"`, `"Python"`, `"R and Python"`, `"image"`, or `"damaged"` if the record
#'   can't be read), `description`, `registered_at`, `curated`.
#'
#'   `list_environment_versions()`: a data frame of one environment's versions, newest first. Columns: `version`,
#'   `kind`, `description`, `registered_at`.
#' @section Errors:
#' * `espalier_error_environment_missing`: the workspace has no such environment or version.
#' * `espalier_error_environment_damaged`: the record can't be read.
#' * `espalier_error_bad_name`: the name breaks the rule of [r_environment()].
#' * `espalier_error_workspace_read_only`: the workspace can't be written.
#' * `espalier_error_source_missing`, and the errors of [take_snapshot()]: about build contexts.
#' @seealso [r_environment()], [compare_environments()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' register_environment(r_environment("tidy", cran_packages = "glmnet"), ws)
#' register_environment(r_environment("tidy", cran_packages = c("glmnet", "ranger")), ws)
#' get_environment(ws, "tidy", version = 1)
#' list_environments(ws)
#' list_environment_versions(ws, "tidy")
#' @export
register_environment <- function(environment, workspace) {
  check_object(environment, "Environment", "environment")
  check_object(workspace, "Workspace", "workspace")
  withCallingHandlers(workspace$environments$register(environment), espalier_warning = function(w) {
    # (r_environment() has said it)
    warn_once(conditionMessage(w))
    invokeRestart("muffleWarning")
  })
}

#' @rdname register_environment
#' @export
get_environment <- function(workspace, name, version = NULL) {
  check_object(workspace, "Workspace", "workspace")
  workspace$environments$get(check_name(name), version_argument(version, "version"))
}

#' @rdname register_environment
#' @export
list_environments <- function(workspace) {
  check_object(workspace, "Workspace", "workspace")
  workspace$environments$list()
}

#' @rdname register_environment
#' @export
list_environment_versions <- function(workspace, name) {
  check_object(workspace, "Workspace", "workspace")
  workspace$environments$versions(check_name(name))
}

#' Compare two environments
#'
#' Use this to find out why an image is built again, or what changed between two versions. Names, versions,
#' descriptions, tags, variables and shared memory don't count, because the image is the same.
#'
#' @param a,b Environments: `a` before and `b` after the change.
#' @return A data frame with a row for each difference, such as a package. Columns: `field`, named as in
#'   [environment_yaml], and what was asked for, `before` and `after`, `NA` for nothing. It has no rows if both share an
#'   image.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument isn't an environment.
#' @seealso [register_environment()]
#' @examplesIf espalier:::espalier_python_ready()
#' before <- r_environment("tidy", r_version = "4.3", cran_packages = "glmnet")
#' after <- r_environment("tidy", r_version = "4.3", cran_packages = c("glmnet", "ranger"))
#' compare_environments(before, after)
#' @export
compare_environments <- function(a, b) {
  check_object(a, "Environment", "a")
  check_object(b, "Environment", "b")
  a$compare(b)
}
