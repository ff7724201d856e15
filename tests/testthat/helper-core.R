# Tests that need the Python core skip, with the reason, where no Python is ready; they never make an environment.
skip_if_no_core <- function() {
  ready <- espalier_python_ready()
  if (!ready && Sys.getenv("ESPALIER_TESTS_NEED_CORE") == "yes") {
    stop("these tests must not be skipped here, and there is no Python for espalier: ", attr(ready, "reason"))
  }
  if (!ready) testthat::skip(paste("no Python for espalier:", attr(ready, "reason")))
}
