# Scripts run by Rscript as the runner runs them.

run_with_prelude <- function(code, dir, args = character(), env = character(), work = tempfile("work"),
                             prelude = prelude_path()) {
  force(prelude)
  if (!dir.exists(work)) dir.create(work)
  script <- file.path(work, "script.R")
  writeLines(code, script, useBytes = TRUE)
  withr::local_dir(work)
  withr::local_envvar(ESPALIER_RUN_DIR = dir, R_TESTS = NA, ESPALIER_PREVIOUS_R_PROFILE_USER = NA)
  err <- tempfile()
  out <- suppressWarnings(system2(rscript_path(), c("script.R", args), stdout = TRUE, stderr = err,
                                  env = c(paste0("R_PROFILE_USER=", shQuote(prelude)), env)))
  status <- attr(out, "status")
  list(out = as.vector(out), err = readLines(err), status = if (is.null(status)) 0L else status, work = work)
}

errors_of <- function(dir) whole_events(dir, "error")
warnings_of <- function(dir) whole_events(dir, "warning")
whole_events <- function(dir, type) {
  lapply(run_events(dir, type, "^rprelude-"), function(event) {
    if (is.null(event$payload)) event else c(event, read_payload(dir, event))
  })
}

test_that("the prelude is found", {
  expect_true(file.exists(prelude_path()))
})

test_that("an uncaught error is recorded with call, class and traceback", {
  dir <- local_run_folder()
  res <- run_with_prelude(c(
    "g <- function(x) stop(structure(class = c('my_error', 'error', 'condition'),",
    "  list(message = 'custom \"quoted\"\\nline', call = sys.call())))",
    "f <- function(...) g(...)",
    "f(1:3)"
  ), dir)
  expect_identical(res$status, 1L)
  expect_match(res$err, "Error in g(...) : custom \"quoted\"", fixed = TRUE, all = FALSE)
  expect_match(res$err, "Execution halted", all = FALSE)
  expect_length(errors_of(dir), 1)
  event <- errors_of(dir)[[1]]
  expect_identical(event$message, "custom \"quoted\"\nline")
  expect_identical(event$call, "g(...)")
  expect_identical(event$class, list("my_error", "error", "condition"))
  expect_identical(unlist(event$traceback)[1:2], c("f(1:3)", "g(...)"))
  expect_match(event$traceback[[3]], "^stop\\(")
  expect_length(event$traceback, 3)
  header <- parse_json(readLines(event_files(dir, "^rprelude-"))[1])
  expect_identical(paste0(header$writer, ".jsonl"), basename(event_files(dir)))
})

test_that("errors of R's own functions, without call, and in C are recorded", {
  dir <- local_run_folder()
  run_with_prelude("f <- function(x) log(x); f('a')", dir)
  event <- errors_of(dir)[[1]]
  expect_identical(event$call, "log(x)")
  expect_identical(event$traceback, list("f(\"a\")"))
  dir <- local_run_folder()
  run_with_prelude("stop('no call', call. = FALSE)", dir)
  event <- errors_of(dir)[[1]]
  expect_null(event$call)
  expect_identical(event$message, "no call")
})

test_that("stderr, stdout and exit status are those of plain R", {
  code <- c("f <- function() { warning('w1'); as.integer('q'); cat('printed\\n'); stop('end') }",
            "warning('top'); print(commandArgs(TRUE)); f()")
  dir <- local_run_folder()
  with_it <- run_with_prelude(code, dir, c("--a", "1"))
  empty <- withr::local_tempfile(lines = "")
  without <- run_with_prelude(code, dir, c("--a", "1"), prelude = empty)
  expect_identical(with_it[c("out", "err", "status")], without[c("out", "err", "status")])
})

