# The compiled road itself: what keeps R's memory alive, what gives it back, and what R cannot be talked into.
# What crosses, value for value, is in test-fidelity.R; damaged structs are in test-road-hostile.R.

hold <- function(x) {
  parcel <- road_export(x)
  reticulate::import_from_path("road_holder", test_path("fixtures"))$hold(unlist(road_addresses(parcel)))
}

holder <- function() reticulate::import_from_path("road_holder", test_path("fixtures"))

kept <- function() .Call(road_routine("road_count"))

local_road <- function(env = parent.frame()) {
  skip_if_no_core()
  bridge_callable()
  withr::defer(holder()$drop_all(), envir = env)
  holder()$drop_all()
  for (i in 1:3) gc()
  kept()
}

thrice <- function() for (i in 1:3) gc()

in_road_r <- function(code, ...) {
  env <- c(...)
  run <- function(code, folder) {
    ns <- asNamespace("espalier")
    e <- list2env(list(folder = folder), parent = ns)
    eval(parse(text = code, encoding = "UTF-8", keep.source = FALSE), e)
  }
  withr::with_envvar(env, in_other_r(run, list(paste(code, collapse = "\n"), normalizePath(test_path("fixtures")))))
}

# ---- who keeps what ---------------------------------------------------------------------------------

test_that("Python's hold on R's memory is counted, and ends with the table", {
  before <- local_road()
  key <- hold(data.frame(a = c(1, 2), b = 3:4))
  expect_gt(kept(), before)
  thrice()
  expect_gt(kept(), before)
  holder()$drop(key)
  expect_identical(kept(), before)
})

test_that("what Python drops is given back at the next collection, without any further use of the road", {
  local_road()
  gone <- 0
  for (round in 1:4) {
    other <- lapply(1:3, function(i) road_export(mtcars))
    mark <- new.env()
    reg.finalizer(mark, function(e) gone <<- gone + 1)
    key <- hold(structure(data.frame(a = 1), mark = mark))
    gc()
    rm(other, mark)
    thrice()
    expect_identical(gone, round - 1)
    holder()$drop(key)
    thrice()
    expect_identical(gone, as.numeric(round))
  }
})

test_that("a parcel that nobody takes is given back when R collects it", {
  before <- local_road()
  road_export(structure(data.frame(a = c(1, 2)), about = "attributes are kept by a record"))
  thrice()
  expect_identical(kept(), before)
})

test_that("what Python sees lives on when R's own variable is gone, and does not change when it changes", {
  local_road()
  x <- data.frame(a = as.numeric(1:2e5), b = 1:2e5)
  key <- hold(x)
  x$a[1] <- -1
  x$b[] <- 0L
  rm(x)
  thrice()
  trash <- lapply(1:10, function(i) numeric(2e5))
  expect_identical(holder()$sums(key), c(sum(as.numeric(1:2e5)), sum(as.numeric(1:2e5))))
})

test_that("data.tables changed by reference do not change what Python sees", {
  skip_if_not_installed("data.table")
  local_road()
  x <- data.table::data.table(a = c(1, 2), l = list(1, "a"))
  key <- hold(x)
  data.table::set(x, 1L, "a", 99)
  data.table::set(x, 1L, "l", list(list("changed")))
  expect_identical(holder()$first_values(key), 1)
  again <- road_import(holder()$give(key))
  expect_identical(again$a, c(1, 2))
  expect_identical(again$l, list(1, "a"))
  data.table::set(again, 2L, "l", list(list("changed")))
  expect_identical(road_import(holder()$give(key))$l, list(1, "a"))
})

test_that("many frames dropped by another thread while R collects garbage leave nothing", {
  before <- local_road()
  frame <- structure(data.frame(a = c(1.5, NA), b = c("x", "y")), note = "a record")
  threads <- holder()
  # (nothing of reticulate's may be left to these collections: it would be given back to Python without Python's lock)
  invisible(gc())
  for (round in 1:10) {
    for (i in 1:1000) threads$queue(unlist(road_addresses(road_export(frame))))
    threads$drop_queued_while_collecting()
  }
  thrice()
  expect_identical(kept(), before)
  expect_identical(threads$python_pending(), 0L)
})

test_that("an export that is half made when R fails is given back at once", {
  before <- local_road()
  bad <- data.frame(a = c(1, 2), b = structure(c(1, 2), label = "a record"), z = c("fine", "\xe9"))
  error <- expect_error(road_export(bad, "bad"), class = "espalier_error_unsupported_data")
  expect_match(conditionMessage(error), "column \"z\" has text", fixed = TRUE)
  expect_identical(kept(), before)
})

test_that("an import that fails releases what it took", {
  before <- local_road()
  key <- hold(structure(data.frame(a = 1), note = "x"))
  expect_error(road_import(holder()$broken_copy(key)), class = "espalier_error_unsupported_data")
  expect_identical(holder()$python_pending(), 0L)
  holder()$drop(key)
  expect_identical(kept(), before)
})

