part_lines <- function(dir) {
  unlist(lapply(list.files(file.path(dir, "parts"), full.names = TRUE), function(file) {
    Filter(function(e) e$type == "part", lapply(read_lines_utf8(file), parse_json))
  }), recursive = FALSE)
}

test_that("a part is one line in a file of its own", {
  dir <- local_run_folder()
  log_part_to_run("a", metrics = list(rmse = 0.31, n = 12L), seconds = 1.5, digest = "sha256:ab")
  log_part_to_run("b", error = simpleError("no \"data\""))
  log_part_to_run("c", "Canceled")
  lines <- part_lines(dir)
  expect_identical(vapply(lines, `[[`, "", "key"), c("a", "b", "c"))
  expect_identical(vapply(lines, `[[`, "", "status"), c("Completed", "Failed", "Canceled"))
  expect_identical(lines[[1]][c("metrics", "kinds", "seconds", "digest")], list(
    metrics = list(rmse = 0.31, n = 12L), kinds = list(rmse = "double", n = "integer"), seconds = 1.5, digest = "sha256:ab"
  ))
  expect_identical(lines[[2]]$error, "no \"data\"")
  expect_length(event_files(dir), 0)
})

test_that("odd values are written by the protocol's rules", {
  dir <- local_run_folder()
  odd <- list(a = NaN, b = NA_real_, c = -Inf, d = -0, e = NA, f = "!x", g = TRUE, h = NA_integer_,
              i = as.Date("2026-01-02"), j = factor("u"))
  log_part_to_run("odd", metrics = odd)
  line <- part_lines(dir)[[1]]
  expect_identical(unlist(line$kinds, use.names = FALSE), c("double", "double", "double", "double", "logical", "string",
                                                            "logical", "integer", "string", "string"))
  expect_identical(unlist(line$metrics[c("a", "b", "c", "e", "f", "h", "i", "j")], use.names = FALSE),
                   c("!NaN", "!NA", "!-Inf", "!NA", "!!x", "!NA", "2026-01-02", "u"))
  expect_match(read_lines_utf8(list.files(file.path(dir, "parts"), full.names = TRUE))[2], "\"d\":-0.0,", fixed = TRUE)
})

test_that("any names, and any number of metrics, are written as they are", {
  dir <- local_run_folder()
  signs <- list("100%" = 1 / 3, "%s %.17g %" = 2L, "a\"b\\c" = 1e-300, fmt = .Machine$double.xmax)
  many <- stats::setNames(as.list(stats::runif(150)), paste0("m", 1:150))
  long <- stats::setNames(as.list(1:60 / 7), vapply(1:60, function(i) paste0(i, strrep("%", 200)), ""))
  for (metrics in list(signs, many, long, many)) log_part_to_run("k", metrics = metrics)
  read <- lapply(part_lines(dir), function(line) {
    if (is.null(line$payload)) line$metrics else parse_json(read_lines_utf8(file.path(dir, line$payload)))$metrics
  })
  expect_equal(lapply(read, lapply, as.double), lapply(list(signs, many, long, many), lapply, as.double), tolerance = 0)
})

test_that("in a run nothing that is recorded of a part ends the script", {
  dir <- local_run_folder()
  rm(list = grep("^not_logged_", ls(.said), value = TRUE), envir = .said)
  silently <- function(..., warns) {
    expect_warning(log_part_to_run(...), warns, class = "espalier_warning_not_logged")
    expect_silent(log_part_to_run(...))
    lines <- part_lines(dir)
    lines[[length(lines)]]
  }
  expect_identical(silently("a\nb", warns = "key")$key, "a?b")
  for (key in list("", strrep("x", 256), 3, NA_character_, c("a", "b"))) expect_silent(log_part_to_run(key))
  expect_identical(silently("k", "Done", warns = "Completed")$status, "Completed")
  expect_null(silently("k", seconds = -1, warns = "seconds")$seconds)
  for (seconds in list(NA_real_, "1", 1:2, Inf)) expect_silent(log_part_to_run("k", seconds = seconds))
  expect_identical(silently("k", metrics = list(m = 1:2, n = 1), warns = "m")$metrics, list(m = "1 2", n = 1L))
  metrics <- list(list(1), list(m = 1, m = 2), list(key = 1), list(m = numeric(), n = c(1, 2)), list(m = NULL, n = c(1, 2)))
  for (one in metrics) expect_silent(log_part_to_run("k", metrics = one))
  names <- lapply(utils::tail(part_lines(dir), 5L), function(line) names(line$metrics))
  expect_identical(names, list("unnamed", c("m", "m_1"), "key_", c("m", "n"), c("m", "n")))
  expect_error(log_parts_to_run(data.frame(x = 1)), "key", class = "espalier_error_bad_argument")
})

