# 100,000 parts of a run, written by one R process and read into a data frame; beside cat() of the same lines to an open
# file, and what R users write otherwise: a row a part appended by data.table, a line a part made by jsonlite.
library(espalier)
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE), fixed = TRUE))
source(file.path(here, "samples.R"))

work <- commandArgs(TRUE)[[1]]
batches <- 20L
calls <- 5000L
samples <- new_samples()

run <- start_logging_run(experiment(workspace("parts", path = file.path(work, "parts")), "many"))
set.seed(1)
n <- batches * calls
keys <- paste0("store-", seq_len(n))
rmse <- stats::runif(n)

logged <- function(at) {
  for (i in at) log_part_to_run(keys[i], metrics = list(rmse = rmse[i], mae = rmse[i] / 2, n = i), seconds = rmse[i])
}
catted <- function(lines, con) for (line in lines) cat(line, "\n", sep = "", file = con)
by_table <- function(at, file) {
  for (i in at) data.table::fwrite(list(keys[i], "Completed", rmse[i], rmse[i] / 2, i, rmse[i]), file, append = TRUE)
}
by_jsonlite <- function(at, con) {
  for (i in at) {
    part <- list(key = keys[i], status = "Completed", seconds = rmse[i], metrics = list(rmse = rmse[i], mae = rmse[i] / 2, n = i))
    writeLines(jsonlite::toJSON(part, auto_unbox = TRUE, digits = NA), con)
  }
}

lines_of <- function() readLines(Sys.glob(file.path(run$run_dir, "parts", "*.jsonl")))
con <- file(file.path(work, "limit-parts"), open = "ab")
other <- file(file.path(work, "jsonlite-parts"), open = "ab")
for (batch in seq_len(batches)) {
  at <- (batch - 1L) * calls + seq_len(calls)
  # (what the bench itself has read is garbage that no user's session would have)
  lines <- NULL
  gc(FALSE)
  samples$add("write", batch, seconds(logged(at)) / calls * n)
  lines <- utils::tail(lines_of(), calls)
  samples$add("cat", batch, seconds(catted(lines, con)) / calls * n)
  some <- at[1:500]
  if (requireNamespace("data.table", quietly = TRUE)) {
    samples$add("fwrite", batch, seconds(by_table(some, file.path(work, "table-parts"))) / 500 * n)
  }
  samples$add("jsonlite", batch, seconds(by_jsonlite(some, other)) / 500 * n)
}
close(con)
close(other)

log <- Sys.glob(file.path(run$run_dir, "parts", "*.jsonl"))
streamed <- function() jsonlite::stream_in(file(log), verbose = FALSE)
for (round in 0:9) {
  gc(FALSE)
  samples$add("read", round, seconds(found <- list_parts(run)))
  samples$add("bytes", round, seconds(readBin(log, "raw", file.size(log))))
}
stopifnot(identical(found$key, keys), identical(found$rmse, rmse), identical(found$n, seq_len(n)))
samples$add("stream_in", 1L, seconds(streamed()))
complete_run(run)
samples$write("parts.r")
