test_that("a log has its header, then events with seq from 0", {
  dir <- local_run_folder()
  for (i in 1:3) log_metric_to_run("x", i)
  file <- event_files(dir)
  expect_length(file, 1)
  lines <- lapply(read_lines_utf8(file), parse_json)
  expect_identical(lines[[1]]$type, "writer")
  expect_identical(lines[[1]]$format, 1L)
  expect_identical(lines[[1]]$pid, Sys.getpid())
  expect_identical(paste0(lines[[1]]$writer, ".jsonl"), basename(file))
  expect_match(lines[[1]]$writer, "^r-[0-9]+-[0-9a-f]{8}$")
  expect_identical(vapply(lines[-1], `[[`, 0L, "seq"), 0:2)
  expect_lt(abs(lines[[2]]$time - as.double(Sys.time())), 60)
})

test_that("logging leaves the random numbers and the working directory alone", {
  dir <- local_run_folder()
  set.seed(1)
  before <- .Random.seed
  log_metric_to_run("x", 1)
  expect_identical(.Random.seed, before)
  work <- tempfile()
  dir.create(work)
  withr::local_dir(work)
  unlink(work, recursive = TRUE)
  log_metric_to_run("x", 2)
  expect_length(run_events(dir), 2)
})

test_that("a connection closed by the script is opened again, on the same file", {
  dir <- local_run_folder()
  log_metric_to_run("x", 1)
  close(.writers$events[[dir]]$con)
  log_metric_to_run("x", 2)
  # and when its number was given to another connection
  close(.writers$events[[dir]]$con)
  other <- withr::local_tempfile()
  con <- file(other, open = "ab")
  withr::defer(close(con))
  log_metric_to_run("x", 3)
  expect_identical(file.size(other), 0)
  expect_length(event_files(dir), 1)
  expect_identical(vapply(run_events(dir), `[[`, 0L, "seq"), 0:2)
})

test_that("forked children write files of their own", {
  skip_on_os("windows")
  dir <- local_run_folder()
  log_metric_to_run("x", 0)
  done <- parallel::mclapply(1:4, function(i) {
    for (k in 1:10) log_metric_to_run("x", i)
    Sys.getpid()
  }, mc.cores = 4)
  log_metric_to_run("x", 0)
  expect_length(event_files(dir), 5)
  expect_length(run_events(dir), 42)
  pids <- as.integer(sub("^r-([0-9]+)-.*", "\\1", basename(event_files(dir))))
  expect_setequal(pids, c(Sys.getpid(), unlist(done)))
})

test_that("long bodies go to a payload, written before the line", {
  dir <- local_run_folder()
  log_list_to_run("short", strrep("a", 3500))
  log_list_to_run("long", strrep("a", 5000), description = "d")
  events <- run_events(dir, "list")
  expect_null(events[[1]]$payload)
  expect_identical(events[[2]]$payload, sprintf("payloads/%s-1.json", .writers$events[[dir]]$name))
  expect_null(events[[2]]$values)
  body <- read_payload(dir, events[[2]])
  expect_identical(body, list(kind = "string", values = list(strrep("a", 5000)), description = "d"))
  expect_length(list.files(file.path(dir, "payloads"), all.files = TRUE, no.. = TRUE), 1)
})

test_that("every line is short enough to be one write, whatever is logged", {
  dir <- local_run_folder()
  text <- strrep("a", 16382)
  log_metric_to_run("m", text, step = 1)
  log_metric_to_run(strrep("\u0800", 255), strrep("\u00e9", 2000))
  record_params(dir, list(p = text, q = as.double(1:5000)))
  for (n in 3900:4100) log_metric_to_run("edge", strrep("b", n))
  lines <- readLines(event_files(dir))
  expect_lte(max(nchar(lines, "bytes")), 4095)
  expect_true(4095 %in% nchar(lines, "bytes"))
  events <- run_events(dir)
  expect_identical(names(events[[1]]), c("type", "seq", "time", "name", "payload"))
  expect_identical(read_payload(dir, events[[1]]), list(kind = "string", value = text, step = 1L))
  expect_identical(read_payload(dir, events[[2]])$value, strrep("\u00e9", 2000))
  expect_identical(read_payload(dir, events[[3]])$value, text)
  expect_length(read_payload(dir, events[[4]])$value, 5000)
})

