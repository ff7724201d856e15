# One scalar logged from R, beside what R itself needs for one line written and flushed. No Python runs here.
library(espalier)
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE), fixed = TRUE))
source(file.path(here, "samples.R"))

work <- commandArgs(TRUE)[[1]]
batches <- 40L
calls <- 500L
samples <- new_samples()

# As inside a job: the run's folder comes from the environment.
run_dir <- file.path(work, "run-r")
dir.create(run_dir, recursive = TRUE)
Sys.setenv(ESPALIER_RUN_DIR = run_dir)

line <- "{\"type\":\"metric\",\"seq\":1234,\"time\":1764000001.512345,\"name\":\"auc\",\"kind\":\"double\",\"value\":0.9123456789}"
con <- file(file.path(work, "limit-r"), open = "ab")
values <- runif(calls)

logged <- function() for (value in values) log_metric_to_run("auc", value)
written <- function() {
  for (value in values) {
    writeLines(line, con)
    flush(con)
  }
}

logged()
written()
for (batch in seq_len(batches)) {
  samples$add("r.log", batch, seconds(logged()) / calls)
  samples$add("r.write", batch, seconds(written()) / calls)
}
close(con)
stopifnot(length(readLines(Sys.glob(file.path(run_dir, "events", "*.jsonl")))) == (batches + 1L) * calls + 1L)
samples$write("log.r")
