# Tests that need the Python core skip, with the reason, where no Python is ready; they never make an environment.
skip_if_no_core <- function() {
  ready <- espalier_python_ready()
  if (!ready) testthat::skip(paste("no Python for espalier:", attr(ready, "reason")))
}