test_that("a line of the limit is one write: processes that share a file do not mix theirs", {
  skip_on_os("windows")
  file <- withr::local_tempfile()
  line <- function(i) strrep(letters[i], line_limit)
  parallel::mclapply(1:4, function(i) {
    writer <- list2env(list(path = file))
    open_event_file(writer)
    # (it looks for its own bytes only, and finds those of the others)
    for (k in 1:500) try(write_line(writer, line(i)), silent = TRUE)
    close(writer$con)
  }, mc.cores = 4)
  lines <- readLines(file)
  expect_length(lines, 2000)
  expect_setequal(lines, vapply(1:4, line, ""))
})

test_that("a log that cannot be written warns once and does not stop the script", {
  dir <- local_run_folder()
  writeLines("", file.path(dir, "events"))
  expect_warning(log_metric_to_run("x", 1), "Logging to the run folder", class = "espalier_warning_logging_failed")
  expect_silent(log_metric_to_run("x", 2))
  gone <- withr::local_tempdir()
  withr::local_envvar(ESPALIER_RUN_DIR = file.path(gone, "none"))
  expect_warning(log_metric_to_run("x", 1), class = "espalier_warning_logging_failed")
  expect_silent(log_table_to_run("x", data.frame(a = 1)))
})

test_that("decimal settings do not reach the log", {
  dir <- local_run_folder()
  withr::local_options(OutDec = ",", scipen = -50, encoding = "latin1")
  log_metric_to_run("x", 0.5, step = 100000)
  event <- run_events(dir)[[1]]
  expect_identical(event$value, 0.5)
  expect_equal(event$step, 100000)
})

test_that("a finalizer, or whatever breaks into an append, writes a log of its own", {
  dir <- local_run_folder()
  log_metric_to_run("m", 1)
  writer <- .writers$events[[dir]]
  writer$busy <- TRUE # as in the middle of an append
  log_metric_to_run("inner", 1)
  writer$busy <- FALSE
  log_metric_to_run("m", 2)
  logs <- lapply(event_files(dir), function(file) lapply(read_lines_utf8(file)[-1], parse_json))
  expect_setequal(lapply(logs, function(log) vapply(log, `[[`, 0L, "seq")), list(0:1, 0L))
  close_event_writer(dir)
})

test_that("interrupts and forks while a loop logs tear and repeat no line", {
  skip_on_os("windows")
  dir <- normalizePath(withr::local_tempdir())
  code <- '
    library(espalier)
    add <- function(e) log_metric_to_run("finalizer", 1)
    caught <- 0
    while (caught < 20) tryCatch({
      writeLines("x", file.path(Sys.getenv("ESPALIER_RUN_DIR"), "ready"))
      repeat { reg.finalizer(new.env(), add); log_metric_to_run("loop", 1); log_part_to_run("p", metrics = list(a = 1)) }
    }, interrupt = function(e) caught <<- caught + 1)
    reg.finalizer(globalenv(), function(e) log_metric_to_run("end", 1), onexit = TRUE)
    children <- parallel::mclapply(1:4, function(i) log_metric_to_run("child", i), mc.cores = 4)
  '
  script <- withr::local_tempfile(fileext = ".R", lines = code)
  log <- withr::local_tempfile()
  pid <- as.integer(sub("\\D*", "", system(sprintf(
    "ESPALIER_RUN_DIR=%s %s %s >%s 2>&1 & echo $!", shQuote(dir), file.path(R.home("bin"), "Rscript"), script, log
  ), intern = TRUE)))
  until <- Sys.time() + 60
  while (!file.exists(file.path(dir, "ready")) && Sys.time() < until) Sys.sleep(0.05)
  while (dir.exists(file.path("/proc", pid)) && Sys.time() < until) {
    tools::pskill(pid, tools::SIGINT)
    Sys.sleep(0.03)
    if (any(grepl("\"child\"", unlist(lapply(event_files(dir), readLines, warn = FALSE)), fixed = TRUE))) break
  }
  while (dir.exists(file.path("/proc", pid)) && Sys.time() < until) Sys.sleep(0.05)
  files <- c(event_files(dir), list.files(file.path(dir, "parts"), full.names = TRUE))
  for (file in files) {
    events <- lapply(readLines(file), jsonlite::fromJSON, simplifyVector = FALSE)
    expect_identical(vapply(events[-1], `[[`, 0L, "seq"), seq_along(events[-1]) - 1L)
  }
})
