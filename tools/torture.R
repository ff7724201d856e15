# Every case of the table of tests, exported and imported in one process without Python: by `Rscript --vanilla
# tools/torture.R LIBRARY STEP`, with garbage collected at every STEP-th allocation; 0 for R's own pace.
given <- commandArgs(TRUE)
step <- as.integer(given[[2L]])
road <- getDLLRegisteredRoutines(dyn.load(given[[1L]]))$.Call
cases <- new.env()
sys.source("tests/testthat/helper-road-cases.R", cases)
same <- function(x, y) identical(x, y, num.eq = FALSE)
settle <- function() for (i in 1:4) gc()

known <- Filter(function(case) !case$slow && all(case$needs %in% rownames(utils::installed.packages())),
                unlist(unname(cases$fidelity_cases()), recursive = FALSE))
values <- lapply(known, function(case) case$value())
names(values) <- vapply(known, function(case) case$name, "")
# (nested lists cross one by one)
values <- Filter(function(x) is.data.frame(x) || inherits(x, "POSIXlt") || !is.list(x), values)
values <- Filter(Negate(is.null), values)
# (each column goes the same way; with ten thousand this one case takes half of the time)
values[["10,000 columns"]] <- values[["10,000 columns"]][1:200]

there <- function(x) .Call(road$road_export, x, TRUE)
back <- function(parcel) {
  received <- .Call(road$road_receive, .Call(road$road_addresses, parcel))
  on.exit(.Call(road$road_release, received))
  .Call(road$road_import, received)
}

odd <- character()
check <- function(name, x) {
  gctorture2(step, inhibit_release = FALSE)
  on.exit(gctorture2(0))
  there(x) # (left for the collector, which finds it in the middle of the next one)
  parcel <- there(x)
  came <- back(parcel)
  bad <- tryCatch(there(structure(list(x, "\xe9"), names = c("a", "b"), class = "data.frame", row.names = 1L)),
                  error = function(e) NULL)
  gctorture2(0)
  if (!same(came, x)) odd <<- c(odd, name)
}
for (name in names(values)) check(name, values[[name]])

# What nobody but a parcel holds, while others come and go.
fresh <- function(i) structure(data.frame(a = i + c(0, NA), b = c("u", i)), label = i)
check_many <- function(pace) {
  gctorture2(pace, inhibit_release = FALSE)
  on.exit(gctorture2(0))
  parcels <- lapply(1:6, function(i) {
    there(fresh(-i))
    there(fresh(i))
  })
  lapply(parcels, back)
}
for (pace in if (step) step + c(0L, 10L, 24L) else 0L) {
  if (!same(check_many(pace), lapply(1:6, fresh))) odd <- c(odd, paste("many at once, at pace", pace))
}

# Parts, plain ones and others, of metrics that nobody else holds.
log_parts <- function(pace) {
  path <- tempfile()
  log <- .Call(road$log_open, path)
  shape <- list(c("u", "v"), c("double", "integer"), ",\"kinds\":{},\"metrics\":{", c("\"u\":", "\"v\":"))
  gctorture2(pace, inhibit_release = FALSE)
  on.exit(gctorture2(0))
  seq <- 0L
  for (i in 1:60) {
    metrics <- list(u = i / 7, v = if (i %% 5L) i else NULL)
    digest <- if (i %% 2L) paste0("d", i)
    now <- .Call(road$log_part, log, seq, paste0("k", i), "Completed", i / 3, digest, if (i %% 3L) strrep("e", i), metrics, shape)
    if (is.null(now)) .Call(road$log_append, log, paste0(i, "\n")) else seq <- now
  }
  .Call(road$log_close, log)
  gctorture2(0)
  length(readLines(path)) == 60L && seq == 48L
}
if (!log_parts(step)) odd <- c(odd, "parts")

settle()
left <- .Call(road$road_count)
cat(sprintf("%d cases, a collection at every %s allocation: %d not the same, %g objects left behind\n",
            length(values) + 2L, if (step) paste0(step, ".") else "usual", length(odd), left))
if (length(odd)) cat(odd, sep = "\n")
quit(status = as.integer(length(odd) > 0L || left > 0))