test_that("an interrupt ends a long export, and nothing of it is left", {
  skip_on_os("windows")
  result <- in_road_r('
    columns <- c(list(n = structure(as.numeric(1:3e6), label = "a record")), rep(list(rep(as.character(1:1e5 + 0.5), 30)), 41))
    names(columns)[-1] <- paste0("s", 1:41)
    x <- structure(columns, class = "data.frame", row.names = 1:3e6)
    # (not system(): while that starts something, interrupts are ignored, and on a busy machine it takes that long)
    killer <- processx::process$new("sh", c("-c", sprintf("sleep 0.3; kill -INT %d", Sys.getpid())))
    how <- tryCatch({ road_export(x); "never" }, interrupt = function(e) "interrupted")
    list(how = how, kept = .Call(road_routine("road_count")))
  ')
  expect_identical(result$how, "interrupted")
  expect_identical(result$kept, 0)
})

test_that("finalisers that use the road in the middle of it do no harm", {
  # (what they leave is not counted: R forgets finalisers that finalisers register)
  frame <- function(i) structure(data.frame(a = as.numeric(i) + 0:99), label = i)
  there_and_back <- function() {
    parcels <- lapply(1:100, function(i) {
      reg.finalizer(new.env(), function(e) road_export(frame(-i)))
      if (i %% 7 == 0) gc()
      road_export(frame(i))
    })
    lapply(parcels, function(parcel) road_import(road_addresses(parcel)))
  }
  expect_identical(there_and_back(), lapply(1:100, frame))
})

# ---- vectors that are not what they seem ------------------------------------------------------------

test_that("ALTREP vectors cross: sequences, text to be, wrappers, memory-mapped files", {
  local_road()
  file <- withr::local_tempfile()
  writeBin(as.numeric(1:1000), file)
  mapped <- tryCatch(.Internal(mmap_file(file, "double", TRUE, FALSE, FALSE)), error = function(e) as.numeric(1:1000))
  wrapped <- as.numeric(1:1e4)
  attr(wrapped, "label") <- "x"
  for (x in list(1:1e4, as.character(1:3000), as.character(rep(1:3, 1000)), wrapped, mapped, 1e5:1)) {
    expect_identical(road_import(holder()$give(hold(x))), x)
  }
})

test_that("memory that a wrapper shows stays when the wrapper turns to other memory", {
  local_road()
  x <- as.numeric(1:1e5)
  x[1] <- 1 # (no longer a sequence)
  wrapper <- x
  attr(wrapper, "label") <- "a wrapper around the memory of x"
  key <- hold(wrapper)
  # (code that asks for memory to write to: the wrapper copies, for x has it too)
  .Call(get("C_cfilter", asNamespace("stats")), wrapper, 1, 1L, FALSE)
  rm(x)
  thrice()
  trash <- lapply(1:20, function(i) rep(-1, 1e5))
  expect_identical(holder()$sums(key), sum(as.numeric(1:1e5)))
})

test_that("raw vectors beyond 2^31 bytes cross", {
  skip_if(Sys.getenv("ESPALIER_BIG_TESTS") == "", "needs 7 GB (ESPALIER_BIG_TESTS)")
  local_road()
  x <- raw(2^31 + 10)
  x[2^31 + 9] <- as.raw(7)
  key <- hold(x)
  expect_identical(holder()$rows(key), 2^31 + 10)
  expect_identical(road_import(holder()$give(key)), x)
})

test_that("odd objects are refused by name", {
  odd <- function(x) conditionMessage(expect_error(road_export(x), class = "espalier_error_unsupported_data"))
  expect_match(odd(asS4(1)), "x: an S4 object", fixed = TRUE)
  wide <- structure(list(m = matrix(0, 0, 5e6)), class = "data.frame", row.names = integer())
  expect_match(odd(wide), "column \"m\" is a matrix of 5000000 columns", fixed = TRUE)
  wider <- structure(list(m = array(0, c(0, 1e9, 1e9, 1e9))), class = "data.frame", row.names = integer())
  expect_match(odd(wider), "column \"m\" is a matrix of 1000000000000000", fixed = TRUE)
  deep <- list(1)
  for (i in 1:100) deep <- list(deep)
  expect_match(odd(structure(list(x = list(deep)), class = "data.frame", row.names = 1L)), "nested too deeply")
  short <- structure(list(a = 1:3, b = 1), class = "data.frame", row.names = 1:3)
  expect_match(odd(short), "column \"b\" has 1 rows where the data frame has 3", fixed = TRUE)
})

test_that("a class whose length() lies is refused: Python would read beyond its end", {
  lying <- structure(unclass(as.POSIXlt(.POSIXct(c(0, 1, 2), "UTC"))), class = c("lying", "POSIXlt", "POSIXt"))
  registerS3method("length", "lying", function(x) 5L, envir = baseenv())
  frame <- structure(list(a = 1:5, b = lying), class = "data.frame", row.names = 1:5)
  expect_error(road_export(frame), "column \"b\" has 3 rows", class = "espalier_error_unsupported_data")
})

# ---- notes -------------------------------------------------------------------------------------------

test_that("a note that was put together from others is not honoured", {
  local_road()
  frame <- structure(list(a = structure(1:2, label = "x"), l = list(1, "a")), class = "data.frame", row.names = 1:2)
  key <- hold(frame)
  expect_identical(road_import(holder()$give(key)), frame)
  forge <- function(from, to) road_import(holder()$forged(key, from, to))
  # attributes are neither cells nor times; cells are no attributes
  expect_identical(forge("label", "cells")$a, 1:2)
  expect_identical(forge("label", "POSIXlt")$a, 1:2)
  expect_identical(forge("cells", "")$l, c(0, 1))
  expect_identical(forge("cells", "POSIXlt")$l, c(0, 1))
})

test_that("columns renamed in Python stay renamed: what R remembers of the frame no longer holds", {
  local_road()
  frame <- structure(data.frame(a = 1:2, b = 3:4), groups = "a", class = c("grouped", "data.frame"))
  key <- hold(frame)
  again <- road_import(holder()$renamed(key, "a", "other"))
  expect_identical(again, data.frame(other = 1:2, b = 3:4))
})

test_that("notes of Python's half are believed whichever half was first", {
  result <- in_road_r('
    first <- road_import(road_addresses(road_export(structure(1:2, label = "x"))))
    bridge_callable()
    list(first, result_data(list(table = reticulate::import_from_path("road_holder", folder)$complex_numbers())))
  ')
  expect_identical(result[[1L]], structure(1:2, label = "x"))
  expect_identical(result[[2L]], data.frame(z = c(1+2i, NA)))
})

# ---- Python cannot write to R's memory ----------------------------------------------------------------

test_that("views are read-only", {
  local_road()
  x <- c(1, 2)
  key <- hold(x)
  expect_match(holder()$try_to_write(key), "cannot modify read-only memory")
  said <- holder()$try_numpy(key)
  if (!identical(said, "no NumPy")) expect_match(said, "read-only.*WRITEABLE")
  expect_identical(x, c(1, 2))
})

# ---- loading, unloading, encodings ---------------------------------------------------------------------

test_that("unloading the package while Python holds tables, and loading it again, does no harm", {
  result <- in_road_r('
    bridge_callable()
    holder <- reticulate::import_from_path("road_holder", folder)
    holder$hold(unlist(road_addresses(road_export(structure(data.frame(a = 1), label = "x")))))
    unloadNamespace("espalier")
    for (i in 1:5) gc()
    holder$drop_all()
    for (i in 1:5) gc()
    again <- asNamespace("espalier")
    list(again$road_import(again$road_addresses(again$road_export(mtcars))), .Call(again$road_routine("road_count")))
  ')
  expect_identical(result, list(mtcars, 0))
})

test_that("the library is loaded once, however often it is asked for", {
  loaded <- function() sum(names(getLoadedDLLs()) == "espalier")
  road_routine("road_count")
  before <- loaded()
  road_load()
  expect_identical(loaded(), before)
  expect_gt(before, 0L)
})

encodings <- '
  latin <- "caf\\xe9"
  Encoding(latin) <- "latin1"
  frame <- structure(list(1, c("\\xe9", "x")), names = c("a", latin), class = "data.frame", row.names = 1L)
  frame[[2]] <- list(globalenv())
  refused <- tryCatch(road_export(frame), espalier_error = function(e) e)
  good <- structure(list(latin), names = enc2utf8(latin), class = "data.frame", row.names = 1L)
  back <- road_import(road_addresses(road_export(good)))
  bytes <- "\\xe9"
  Encoding(bytes) <- "bytes"
  odd <- tryCatch(road_export(structure(list(1), names = bytes, class = "data.frame", row.names = 1L)),
                  espalier_error = conditionMessage)
  list(utf8 = l10n_info()[["UTF-8"]], column = enc2utf8(refused$columns), same = identical(back, good), odd = odd)
'

test_that("names and text beyond ASCII cross in sessions of any encoding", {
  locales <- suppressWarnings(system("locale -a", intern = TRUE, ignore.stderr = TRUE))
  latin <- grep("8859-?1$", locales, ignore.case = TRUE, value = TRUE)
  for (locale in c("C", "C.UTF-8", latin[seq_len(min(1L, length(latin)))])) {
    result <- in_road_r(encodings, LC_ALL = locale)
    expect_identical(result$utf8, grepl("UTF-8", locale), info = locale)
    expect_identical(result$column, "caf\u00e9: element 1 has an environment", info = locale)
    expect_true(result$same, info = locale)
    expect_match(result$odd, "text that is neither UTF-8", info = locale)
  }
})