test_that("outside of a run what cannot be recorded is an error that names it", {
  withr::local_envvar(ESPALIER_RUN_DIR = "")
  expect_error(log_part_to_run(""), class = "espalier_error_bad_name")
  expect_error(log_part_to_run("k", "Done"), "Completed", class = "espalier_error_bad_argument")
  expect_error(log_part_to_run("k", seconds = -1), "seconds", class = "espalier_error_bad_argument")
  expect_error(log_part_to_run("k", metrics = list(key = 1)), "key", class = "espalier_error_bad_name")
  seen <- FALSE
  expect_error(run_part("", seen <- TRUE), class = "espalier_error_bad_name")
  expect_false(seen)
})

test_that("a long error goes to a payload file", {
  dir <- local_run_folder()
  log_metric_to_run("m", 1)
  log_part_to_run("k", error = strrep("\u00e9", 5000))
  line <- part_lines(dir)[[1]]
  expect_identical(line$key, "k")
  expect_identical(read_payload(dir, line)$error, strrep("\u00e9", 5000))
  expect_identical(read_payload(dir, line)$status, "Failed")
})

# With the compiled code or, as where it cannot be loaded, without
local_compiled_log <- function(compiled, env = parent.frame()) {
  before <- .road$logs
  .road$logs <- if (!compiled) FALSE
  withr::defer(.road$logs <- before, envir = env)
}

# The lines of a run's parts but for the time, and what was refused; and how often R had to write a line
record_all <- function(calls, compiled) {
  local_compiled_log(compiled)
  dir <- local_run_folder()
  by_r <- 0L
  any_part <- log_any_part
  withr::defer(utils::assignInNamespace("log_any_part", any_part, "espalier"))
  counted <- function(...) {
    by_r <<- by_r + 1L
    any_part(...)
  }
  utils::assignInNamespace("log_any_part", counted, "espalier")
  refused <- vapply(calls, function(call) {
    tryCatch({
      do.call(log_part_to_run, call)
      ""
    }, error = conditionMessage)
  }, "")
  lines <- read_lines_utf8(list.files(file.path(dir, "parts"), full.names = TRUE))[-1]
  lines <- sub("\"time\":[0-9]{10}\\.[0-9]{6},", "", lines)
  list(lines = sub("payloads/r-[0-9]+-[0-9a-f]{8}", "payloads/", lines), refused = refused, by_r = by_r)
}

test_that("compiled code and R write the same bytes", {
  metric <- function(...) list("k", metrics = list(...))
  plain <- list(
    list("a", metrics = list(u = 0.1, v = 3L)), list("a", metrics = list(u = 1 / 3, v = -3L)),
    list("a", "Canceled", metrics = list(u = 1e-308, v = 0L)), list("a", metrics = list(u = 5e-324, v = 1L)),
    list("a", metrics = list(u = .Machine$double.xmax, v = .Machine$integer.max)), list("a", seconds = 0),
    list("a", metrics = list(u = 1e15, v = 1L)), list("a", metrics = list(u = 123456789012345678, v = 1L)),
    list("a", metrics = list(u = 0, v = 1L), seconds = 999999999999999.9), list("a", error = "no 'data' {1}"),
    list("a%s%n b~", "Failed", digest = "sha256:ab", seconds = 1e-7), list(strrep("x", 255), metrics = list())
  )
  with_a <- function(...) lapply(list(...), function(field) c(list("a"), field))
  odd <- c(
    list(list(""), list("a\nb"), list("q\"\\"), list("caf\u00e9"), list("\x7f"), list(strrep("x", 256)), list(NA_character_)),
    list(list(3), list(c("a", "b")), list(factor("a")), list("a", "Done"), list("a", NA), list("a", c("Failed", "Failed"))),
    with_a(list(error = ""), list(error = "\u20ac\n"), list(error = simpleError("e")), list(error = strrep("e", 256))),
    with_a(list(error = NA_character_), list(digest = "d e"), list(digest = 1), list(seconds = 2L), list(seconds = -0.5)),
    with_a(list(seconds = NaN), list(seconds = 1e15), list(seconds = "1"), list(seconds = as.difftime(1, units = "secs"))),
    list(metric(u = -0, v = 1L), metric(u = NaN, v = 1L), metric(u = NA_real_, v = 1L), metric(u = -Inf, v = NA)),
    list(metric(u = 1, v = NA_integer_), metric(u = 1L, v = 1), metric(v = 1L, u = 1), metric(u = 1), metric(u = 1:2, v = 1L)),
    list(metric(u = 1, v = 1L, w = 2), metric(u = numeric(), v = 1L), metric(u = 1, 2), metric(1, 2), metric(u = 1, u = 2)),
    list(metric(key = 1), metric(u = "!x", v = TRUE), metric(u = as.Date("2026-01-02"), v = factor("f")), metric(u = list(1), v = 1L)),
    list(metric(u = NULL, v = 1L), metric(u = mean, v = quote(x)), metric("\u00fc%s" = 1, "b\"" = 2L)),
    with_a(list(metrics = c(u = 1, v = 2)), list(metrics = NULL), list(metrics = 1:0), list(metrics = data.frame(u = 1, v = 2L))),
    with_a(list(metrics = stats::setNames(as.list(1:255 / 7), strrep("n", 1:255)))),
    with_a(list(metrics = stats::setNames(as.list(1:150 / 7), paste0("m", 1:150))))
  )
  # (each twice: the first time the shape of its metrics is another one's; and the plain ones again after each odd one)
  calls <- c(list(list("first", metrics = list(u = 1, v = 1L))), plain, rep(odd, each = 2L), do.call(c, lapply(odd, list, plain[[1]])))
  compiled <- record_all(calls, TRUE)
  by_r <- record_all(calls, FALSE)
  expect_identical(compiled$lines, by_r$lines)
  expect_identical(compiled$refused, by_r$refused)
  expect_identical(by_r$by_r, length(calls))
  # which says nothing if R wrote all of them
  skip_on_os("windows")
  expect_identical(record_all(c(calls[1], plain), TRUE)$by_r, 1L)
})

