# The preview of 10,000 files, from R.
library(espalier)
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE), fixed = TRUE))
source(file.path(here, "samples.R"))

folder <- file.path(commandArgs(TRUE)[[1]], "trees", "mixed")
rounds <- 21L
samples <- new_samples()

for (round in 0:rounds) { # the first starts Python and is not reported
  samples$add("r.preview", round, seconds(preview <- preview_snapshot(folder)))
}
stopifnot(sum(preview$included) == 10004L)
samples$write("snapshot.r")
