# All runs of the workspace that index.py made, as a data frame, in seconds of the processor as there; and the memory
# that this R held.
library(espalier)
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE), fixed = TRUE))
source(file.path(here, "samples.R"))

work <- commandArgs(TRUE)[[1]]
samples <- new_samples()
ws <- get_workspace("many", path = file.path(work, "many"))
status <- function(name) {
  line <- grep(paste0("^", name, ":"), readLines("/proc/self/status"), value = TRUE)
  1024 * as.numeric(gsub("\\D", "", line))
}

cpu <- function(expr) {
  before <- proc.time()
  force(expr)
  sum((proc.time() - before)[1:2])
}

invisible(nrow(list_runs(ws, n = 1)))
samples$add("session.r", 1L, status("VmRSS"))
for (round in 0:5) {
  gc(FALSE)
  samples$add("all.r", round, cpu(runs <- list_runs(ws)))
}
stopifnot(is.data.frame(runs), nrow(runs) > 1000L)
gc(FALSE)
samples$add("all.r.held", 1L, status("VmRSS"))
samples$add("all.r.peak", 1L, status("VmHWM"))
samples$write("index.r")
