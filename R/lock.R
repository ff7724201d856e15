# Locks: the exact packages that an environment was resolved to.

#' Lock an environment to exact versions
#'
#' Use it to run the same packages on every machine, and later. `lock_environment()` resolves an environment to exact
#' versions, with all packages it needs, and keeps them in the workspace. Builds and runs of the same definition use
#' these from then on. `get_environment_lock()` shows them.
#'
#' Nothing is installed. R packages are looked up in the environment's repositories, conda packages are solved by
#' py-rattler, and Python packages by uv, with their hashes. A new lock leads to a new image.
#'
#' Give the environment the versions of R and Python it is for (`r_version`). By default they are this session's R and
#' espalier's Python. If only a container can provide the environment, they are those of the default base images.
#'
#' @param workspace A [workspace()].
#' @param environment An environment, see [r_environment()].
#' @param refresh `TRUE` resolves to the newest versions again. The default is `FALSE`.
#' @return `lock_environment()` returns the environment, invisibly. `get_environment_lock()` returns a data frame with
#'   `package`, `version`, `origin` (`"cran"`, `"github"`, `"url"`, `"bioconductor"`, `"pip"`, `"conda"`), `url` and
#'   `digest` (`NA` if there are several). It has no rows for an environment without a lock.
#' @section Errors:
#' * `espalier_error_package_missing`: the repositories don't have a package.
#' * `espalier_error_lock_failed`: no versions fit together.
#' * `espalier_error_secret_missing`: the keyvault lacks a secret that a repository needs.
#' * `espalier_error_interpreter_missing`: R or Python wasn't found.
#' * `espalier_error_workspace_read_only`: the workspace can't be written.
#' @seealso [r_environment()], `vignette("environments")`
#' @examplesIf espalier:::espalier_python_ready()
#' # a repository with one package, in place of CRAN
#' folder <- tempfile()
#' contrib <- file.path(folder, "src", "contrib")
#' dir.create(contrib, recursive = TRUE)
#' writeLines(c("Package: tidy", "Version: 1.2"), file.path(contrib, "PACKAGES"))
#' package <- cran_package("tidy", repo = paste0("file://", folder))
#'
#' ws <- workspace("example", path = tempfile())
#' env <- r_environment("tidy", cran_packages = list(package))
#' lock_environment(ws, env)
#' get_environment_lock(ws, env)
#' @export
lock_environment <- function(workspace, environment, refresh = FALSE) {
  check_object(environment, "Environment", "environment")
  check_object(workspace, "Workspace", "workspace")
  refresh <- check_flag(refresh, "refresh")
  locked <- Environments__lock(workspace, environment, refresh, as.character(getRversion()))
  origins <- table(get_environment_lock(workspace, locked)$origin)
  say("Locked environment {.val {locked$name}}: {count_packages(origins)}.")
  invisible(locked)
}

# "3 packages of cran and 12 of pip"
count_packages <- function(origins) {
  counted <- paste(as.integer(origins), "of", names(origins))
  if (length(origins) == 0) return("it asks for no packages")
  counted[1] <- sub(" of", if (origins[[1]] == 1) " package of" else " packages of", counted[1])
  last <- length(counted)
  paste(c(if (last > 1) paste(counted[-last], collapse = ", "), counted[last]), collapse = " and ")
}

#' @rdname lock_environment
#' @export
get_environment_lock <- function(workspace, environment) {
  check_object(environment, "Environment", "environment")
  check_object(workspace, "Workspace", "workspace")
  Environments__packages(workspace, environment)
}