test_that("what is caught, suppressed or only offered is not recorded", {
  dir <- local_run_folder()
  res <- run_with_prelude(c(
    "try(stop('a'), silent = TRUE)",
    "r <- tryCatch(stop('b'), error = function(e) 1)",
    "suppressWarnings(warning('c'))",
    "r <- tryCatch(as.integer('d'), warning = function(w) 2)",
    "signalCondition(simpleError('e'))",
    "signalCondition(simpleWarning('f'))",
    "withCallingHandlers(warning('g'), warning = function(w) invokeRestart('muffleWarning'))",
    "quit(status = 3)"
  ), dir)
  expect_identical(res$status, 3L)
  # (what try() caught is R's last error, and no more than that)
  expect_identical(unique(vapply(run_events(dir), `[[`, "", "type")), "last_error")
})

test_that("warnings are recorded in order, at most a thousand, and warnings() works", {
  dir <- local_run_folder()
  res <- run_with_prelude(c(
    "for (i in 1:1005) warning('number ', i)",
    "cat(length(warnings()) >= 0, '\\n')",
    "withCallingHandlers(warning('late'), warning = function(w) cat('seen\\n'))"
  ), dir)
  expect_match(res$out, "seen", all = FALSE)
  events <- warnings_of(dir)
  expect_length(events, 1000)
  expect_identical(vapply(events, `[[`, "", "message"), paste("number", 1:1000))
  expect_identical(vapply(events, `[[`, 0L, "seq"), 0:999)
})

test_that("options(warn = 2) and the script's own options(error = ) work as ever", {
  dir <- local_run_folder()
  res <- run_with_prelude("options(warn = 2); as.integer('a'); cat('not here')", dir)
  expect_identical(res$status, 1L)
  expect_match(errors_of(dir)[[1]]$message, "converted from warning")
  dir <- local_run_folder()
  res <- run_with_prelude("options(error = quote({cat('own\\n'); q(status = 7)})); stop('x')", dir)
  expect_identical(res$status, 7L)
  expect_identical(res$out, "own")
  expect_identical(errors_of(dir)[[1]]$message, "x")
})

test_that("huge calls and deep stacks stay small", {
  dir <- local_run_folder()
  run_with_prelude(c(
    "f <- function(n, x) if (n == 0) do.call(stop, list(strrep('m', 1e5), 1:1e6)) else f(n - 1, x)",
    "do.call(f, list(100, as.list(1:1e5)))"
  ), dir)
  event <- errors_of(dir)[[1]]
  expect_lte(length(event$traceback), 50)
  expect_lte(max(nchar(unlist(event$traceback))), 300)
  expect_lte(max(nchar(readLines(event_files(dir)), "bytes")), 4095)
})

test_that("what is too long for one write goes to a payload, and nothing of it is lost", {
  dir <- local_run_folder()
  run_with_prelude(c(
    "warning(strrep('\u00e9', 1400)); warning('short')", "warning(strrep('\u4e2d', 1400))", "stop(strrep('\u4e2d', 1400))"
  ), dir)
  lines <- readLines(event_files(dir))
  expect_lte(max(nchar(lines, "bytes")), 4095)
  expect_identical(grepl("\"payload\"", lines), c(FALSE, FALSE, FALSE, TRUE, TRUE))
  expect_identical(vapply(warnings_of(dir), `[[`, "", "message"),
                   c(strrep("\u00e9", 1400), "short", strrep("\u4e2d", 1400)))
  expect_identical(errors_of(dir)[[1]]$message, strrep("\u4e2d", 1400))
  expect_length(list.files(file.path(dir, "payloads"), all.files = TRUE, no.. = TRUE), 2)
})

test_that("forked children record in files of their own", {
  skip_on_os("windows")
  dir <- local_run_folder()
  run_with_prelude(c(
    "warning('parent')",
    "r <- suppressWarnings(parallel::mclapply(1:2, function(i) {",
    "  withCallingHandlers(warning('child ', i)); if (i == 2) stop('x'); i }, mc.cores = 2))"
  ), dir)
  files <- event_files(dir, "^rprelude-")
  expect_gte(length(files), 1)
  pids <- vapply(files, function(f) parse_json(readLines(f)[1])$pid, 0L)
  expect_identical(anyDuplicated(pids), 0L)
  expect_identical(unname(pids), as.integer(sub("^rprelude-([0-9]+)-.*", "\\1", basename(files))))
  expect_length(errors_of(dir), 0)
})

