# Runs the package's tests against the installed package, as its users have it. With ESPALIER_SLOW_TESTS, as in CI, also
# what takes long, and nothing may be skipped.
library(testthat)
library(espalier)
install_espalier(c("secrets", "docker", "cli", "scanner"))

in_ci <- nzchar(Sys.getenv("ESPALIER_SLOW_TESTS"))
available <- tryCatch(grep("^MemAvailable", readLines("/proc/meminfo"), value = TRUE), error = function(e) character())
has_memory <- length(available) == 1L && as.numeric(gsub("\\D", "", available)) > 1e7 # kB
if (in_ci && has_memory) Sys.setenv(ESPALIER_BIG_TESTS = "yes")
if (in_ci && !has_memory) cat("The test of vectors beyond 2^31 bytes is left out: it needs 7 GB of free memory.\n")

# (the vignettes that `make cran` builds are looked at there)
run_tests <- function(filter = if (in_ci) "^(?!vignettes$)") {
  result <- test_dir("tests/testthat", filter, perl = TRUE, package = "espalier", load_package = "installed",
                     reporter = "summary", stop_on_failure = FALSE)
  as.data.frame(result)
}

result <- run_tests()
# What fails beside other work and passes by itself is reported and fails no build, see tools/tests.py.
bad <- result$failed > 0 | result$error
files <- unique(result$file[bad])
if (any(bad) && length(files) <= 3L) {
  cat("\nOnce more, by themselves:", files, "\n")
  again <- run_tests(sprintf("^(%s)$", paste(sub("^test-(.*)\\.R$", "\\1", files), collapse = "|")))
  if (!any(again$failed > 0 | again$error)) {
    cat(sprintf("\nFLAKY %s: %s", result$file[bad], result$test[bad]))
    result <- rbind(result[!result$file %in% files, ], again)
  }
}
failed <- sum(result$failed) + sum(result$error)
skipped <- sum(result$skipped)
took <- sort(tapply(result$real, result$file, sum), decreasing = TRUE)
cat("\nSlowest files, seconds:\n", sprintf("%5.1f %s\n", head(took, 20), names(head(took, 20))), sep = "")
cat(sprintf("\n%d passed, %d failed, %d skipped\n", sum(result$passed), failed, skipped))
if (failed > 0 || (in_ci && skipped > !has_memory)) quit(status = 1)
