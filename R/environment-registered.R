#' Register and list environments
#'
#' `register_environment()` keeps a definition in the workspace under its name. One that is equal to the newest keeps
#' that version; another gets the next version, even if it names one. One equal to the version that it names keeps
#' that. Versions never change. A few environments come with espalier, ready to use
#' (`curated` in the list); to change one, register it under another name.
#'
#' @param environment An environment, made by [r_environment()] or others.
#' @param workspace A [workspace()].
#' @param name Name of an environment.
#' @param version Its version; by default the newest.
#' @return `register_environment()` and `get_environment()` an `Environment`. `list_environments()` a data frame with the
#'   newest version of each: `name`, `version`, `versions` (how many), `kind` (`"R"`, `"Python"`, `"R and Python"`,
#'   `"image"`; `"damaged"` where the record cannot be read), `description`, `registered_at`, `curated`.
#'   `list_environment_versions()` a data frame of one environment's versions, newest first.
#' @section Errors: `espalier_error_environment_missing`, `espalier_error_environment_damaged`, `espalier_error_bad_name`,
#'   `espalier_error_workspace_read_only`; for build contexts `espalier_error_source_missing` and as for [take_snapshot()].
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
#' Environments with different names, versions, descriptions, tags, variables or shared memory are the same image. What makes
#' a difference is listed, a package a row.
#'
#' @param a,b Environments. `a` is how it was, `b` how it is now.
#' @return A data frame: `field`, named as in [environment_yaml]; what was asked for `before` and `after`, `NA` where
#'   nothing was. No rows: what was built for one serves the other.
#' @section Errors: `espalier_error_bad_argument`.
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
