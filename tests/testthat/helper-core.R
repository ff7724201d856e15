# Tests that need the Python core skip, with the reason, where no Python is ready; they never make an environment.
skip_if_no_core <- function() {
  ready <- espalier_python_ready()
  if (!ready && Sys.getenv("ESPALIER_TESTS_NEED_CORE") == "yes") {
    stop("these tests must not be skipped here, and there is no Python for espalier: ", attr(ready, "reason"))
  }
  if (!ready) testthat::skip(paste("no Python for espalier:", attr(ready, "reason")))
}

# Code in an R of its own, with the package loaded; what it prints, a line each.
in_new_session <- function(code, env = character()) {
  path <- withr::local_tempfile(fileext = ".R", .local_envir = parent.frame())
  load <- if (dir.exists(file.path(getNamespaceInfo("espalier", "path"), "Meta"))) {
    sprintf("library(espalier, lib.loc = %s)", deparse(dirname(getNamespaceInfo("espalier", "path"))))
  } else {
    sprintf("pkgload::load_all(%s, quiet = TRUE, helpers = FALSE)", deparse(getNamespaceInfo("espalier", "path")))
  }
  writeLines(c(load, code), path)
  withr::local_envvar(env)
  suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", shQuote(path)), stdout = TRUE, stderr = TRUE))
}

# Variables of an R in which reticulate starts Python before espalier does: newer ones would else download a Python.
started_by_reticulate <- function() {
  c(RETICULATE_PYTHON = env_python(managed_env()), RETICULATE_CHECK_REQUIRED_PACKAGES = "false")
}
