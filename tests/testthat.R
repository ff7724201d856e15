library(testthat)
library(espalier)

test_check("espalier")
