# Structs of Python (or of whatever runs there) with defects: refused with a classed error, and R lives on.

fixture <- function(name) reticulate::import_from_path(name, test_path("fixtures"))

local_hostile <- function() {
  skip_if_no_core()
  bridge_callable()
  fixture("road_hostile")
}

refusal <- function(addresses) expect_error(road_import(unlist(addresses)), class = "espalier_error_unsupported_data")

test_that("the structs that are spoilt below are sound before", {
  local_hostile()
  x <- road_import(unlist(fixture("road_structs")$sound()))
  expect_equal(nrow(x), 3L)
  expect_identical(x[["c0"]], c(0L, NA, 0L)) # (0b101 are the valid ones)
  expect_identical(unclass(x)[["c24"]], c("a", "", "bcd"))
  expect_identical(unclass(x)[["c27"]], c("a", "", "a text of more than twelve bytes"))
  expect_identical(x[["c29"]], list(1L, integer(), 2:3))
  expect_identical(x[["c33"]], factor(c("p", "q", "p")))
})

test_that("every defect is refused, and said", {
  hostile <- local_hostile()
  said <- hostile$said()
  expect_gt(length(said), 70L)
  for (name in names(said)) {
    error <- refusal(hostile$defect(name))
    expect_match(conditionMessage(error), said[[name]], info = name)
    expect_true(validUTF8(conditionMessage(error)), info = name)
  }
})

test_that("notes that are not ours, or no notes, are passed over", {
  hostile <- local_hostile()
  for (name in hostile$harmless_names()) {
    x <- road_import(unlist(hostile$harmless(name)))
    expect_equal(dim(x), c(3L, 1L), info = name)
    expect_true(is.numeric(x[[1L]]) || inherits(x[[1L]], c("data.frame", "POSIXct")), info = name)
  }
})

test_that("what R took over is released once, whether it was refused or not", {
  hostile <- local_hostile()
  structs <- fixture("road_structs")
  released <- function() unlist(structs$released_now())
  before <- released()
  road_import(unlist(structs$sound()))
  refusal(hostile$defect("unknown format"))
  refusal(hostile$defect("no data"))
  expect_identical(released() - before, c(schema = 3L, array = 3L))
})

test_that("a struct that R has taken is not taken again", {
  local_hostile()
  addresses <- unlist(fixture("road_structs")$sound())
  road_import(addresses)
  expect_match(conditionMessage(refusal(addresses)), "no Arrow type")
})

test_that("batches that add up to more rows than R has are refused", {
  hostile <- local_hostile()
  addresses <- unlist(hostile$long_batches())
  expect_match(conditionMessage(refusal(addresses)), "more rows than R's vectors can have")
})

test_that("random defects do not end R", {
  local_hostile()
  mutants <- as.integer(Sys.getenv("ESPALIER_MUTANTS", "3000"))
  run <- function(folder, mutants) {
    ns <- asNamespace("espalier")
    ns$bridge_callable()
    python <- reticulate::import_from_path("road_mutants", folder)
    came <- vapply(seq_len(mutants), function(seed) {
      addresses <- unlist(python$mutant(seed))
      tryCatch(is.list(ns$road_import(addresses)), espalier_error_unsupported_data = function(e) FALSE)
    }, NA)
    for (i in 1:3) gc()
    list(came = sum(came), refused = sum(!came), kept = .Call(ns$road_routine("road_count")))
  }
  # (in another process, whose end would be noticed)
  result <- in_other_r(run, list(normalizePath(test_path("fixtures")), mutants))
  expect_gt(result$came, mutants / 50)
  expect_gt(result$refused, mutants / 3)
  expect_identical(result$kept, 0)
})
