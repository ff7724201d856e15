# Damaged structs of tests/testthat/fixtures/road_mutants.py, imported by the library under test: no error is one too
# many for R, but the process must live and the sanitizers must have nothing to say. Arguments: LIBRARY HOW-MANY.
given <- commandArgs(TRUE)
road <- getDLLRegisteredRoutines(dyn.load(given[[1L]]))$.Call
python <- reticulate::import_from_path("road_mutants", "tests/testthat/fixtures")
hostile <- reticulate::import_from_path("road_hostile", "tests/testthat/fixtures")
many <- as.integer(given[[2L]])
# (from another place each day)
first <- as.integer(Sys.Date()) * 1000L
came <- function(addresses) {
  received <- .Call(road$road_receive, unlist(addresses))
  on.exit(.Call(road$road_release, received))
  tryCatch(is.list(.Call(road$road_import, received)), error = function(e) FALSE)
}
good <- sum(vapply(first + seq_len(many), function(seed) came(python$mutant(seed)), NA))
refused <- vapply(names(hostile$said()), function(name) !came(hostile$defect(name, "no token")), NA)
for (i in 1:4) gc()
cat(sprintf("%d damaged tables from seed %d on: %d came, the others were refused; %d known defects: %d refused\n",
            many, first, good, length(refused), sum(refused)))
quit(status = as.integer(.Call(road$road_count) > 0 || sum(!refused) > 2L))