test_that("a line of the limit is a line, a longer one goes to a payload, whoever writes it", {
  calls <- lapply(1:60, function(n) {
    metrics <- stats::setNames(as.list(1:8 / 3), paste0(letters[1:8], strrep("n", 185)))
    list(strrep("k", 255), digest = strrep("d", 255), error = strrep("e", 190 + n), metrics = metrics)
  })
  calls <- rep(calls, each = 2L)
  compiled <- record_all(calls, TRUE)
  expect_identical(compiled$lines, record_all(calls, FALSE)$lines)
  # (the time was 25 bytes)
  short <- !grepl("payload", compiled$lines)
  expect_identical(max(nchar(compiled$lines[short], "bytes")) + 25L, 4095L)
  expect_false(all(short))
})

test_that("parts are recorded where the compiled code is another R's or is not there", {
  dir <- local_run_folder()
  log_part_to_run("a")
  kept <- as.list(.road, all.names = TRUE)
  withr::defer(list2env(kept, envir = .road))
  .road$logs <- NULL
  .road$routines$compiled_for <- .road$routines$road_count
  expect_null(compiled_log())
  close_event_writer(dir)
  log_part_to_run("b", metrics = list(m = 1))
  close_event_writer(dir)
  .road$logs <- .road$routines <- NULL
  library_of <- road_library
  withr::defer(utils::assignInNamespace("road_library", library_of, "espalier"))
  utils::assignInNamespace("road_library", function() file.path(dir, "espalier.so"), "espalier")
  expect_null(compiled_log())
  for (i in 1:2) log_part_to_run(paste0("c", i), metrics = list(m = 1))
  expect_setequal(vapply(part_lines(dir), `[[`, "", "key"), c("a", "b", "c1", "c2"))
  expect_length(list.files(file.path(dir, "parts")), 3)
})

test_that("a full disk leaves whole lines, warns once and does not end the script", {
  skip_on_os("windows")
  dir <- local_run_folder()
  script <- withr::local_tempfile(lines = c(
    "library(espalier)", "warned <- 0L",
    "withCallingHandlers(for (i in 1:5000) log_part_to_run(paste0('k', i), metrics = list(m = i / 7)),",
    "  espalier_warning_logging_failed = function(w) { warned <<- warned + 1L; invokeRestart('muffleWarning') })",
    "quit(status = warned)"
  ))
  # (a limit to what files may grow to is to write(2) what a full disk is; each new file of the process gets as far)
  command <- sprintf("trap '' XFSZ; ulimit -f 64; exec %s --vanilla %s", shQuote(file.path(R.home("bin"), "Rscript")), shQuote(script))
  expect_identical(system2("sh", c("-c", shQuote(command)), stdout = FALSE, stderr = FALSE), 1L)
  files <- list.files(file.path(dir, "parts"), full.names = TRUE)
  expect_gt(length(files), 1)
  # (the last one is not full yet)
  expect_lte(sum(file.size(files) < 32000), 1)
  for (file in files) {
    text <- readChar(file, file.size(file), useBytes = TRUE)
    expect_true(endsWith(text, "}\n"))
  }
  expect_gt(length(part_lines(dir)), 1000)
})

