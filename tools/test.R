# Runs the package's tests against the installed package, as its users have it.
library(testthat)
library(espalier)
install_espalier()
result <- as.data.frame(test_dir("tests/testthat", package = "espalier", load_package = "installed",
                                 reporter = "summary", stop_on_failure = FALSE))
failed <- sum(result$failed) + sum(result$error)
skipped <- sum(result$skipped)
cat(sprintf("\n%d passed, %d failed, %d skipped\n", sum(result$passed), failed, skipped))
if (failed > 0) quit(status = 1)
