# The tests of tests/docker/*.R: `make test-docker` starts the services and says in variables where they are.
needed <- nzchar(Sys.getenv("ESPALIER_TESTS_NEED_DOCKER"))
if (!nzchar(Sys.getenv("ESPALIER_TEST_IMAGE"))) {
  cat("No Docker engine: the R tests with one are skipped.\n")
  quit(status = as.integer(needed))
}
library(testthat)
library(espalier)
# (builds reach what listens on this machine; set before Python starts, which sees the variables of that moment)
Sys.setenv(ESPALIER_QUIET = "yes", NOT_CRAN = "true", ESPALIER_BUILD_NETWORK = "host")
install_espalier(c("secrets", "docker"))
test_dir("tests/docker", package = "espalier", load_package = "installed", reporter = "summary", stop_on_failure = TRUE)