test_that("a log that is closed, or another process's, takes no line", {
  skip_on_os("windows")
  dir <- local_run_folder()
  log_part_to_run("a")
  log <- .writers$parts[[dir]]$file
  append <- function() .Call(compiled_log()$log_append, log, "x\n")
  expect_identical(parallel::mclapply(1:2, function(i) append(), mc.cores = 2), list(FALSE, FALSE))
  close_event_writer(dir)
  expect_false(append())
  expect_null(.Call(compiled_log()$log_open, file.path(dir, "no", "folder")))
  expect_length(part_lines(dir), 1)
})

test_that("forked children write files of their own", {
  skip_on_os("windows")
  dir <- local_run_folder()
  log_part_to_run("parent")
  parallel::mclapply(1:3, function(i) for (k in 1:5) log_part_to_run(paste(i, k)), mc.cores = 3)
  expect_length(list.files(file.path(dir, "parts")), 4)
  expect_length(part_lines(dir), 16)
})

test_that("run_part() gives the value, and records the error instead of raising it", {
  dir <- local_run_folder()
  expect_identical(run_part("good", 6 * 7, metrics = function(value) list(value = value)), 42)
  expect_s3_class(run_part("bad", stop("no luck")), "simpleError")
  expect_s3_class(run_part("odd", 1, metrics = function(value) stop("no metrics")), "simpleError")
  lines <- part_lines(dir)
  expect_identical(vapply(lines, `[[`, "", "status"), c("Completed", "Failed", "Failed"))
  expect_identical(lines[[1]]$metrics$value, 42L)
  expect_identical(lines[[2]]$error, "no luck")
  expect_true(all(vapply(lines, function(line) line$seconds >= 0 && line$seconds < 60, NA)))
})

test_that("outside of a run nothing is recorded", {
  withr::local_envvar(ESPALIER_RUN_DIR = "")
  expect_silent(suppressMessages(log_part_to_run("a", metrics = list(m = 1))))
  expect_identical(suppressMessages(run_part("a", 1)), 1)
})

test_that("what R records and what Python records is read as one data frame", {
  ws <- local_workspace()
  run <- start_logging_run(experiment(ws, "exp"))
  expect_identical(dim(list_parts(run)), c(0L, 5L))
  set.seed(4)
  n <- 300
  number <- stats::rnorm(n) * 10^sample(-300:300, n, TRUE)
  number[1:5] <- c(NA, NaN, Inf, -Inf, -0)
  parts <- data.frame(
    key = paste0("caf\u00e9 ", seq_len(n)), status = rep(c("Completed", "Failed", "Canceled"), length.out = n),
    error = rep(c(NA, "a \"b\"\n{c}", "\u20ac"), length.out = n), seconds = rep(c(NA, 1.25), length.out = n),
    digest = rep(c("sha256:00", NA), length.out = n), number = number,
    whole = c(NA, .Machine$integer.max, sample(1000L, n - 2, TRUE)), yes = rep(c(TRUE, FALSE, NA), length.out = n),
    text = rep(c("!NA", NA, "\u00e9", ""), length.out = n), "odd name\u00df" = seq_len(n), check.names = FALSE
  )
  log_parts_to_run(parts)
  expect_identical(list_parts(run), parts)
  reticulate::py_run_string(sprintf(paste(
    "from espalier import Run", "run = Run('%s', '%s')", "run.log_part('py', metrics={'number': 0.5, 'new': 3})",
    "run.log_part('caf\\u00e9 1', error='again')", sep = "\n"
  ), run$workspace_path, run$id), local = TRUE)
  found <- list_parts(run)
  expect_identical(found$key, c(parts$key, "py"))
  expect_identical(found$error[1], "again")
  expect_identical(found$number[c(1, n + 1)], c(NA, 0.5))
  expect_identical(found$new, c(rep(NA, n), 3L))
  complete_run(run)
  file <- list.files(file.path(run$run_dir, "parts"), "^r-", full.names = TRUE)
  cat("{\"type\":\"part\"}\n", file = file, append = TRUE)
  expect_warning(left <- list_parts(run), sprintf("line %d", n + 2L), class = "espalier_warning_damaged")
  expect_identical(left, found)
})