test_that("plots without a device become files, made only when drawn", {
  skip_if_not(capabilities("png"))
  dir <- local_run_folder()
  res <- run_with_prelude("x <- 1", dir)
  expect_false(dir.exists(file.path(dir, "outputs")))
  res <- run_with_prelude("plot(1); plot(2); dev.new(width = 3, height = 3); plot(3)", dir)
  expect_identical(res$status, 0L)
  expect_setequal(list.files(file.path(dir, "outputs", "plots")), c("plot-001.png", "plot-002.png", "plot2-001.png"))
  expect_setequal(list.files(res$work), "script.R")
})

test_that("the displaced profile is read as R reads it, and the environment restored", {
  look <- "print(ls(all.names = TRUE)); print(Sys.getenv('R_PROFILE_USER', NA)); print(commandArgs(TRUE))"
  dir <- local_run_folder()
  # none
  home <- withr::local_tempdir()
  res <- run_with_prelude(look, dir, c("a", "b"), env = paste0("HOME=", home))
  expect_identical(res$out, c("character(0)", "[1] NA", "[1] \"a\" \"b\""))
  # ~/.Rprofile, then ./.Rprofile before it
  writeLines("from_home <- 1", file.path(home, ".Rprofile"))
  res <- run_with_prelude(look, dir, env = paste0("HOME=", home))
  expect_match(res$out[1], "from_home")
  work <- withr::local_tempdir()
  writeLines("from_here <- 1; .First <- function() cat('first\\n')", file.path(work, ".Rprofile"))
  res <- run_with_prelude(look, dir, env = paste0("HOME=", home), work = work)
  expect_identical(res$out[1:2], c("first", "[1] \".First\"    \"from_here\""))
  # one that was set
  own <- withr::local_tempfile(lines = "mine <- Sys.getenv('R_PROFILE_USER')")
  env <- c(paste0("HOME=", home), paste0("ESPALIER_PREVIOUS_R_PROFILE_USER=", own))
  res <- run_with_prelude(c(look, "print(mine)"), dir, env = env, work = work)
  expect_identical(res$out[c(1, 2, 4)], c("[1] \"mine\"", sprintf("[1] \"%s\"", own), sprintf("[1] \"%s\"", own)))
})

test_that("an error in the displaced profile ends R, as without us", {
  dir <- local_run_folder()
  own <- withr::local_tempfile(lines = "stop('in the profile')")
  res <- run_with_prelude("cat('script')", dir, env = paste0("ESPALIER_PREVIOUS_R_PROFILE_USER=", own))
  expect_identical(res$status, 1L)
  expect_identical(res$out, character())
  expect_match(res$err, "in the profile", all = FALSE)
  expect_identical(errors_of(dir)[[1]]$traceback, list("stop(\"in the profile\")"))
})

test_that("the seed is set, R processes of the job are ordinary", {
  dir <- local_run_folder()
  res <- run_with_prelude("cat(runif(1))", dir, env = "ESPALIER_SEED=42")
  withr::local_seed(42)
  expect_equal(as.double(res$out), stats::runif(1), tolerance = 1e-6)
  res <- run_with_prelude(
    "system2(file.path(R.home('bin'), 'Rscript'), c('-e', shQuote('stop(\"child\")')), stderr = FALSE)", dir
  )
  expect_length(event_files(dir), 0)
})

test_that("the C locale, other encodings and a lost run folder do no harm", {
  dir <- local_run_folder()
  res <- run_with_prelude("stop('caf\u00e9')", dir, env = c("LANG=C", "LC_ALL=C"))
  expect_identical(res$status, 1L)
  expect_identical(errors_of(dir)[[1]]$message, "caf\u00e9")
  dir <- local_run_folder()
  res <- run_with_prelude("x <- 'caf\\xe9\\xff'; stop(x)", dir)
  expect_identical(res$status, 1L)
  expect_match(errors_of(dir)[[1]]$message, "^caf<e9>")
  gone <- file.path(withr::local_tempdir(), "gone")
  res <- run_with_prelude("warning('w'); cat('goes on\\n'); stop('x')", gone)
  expect_identical(res$out, "goes on")
  expect_identical(res$status, 1L)
})

