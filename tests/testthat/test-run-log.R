test_that("scalars keep kind and value", {
  dir <- local_run_folder()
  values <- list(0.91, 3L, TRUE, "text", "!text", NA, NA_integer_, NA_real_, NA_character_, NaN, Inf, -Inf, -0,
                 factor("level"), as.Date("2026-11-23"), c(named = 1.5), matrix(2))
  for (v in values) expect_invisible(log_metric_to_run("m", v))
  events <- run_events(dir, "metric")
  expect_identical(
    vapply(events, `[[`, "", "kind"),
    c("double", "integer", "logical", "string", "string", "logical", "integer", "double", "string", "double",
      "double", "double", "double", "string", "string", "double", "double")
  )
  expect_identical(
    lapply(events[c(1:12, 14:17)], `[[`, "value"),
    list(0.91, 3L, TRUE, "text", "!!text", "!NA", "!NA", "!NA", "!NA", "!NaN", "!Inf", "!-Inf", "level",
         "2026-11-23", 1.5, 2L)
  )
  expect_match(read_lines_utf8(event_files(dir))[14], "\"value\":-0.0}", fixed = TRUE)
})

test_that("times are logged in UTC, to the microsecond", {
  dir <- local_run_folder()
  time <- as.POSIXct("2026-11-23 18:43:46", tz = "Europe/Berlin")
  log_metric_to_run("t", time)
  log_metric_to_run("t", as.POSIXlt(time))
  log_metric_to_run("t", time + 0.5)
  expect_identical(
    vapply(run_events(dir), `[[`, "", "value"),
    c("2026-11-23T17:43:46Z", "2026-11-23T17:43:46Z", "2026-11-23T17:43:46.500000Z")
  )
})

test_that("in a run no value ends the script: it is recorded as text or without its step, and one warning a kind", {
  dir <- local_run_folder()
  bad <- list(NULL, c(1, 2), numeric(), 1i, raw(1), list(1), sum, quote(a), data.frame(a = 1),
              structure(1, class = "integer64"), as.difftime(1, units = "mins"), strrep("a", 16385), "\xff", new.env())
  forget_doubts()
  expect_warning(log_metric_to_run("m", bad[[1]]), "`value`", class = "espalier_warning_not_logged")
  for (v in bad[-1]) expect_silent(log_metric_to_run("m", v))
  steps <- list("a", NA, Inf, 1:2, "3", TRUE, 2^70, 3L, structure(1, class = "integer64"))
  expect_warning(log_metric_to_run("m", 1, step = steps[[1]]), "`step`", class = "espalier_warning_not_logged")
  for (step in steps[-1]) expect_silent(log_metric_to_run("s", 1, step = step))
  expect_warning(log_metric_to_run("a\nb", 1), class = "espalier_warning_not_logged")
  for (name in list(NULL, NA, "", 1, c("a", "b"), strrep("x", 300))) expect_silent(log_metric_to_run(name, 1))
  events <- run_events(dir, "metric")
  expect_identical(vapply(events[seq_along(bad)], `[[`, "", "kind"), rep("string", length(bad)))
  expect_identical(events[[2]]$value, "1 2")
  by_name <- split(events, vapply(events, `[[`, "", "name"))
  expect_equal(lapply(by_name$s, `[[`, "step"), list(NULL, NULL, NULL, 3, 1, 2^70, 3, NULL))
  expect_contains <- function(x, y) expect_true(all(y %in% x))
  expect_contains(names(by_name), c("a?b", "unnamed", "1", "a b", strrep("x", 255)))
})

test_that("bad values are refused outside a run as well", {
  withr::local_envvar(ESPALIER_RUN_DIR = NA)
  expect_error(log_metric_to_run("m", 1:2), class = "espalier_error_bad_argument")
})

test_that("hostile names and texts survive", {
  dir <- local_run_folder()
  names <- c("a b", "\"quoted\"", "back\\slash", "../../etc", "\u00e9\U1F600", "{}", "$(x)", "<U+00E9>")
  latin1 <- "caf\xe9"
  Encoding(latin1) <- "latin1"
  for (name in c(names, latin1)) log_metric_to_run(name, name)
  events <- run_events(dir)
  expect_identical(vapply(events, `[[`, "", "name"), c(names, "caf\u00e9"))
  expect_identical(vapply(events, `[[`, "", "value"), c(names, "caf\u00e9"))
})

