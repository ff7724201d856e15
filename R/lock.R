# Locks: the exact packages that an environment was resolved to.

#' Lock an environment to exact versions
#'
#' An environment may ask for packages without saying in which version. `lock_environment()` resolves it, with all that
#' its packages need, to exact versions and keeps these in the workspace: builds and runs of the same definition take them
#' from then on, on every machine. `get_environment_lock()` shows them.
#'
#' R packages are looked up in the indexes of the environment's repositories, packages of conda channels are solved by
#' py-rattler, and those of pip by uv, with their hashes. Nothing is installed. The lock is part of the environment's key:
#' another lock, another image.
#'
#' Packages are resolved for the versions of R and Python that the environment asks for; so say which (`r_version`).
#' Otherwise they are the R of this session and espalier's own Python, or, if only a container can give what the environment asks for, those of the
#' default base images.
#'
#' @param environment An environment, see [r_environment()].
#' @param workspace A [workspace()].
#' @param refresh Resolve again what was resolved before: to the newest versions.
#' @return `lock_environment()`: the environment, invisibly. `get_environment_lock()`: a data frame with `package`, `version`,
#'   `origin` (`"cran"`, `"github"`, `"url"`, `"bioconductor"`, `"pip"`, `"conda"`), `url` and `digest` (`NA` where there
#'   is not one but several); without rows for an environment that was never locked.
#' @section Errors: `espalier_error_package_missing`, `espalier_error_lock_failed`, `espalier_error_secret_missing`,
#'   `espalier_error_interpreter_missing`, `espalier_error_workspace_read_only`.
#' @examplesIf espalier:::espalier_python_ready()
#' # a repository with one package, in place of CRAN
#' folder <- tempfile()
#' contrib <- file.path(folder, "src", "contrib")
#' dir.create(contrib, recursive = TRUE)
#' writeLines(c("Package: tidy", "Version: 1.2"), file.path(contrib, "PACKAGES"))
#'
#' ws <- workspace("example", path = tempfile())
#' package <- cran_package("tidy", repo = paste0("file://", folder))
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
  say("Environment {.val {locked$name}} is locked: {count_packages(origins)}.")
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
