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

test_that("what cannot be recorded is an error that names it", {
  dir <- local_run_folder()
  for (key in list("", "a\nb", strrep("x", 256), 3, NA_character_, c("a", "b"))) {
    expect_error(log_part_to_run(key), class = "espalier_error_bad_name")
  }
  expect_error(log_part_to_run("k", "Done"), "Completed", class = "espalier_error_bad_argument")
  for (seconds in list(-1, NA_real_, "1", 1:2, Inf)) {
    expect_error(log_part_to_run("k", seconds = seconds), "seconds", class = "espalier_error_bad_argument")
  }
  expect_error(log_part_to_run("k", metrics = list(1)), "named", class = "espalier_error_bad_argument")
  expect_error(log_part_to_run("k", metrics = list(m = 1:2)), "m", class = "espalier_error_bad_argument")
  expect_error(log_part_to_run("k", metrics = list(m = 1, m = 2)), class = "espalier_error_bad_argument")
  expect_error(log_part_to_run("k", metrics = list(key = 1)), "key", class = "espalier_error_bad_name")
  expect_error(log_parts_to_run(data.frame(x = 1)), "key", class = "espalier_error_bad_argument")
  expect_length(part_lines(dir), 0)
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
  seen <- FALSE
  expect_error(run_part("", seen <- TRUE), class = "espalier_error_bad_name")
  expect_false(seen)
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
  expect_error(list_parts(run), sprintf("line %d", n + 2L), class = "espalier_error_damaged")
})
