# From the call of submit_experiment() to the return of wait_for_run_completion(), beside Rscript alone.
library(espalier)
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE), fixed = TRUE))
source(file.path(here, "samples.R"))

work <- commandArgs(TRUE)[[1]]
rounds <- 21L
project <- file.path(work, "project")
rscript <- file.path(R.home("bin"), "Rscript")
exp <- experiment(workspace("bench", path = file.path(work, "from-r")), "submit")
config <- estimator(project, entry_script = "train.R")
samples <- new_samples()

bare <- function() system2(rscript, shQuote(file.path(project, "train.R")), stdout = file.path(work, "bare.log"))

# (the line "Completed." is told, but not to the table)
submit_and_wait <- function(round) suppressMessages({
  submitting <- seconds(run <- submit_experiment(exp, config))
  waiting <- seconds(wait_for_run_completion(run, show_output = FALSE))
  samples$add("r.submit", round, submitting)
  samples$add("r.finished", round, submitting + waiting)
})

for (warm_up in 1:3) { # numbered 0: not reported
  bare()
  submit_and_wait(0L)
}
for (round in seq_len(rounds)) {
  samples$add("r.bare", round, seconds(bare()))
  submit_and_wait(round)
}
samples$write("submit.r")