test_that("lists have one kind", {
  dir <- local_run_folder()
  log_list_to_run("l", c(a = 1, b = NA, c = NaN), description = "about")
  log_list_to_run("l", list(1L, 2.5, NA))
  log_list_to_run("l", character())
  log_list_to_run("l", factor(c("u", "v")))
  events <- run_events(dir, "list")
  expect_identical(events[[1]][c("kind", "values", "description")],
                   list(kind = "double", values = list(1L, "!NA", "!NaN"), description = "about"))
  expect_identical(events[[2]]$values, list(1L, 2.5, "!NA"))
  expect_null(events[[2]]$description)
  expect_identical(events[[3]]$values, list())
  expect_identical(events[[4]]$values, list("u", "v"))
  forget_doubts()
  expect_warning(log_list_to_run("l", list(1, "a")), "kind", class = "espalier_warning_not_logged")
  log_list_to_run("l", list(1, 1:2))
  log_list_to_run("l", NULL)
  expect_identical(lapply(run_events(dir, "list")[5:7], `[[`, "values"), list(list("1", "a"), list("1", "1 2"), list()))
})

test_that("rows take any column, short names too", {
  dir <- local_run_folder()
  log_row_to_run("r", n = 1L, d = "x", `a b` = 0.5)
  log_row_to_run(name = "r", description = "about", n = 2L)
  log_row_to_run("r", "about", n = 2L)
  f <- function(...) log_row_to_run("r", ...)
  local_value <- 3
  f(n = local_value)
  events <- run_events(dir, "row")
  expect_identical(events[[1]]$row, list(n = 1L, d = "x", `a b` = 0.5))
  expect_identical(events[[1]]$kinds, list(n = "integer", d = "string", `a b` = "double"))
  expect_identical(events[[2]]$description, "about")
  expect_identical(events[[3]]$description, "about")
  expect_identical(events[[4]]$row, list(n = 3L))
  expect_error(log_row_to_run("r"), class = "espalier_error_bad_argument")
  forget_doubts()
  expect_warning(log_row_to_run("r", n = 1:2, m = 3), "`n`", class = "espalier_warning_not_logged")
  expect_identical(run_events(dir, "row")[[5]]$row, list(n = "1 2", m = 3L))
  expect_error(log_row_to_run("r", "d", NULL, 4), class = "espalier_error_bad_argument")
  expect_error(log_row_to_run(n = 1), "`name` of log_row_to_run() is missing", fixed = TRUE, class = "espalier_error_bad_argument")
})

test_that("row names that are no numbers are a column of a table", {
  dir <- local_run_folder()
  logged <- function(x) {
    log_table_to_run("t", x)
    utils::tail(run_events(dir, "table"), 1L)[[1L]]$columns
  }
  fit <- stats::lm(dist ~ speed, cars)
  coefficients <- logged(as.data.frame(coef(summary(fit))))
  expect_identical(names(coefficients), c("rowname", "Estimate", "Std. Error", "t value", "Pr(>|t|)"))
  expect_identical(coefficients$rowname, list("(Intercept)", "speed"))
  expect_identical(names(logged(cars[5:6, ])), c("speed", "dist"))
  expect_identical(names(logged(data.frame(a = 1))), "a")
  taken <- logged(data.frame(rowname = 1, row.names = "x"))
  expect_identical(taken, list(rowname_1 = list("x"), rowname = list(1L)))
  forget_doubts()
  odd <- data.frame(a = I(list(1:2)), row.names = "x")
  expect_warning(expect_identical(logged(odd)$rowname, list("x")), class = "espalier_warning_not_logged")
})

test_that("tables keep columns and kinds; large ones are payloads", {
  dir <- local_run_folder()
  log_table_to_run("t", data.frame(x = c(0.5, NA), y = c("a", "!b"), z = factor(c("u", NA))))
  log_table_to_run("t", list(a = 1:2, b = c(TRUE, NA)))
  n <- 1e5
  big <- data.frame(i = seq_len(n), x = seq_len(n) / 7)
  log_table_to_run("big", big)
  events <- run_events(dir, "table")
  expect_identical(events[[1]]$kinds, list(x = "double", y = "string", z = "string"))
  expect_identical(events[[1]]$columns, list(x = list(0.5, "!NA"), y = list("a", "!!b"), z = list("u", "!NA")))
  expect_identical(events[[2]]$columns, list(a = list(1L, 2L), b = list(TRUE, "!NA")))
  body <- jsonlite::fromJSON(file.path(dir, events[[3]]$payload))
  expect_identical(as.data.frame(body$columns), big)
})

