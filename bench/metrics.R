# A run with a million points of one metric, read into R; beside reading the bytes of its log, and others' parsers.
library(espalier)
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE), fixed = TRUE))
source(file.path(here, "samples.R"))

work <- commandArgs(TRUE)[[1]]
rounds <- 7L
points <- 1e6L
samples <- new_samples()

run <- start_logging_run(experiment(workspace("metrics", path = file.path(work, "metrics")), "long"))
log_metric_to_run("loss", 1)
complete_run(run)
log <- Sys.glob(file.path(run$run_dir, "events", "*.jsonl"))
# (as log_metric_to_run() writes them, without waiting for a million calls)
set.seed(1)
more <- seq_len(points - 1L)
values <- 1 / (1 + more / 1000) + stats::rnorm(points - 1L, sd = 0.01)
json <- asNamespace("espalier")$json_value(values)
lines <- sprintf("{\"type\":\"metric\",\"seq\":%d,\"time\":%.6f,\"name\":\"loss\",\"kind\":\"double\",\"value\":%s}",
                 more, as.numeric(Sys.time()) + 1 + more / 1e4, json)
cat(lines, file = log, sep = "\n", append = TRUE)
rm(lines, json)

loads <- reticulate::py_run_string("
import json, pandas
def by_line(path):
    with open(path, 'rb') as file:
        return [event['value'] for event in map(json.loads, file) if event['type'] == 'metric']
def by_pandas(path):
    return pandas.read_json(path, lines=True)['value']
", convert = FALSE)
peers <- lapply(c(json = "by_line", pandas = "by_pandas"), function(name) reticulate::py_get_item(loads, name))

timed <- function(series, round, expr) {
  gc(FALSE)
  samples$add(series, round, seconds(expr))
}
for (round in 0:rounds) {
  timed("metrics", round, found <- get_run_metrics(run))
  timed("history", round, history <- get_run_metric_history(run))
  timed("bytes", round, readBin(log, "raw", file.size(log)))
}
stopifnot(identical(found$loss, c(1, values)), identical(history$value, c(1, values)), nrow(history) == points)
for (round in 1:3) {
  for (name in names(peers)) timed(name, round, reticulate::py_call(peers[[name]], log))
}
samples$write("metrics.r")
