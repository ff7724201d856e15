# The image that environments.py built, found from R: the same definition, the same workspace.
library(espalier)
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE), fixed = TRUE))
source(file.path(here, "samples.R"))

work <- commandArgs(TRUE)[[1]]
ws <- workspace("bench", path = file.path(work, "environments"))
env <- r_environment(
  "bench", cran_packages = sprintf("filler%02d", 1:40), repositories = c(CRAN = readLines(file.path(work, "repository"))),
  custom_docker_image = "espalier-test-base:bookworm"
)
samples <- new_samples()

find <- function() {
  found <- suppressMessages(build_environment(ws, env, show_output = FALSE))
  stopifnot(found$found == "local")
}

find()
for (round in 0:20) samples$add("r.find", round, seconds(find()))
samples$write("environments.r")