test_that("errors of rlang and cli keep class, message and traceback", {
  skip_if_not_installed("rlang")
  dir <- local_run_folder()
  res <- run_with_prelude("f <- function() rlang::abort('classed', class = 'my_err'); f()", dir)
  expect_identical(res$status, 1L)
  expect_length(errors_of(dir), 1L)
  event <- errors_of(dir)[[1]]
  expect_identical(event$message, "classed")
  expect_true("my_err" %in% unlist(event$class))
  expect_true("f()" %in% unlist(event$traceback))
})

test_that("caught errors of rlang are not recorded", {
  skip_if_not_installed("rlang")
  dir <- local_run_folder()
  res <- run_with_prelude("x <- tryCatch(rlang::abort('caught'), error = identity); try(rlang::abort('tried'), TRUE)", dir)
  expect_identical(res$status, 0L)
  expect_length(errors_of(dir), 0L)
})

sessions_of <- function(dir) {
  lapply(list.files(file.path(dir, "sessions"), full.names = TRUE), function(file) parse_json(read_lines_utf8(file)))
}

test_that("what R ran with is recorded at its end, whatever the end", {
  for (end in c("invisible()", "stop('x')", "quit(status = 3)", "rm(list = ls(all = TRUE)); gc()", "setwd(tempdir())")) {
    dir <- local_run_folder()
    res <- run_with_prelude(c("invisible(loadNamespace('stats4'))", end), dir, args = shQuote("caf\u00e9\"\\"))
    expect_length(sessions_of(dir), 1L)
    session <- sessions_of(dir)[[1]]
    expect_identical(session$version, R.version.string)
    expect_true("stats4" %in% unlist(session$packages$package), info = end)
    expect_length(unique(lengths(session$packages)), 1L)
    expect_match(unlist(session$command), "\"\\", fixed = TRUE, all = FALSE)
  }
})

test_that("recording what R ran with loads nothing, shows nothing, and leaves forks and children out", {
  skip_on_os("windows")
  dir <- local_run_folder()
  # (at its end parallel loads tools)
  code <- c("before <- loadedNamespaces()", "invisible(reg.finalizer(globalenv(), function(e) {",
            "  cat(setdiff(loadedNamespaces(), c(before, 'tools')), 'end\\n')", "}, onexit = TRUE))",
            "invisible(parallel::mclapply(1:2, identity, mc.cores = 2))", "before <- loadedNamespaces()",
            "invisible(system2(file.path(R.home('bin'), 'Rscript'), c('-e', '1'), stdout = FALSE))")
  res <- run_with_prelude(code, dir)
  expect_identical(trimws(res$out), "end")
  expect_identical(res$err, character())
  expect_length(sessions_of(dir), 1L)
})

test_that("no more than a hundred processes record themselves", {
  dir <- local_run_folder()
  dir.create(file.path(dir, "sessions"))
  file.create(file.path(dir, "sessions", paste0(1:100, ".json")))
  run_with_prelude("1", dir)
  expect_length(list.files(file.path(dir, "sessions")), 100L)
})

test_that("R's last error is recorded where R calls no handler, and only there", {
  dir <- local_run_folder()
  run_with_prelude("f <- function(n) f(n + 1); f(1)", dir)
  expect_length(errors_of(dir), 0L)
  expect_match(whole_events(dir, "last_error")[[1]]$message, "C stack usage", fixed = TRUE)
  dir <- local_run_folder()
  run_with_prelude("stop('plain')", dir)
  expect_length(whole_events(dir, "last_error"), 0L)
  dir <- local_run_folder()
  run_with_prelude("cat('fine')", dir)
  expect_length(event_files(dir), 0L)
})
