# A second file, so that the snapshot has something to look at.
double <- function(x) 2 * x