test_that("what is no table becomes one", {
  dir <- local_run_folder()
  bad <- list(1:3, list(1, 2), list(a = 1, b = 1:2), list(), list(a = 1, a = 2), list(a = list(1)),
              data.frame(a = I(matrix(1:2, 1))), list(a = 1i), list(`a\n` = 1))
  forget_doubts()
  expect_warning(log_table_to_run("t", bad[[1]]), class = "espalier_warning_not_logged")
  for (v in bad[-1]) expect_silent(log_table_to_run("t", v))
  columns <- lapply(run_events(dir, "table"), `[[`, "columns")
  expect_identical(columns[[1]], list(value = list(1L, 2L, 3L)))
  expect_identical(columns[[3]], list(a = list(1L, "!NA"), b = list(1L, 2L)))
  expect_identical(names(columns[[5]]), c("a", "a_1"))
  expect_identical(columns[[8]], list(a = list("0+1i")))
  expect_identical(names(columns[[9]]), "a?")
})

test_that("images are copied or drawn, each under a free name", {
  skip_if_not(capabilities("png"))
  dir <- local_run_folder()
  before <- grDevices::dev.list()
  file <- withr::local_tempfile(fileext = ".JPG")
  writeLines("not really", file)
  log_image_to_run("../my plot", path = file)
  log_image_to_run("my plot", plot = function() graphics::plot(1), description = "d")
  log_image_to_run("my plot", plot = function() graphics::plot(2))
  forget_doubts()
  expect_warning(log_image_to_run("my plot", plot = function() stop("in the plot")), "in the plot")
  expect_identical(grDevices::dev.list(), before)
  paths <- vapply(run_events(dir, "image"), `[[`, "", "path")
  expect_identical(paths, paste0("outputs/images/", c("my-plot.jpg", "my-plot.png", "my-plot-2.png")))
  expect_setequal(list.files(file.path(dir, "outputs/images"), all.files = TRUE, no.. = TRUE), basename(paths))
  expect_identical(readBin(file.path(dir, paths[2]), "raw", 4), as.raw(c(0x89, 0x50, 0x4e, 0x47)))
  expect_error(log_image_to_run("a"), "neither", class = "espalier_error_bad_argument")
  expect_error(log_image_to_run("a", file, function() 1), "both", class = "espalier_error_bad_argument")
  expect_warning(log_image_to_run("a", "no-such.png"), "no-such", class = "espalier_warning_not_logged")
  expect_silent(log_image_to_run("a", plot = 1))
  expect_length(run_events(dir, "image"), 3)
})

test_that("the run is the argument's, else the interactive one, else the job's, else told once", {
  job <- local_run_folder()
  interactive_run <- normalizePath(withr::local_tempdir())
  given <- normalizePath(withr::local_tempdir())
  set_active_run(interactive_run)
  withr::defer(clear_active_run())
  withr::defer(close_event_writer(given))
  log_metric_to_run("a", 1)
  log_metric_to_run("b", 1, run = list(run_dir = given))
  log_metric_to_run("c", 1, run = list2env(list(run_dir = given)))
  clear_active_run()
  log_metric_to_run("d", 1)
  names_in <- function(dir) vapply(run_events(dir), `[[`, "", "name")
  expect_identical(names_in(interactive_run), "a")
  expect_identical(names_in(given), c("b", "c"))
  expect_identical(names_in(job), "d")
  withr::local_envvar(ESPALIER_RUN_DIR = NA)
  inform_again("not_recorded")
  expect_message(log_metric_to_run("e", 1), "start_logging_run")
  expect_silent(log_metric_to_run("e", 1))
  expect_error(log_metric_to_run("e", 1, run = "id"), "`run`", class = "espalier_error_bad_argument")
  expect_error(log_metric_to_run("e", 1, run = list(run_dir = "/nonexistent/x")), class = "espalier_error_run_missing")
  expect_error(set_active_run("/nonexistent/x"), class = "espalier_error_run_missing")
})
