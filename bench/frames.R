# One kind of data frame from R to Python and back, beside a copy of its bytes in memory, reticulate's own conversion to
# and from pandas, and files between. In a session of its own for each kind: R never forgets a string it has seen.
library(espalier)
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE), fixed = TRUE))
source(file.path(here, "samples.R"))
source(file.path(here, "frame-kinds.R"))
source(file.path(here, "core.R"))

work <- commandArgs(TRUE)[[1]]
kind <- commandArgs(TRUE)[[2]]
samples <- new_samples()
small <- kind == "iris"
rounds <- if (small) 200L else 9L
peer_rounds <- if (small) 20L else 3L
slow <- 3 # seconds: a peer that takes longer is timed once

frame <- frame_of(kind)
bytes <- bytes_of(frame)
bench <- core_class(file.path(here, "frames.py"), "Frames")
pandas <- reticulate::import("pandas", convert = FALSE)
parquet <- file.path(work, "frame.parquet")
csv <- file.path(work, "frame.csv")

timed <- function(series, round, expr) {
  if (!small) gc(FALSE)
  samples$add(paste(kind, series, sep = "."), round, seconds(expr))
}
peer <- function(series, action) {
  for (round in seq_len(peer_rounds)) {
    if (!small) gc(FALSE)
    took <- seconds(action())
    samples$add(paste(kind, series, sep = "."), round, took)
    if (took > slow) break
  }
}

# ---- ours and the limit, in turns; round 0 warms up ----
for (round in 0:rounds) {
  timed("to", round, bench$keep(frame))
  timed("from", round, back <- bench$give())
  copied <- bench$copy(bytes)
  samples$add(paste0(kind, ".memcpy"), round, copied)
}
stopifnot(identical(back, frame))
rm(back)

# ---- what Python does when it looks at each column, not at the table alone ----
if (kind %in% c("iris", "wide")) {
  for (round in 0:rounds) timed("look", round, bench$look(frame))
}

# ---- the limit of text: R itself making these strings of their bytes ----
if (kind %in% c("many", "ids")) {
  dyn.load(file.path(work, "strings.so"))
  texts <- Filter(function(x) is.character(x) && length(unique(x)) > rows / 2, frame)
  texts <- lapply(texts, function(x) list(paste(x, collapse = ""), nchar(x, "bytes")))
  peer("strings", function() for (text in texts) .Call("make_strings", text[[1]], text[[2]]))
}

# ---- reticulate ----
if (kind != "wide") table <- reticulate::r_to_py(frame) # (warms up)
table <- NULL
peer("to.reticulate", function() table <<- reticulate::r_to_py(frame))
peer("from.reticulate", function() reticulate::py_to_r(table))

# ---- the same pandas frame, taken by espalier ----
bench$keep_python(table)
invisible(bench$give())
peer("from.pandas", function() bench$give())

# ---- files between; not for what is small or wide, where files are no road ----
if (!kind %in% c("iris", "wide")) {
  peer("to.csv", function() {
    data.table::fwrite(frame, csv)
    pandas$read_csv(csv)
  })
  peer("from.csv", function() {
    table$to_csv(csv, index = FALSE)
    data.table::fread(csv, data.table = FALSE)
  })
  # Python's part alone: writing and reading, without bringing the table there or here
  peer("parquet", function() bench$by_parquet(parquet))
}
unlink(c(csv, parquet))
samples$write(paste0("frames.", kind))
