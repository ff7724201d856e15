# Samples of the R scripts, written for report.py: one line each, series,round,seconds.

seconds <- function(expr) {
  began <- Sys.time()
  force(expr)
  as.numeric(Sys.time() - began, units = "secs")
}

new_samples <- function() {
  rows <- list()
  list(
    add = function(series, round, seconds) rows[[length(rows) + 1L]] <<- sprintf("%s,%d,%.9f", series, round, seconds),
    write = function(name) writeLines(unlist(rows), file.path(Sys.getenv("BENCH_SAMPLES"), name))
  )
}
