library(testthat)
library(espalier)

# (a pattern of file names, by which the check of a tree whose tests have passed already repeats only some)
only <- Sys.getenv("ESPALIER_TESTS_ONLY")
test_check("espalier", filter = if (nzchar(only)) only)
