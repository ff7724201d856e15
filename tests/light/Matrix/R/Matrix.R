# reticulate loads Matrix for one function, which espalier never calls. That takes a second in each of the hundred R
# sessions that the tests start, most of what they would cost; so `make test-r` puts this package in front of it.
# R CMD check (tools/cran.sh) repeats the tests of sessions with the real one.
Matrix <- function(...) stop("This is not Matrix: see tests/light")
expm <- Matrix  # (survival's)
