# One call from R: a generated method and properties, beside reticulate's bare call of a function that does the same.
library(espalier)
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE), fixed = TRUE))
source(file.path(here, "samples.R"))

work <- commandArgs(TRUE)[[1]]
batches <- 41L # the first warms up and is not reported
calls <- 200L
samples <- new_samples()

run <- start_logging_run(experiment(workspace("calls", path = file.path(work, "calls")), "calls"))
log_metric_to_run("auc", 0.9)
complete_run(run)

# What no bridge could undercut: text in, the core's own work, text out.
bare <- function(body) {
  code <- sprintf("lambda text: __import__('espalier').Run(%s, %s).%s",
                  shQuote(run$workspace_path, "cmd"), shQuote(run$id, "cmd"), body)
  reticulate::py_eval(code)
}
bare_dir <- bare("run_dir")
bare_status <- bare("get_status()")

measured <- list(
  own = function() run$id,
  property = function() run$run_dir,
  method = function() run$get_status(),
  bare.property = function() bare_dir("text"),
  bare.method = function() bare_status("text")
)
stopifnot(identical(measured$property(), measured$bare.property()), identical(measured$method(), "Completed"))
batch <- function(call) for (i in seq_len(calls)) call()
for (number in seq_len(batches) - 1L) {
  for (name in names(measured)) samples$add(name, number, seconds(batch(measured[[name]])) / calls)
}
samples$write("calls.r")
