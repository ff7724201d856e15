# What `tests/services/up.sh` said is where the services are.

test_that("R finds the repository of the tests", {
  found <- available.packages(repos = Sys.getenv("ESPALIER_TEST_CRAN"), type = "source")
  expect_identical(found[["versions", "Version"]], "2.0.0")
  then <- available.packages(repos = Sys.getenv("ESPALIER_TEST_DATED_CRAN"), type = "source")
  expect_identical(then[["versions", "Version"]], "1.1.0")
})
