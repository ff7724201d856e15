with_args <- function(.args, ...) {
  defaults <- list(...)
  check_defaults(defaults)
  given <- given_params(.args, defaults)
  for (name in names(given)) defaults[name] <- list(convert_param(given[[name]], defaults[[name]], name))
  defaults
}

test_that("without arguments there are the defaults", {
  withr::local_envvar(ESPALIER_RUN_DIR = NA)
  p <- job_params(trees = 500L, label = NULL)
  expect_s3_class(p, "espalier_job_params")
  expect_identical(p$trees, 500L)
  expect_identical(names(p), c("trees", "label"))
  expect_null(p$label)
  expect_output(print(p), "trees = 500L?\n.*label = NULL")
  expect_length(job_params(), 0)
})

test_that("arguments override, by the type of the default", {
  p <- with_args(
    c("--trees", "1e5", "--lr=-2.5e-3", "--verbose", "positional", "--x", "-1", "--s", "--foo", "--z="),
    trees = 500L, lr = 0.1, verbose = FALSE, x = 1, s = "a", z = "k", label = NULL
  )
  expect_identical(p, list(trees = 100000L, lr = -0.0025, verbose = TRUE, x = -1, s = "--foo", z = "", label = NULL))
  expect_identical(with_args(c("--flag", "false", "--label", "a b"), flag = TRUE, label = NULL),
                   list(flag = FALSE, label = "a b"))
  expect_identical(with_args(c("--a", "Inf", "--b=NaN"), a = 1, b = 1), list(a = Inf, b = NaN))
})

test_that("vectors take several values, and names are loose about - and _", {
  expect_identical(with_args(c("--lr", "0.1", "-0.2", "--other", "3"), lr = c(1, 2)), list(lr = c(0.1, -0.2)))
  expect_identical(with_args(c("--k", "1"), k = integer()), list(k = 1L))
  expect_identical(with_args(c("--learning-rate", "2"), learning_rate = 1), list(learning_rate = 2))
  expect_identical(with_args(c("--x", "1", "--x", "2"), x = 0), list(x = 2))
})

test_that("unknown names are left alone", {
  expect_identical(with_args(c("--other", "1", "-v", "a", "--"), x = 0), list(x = 0))
  expect_identical(given_params(c("--x", "1"), list()), list())
})

test_that("wrong types are told", {
  expect_error(with_args(c("--trees", "2.5"), trees = 1L), "`trees`.*whole number.*\"2.5\"",
               class = "espalier_error_bad_argument")
  expect_error(with_args("--trees=3e9", trees = 1L), class = "espalier_error_bad_argument")
  expect_error(with_args("--trees", trees = 1L), "no value", class = "espalier_error_bad_argument")
  expect_error(with_args(c("--lr", "fast"), lr = 1), "`lr`.*a number.*\"fast\"", class = "espalier_error_bad_argument")
  expect_error(with_args("--v=maybe", v = TRUE), "`v`.*TRUE or FALSE", class = "espalier_error_bad_argument")
  expect_error(with_args("--s", s = "a"), "`s`.*string", class = "espalier_error_bad_argument")
})

test_that("dates and times are parameters, as script_params gives them", {
  day <- as.Date("2024-01-02")
  time <- as.POSIXct("2024-01-02 03:04:05.25", tz = "UTC")
  expect_identical(with_args(c("--from", "2024-05-31"), from = day), list(from = as.Date("2024-05-31")))
  given <- with_args(c("--at", plain_param(time, "at"), "--when", "2024-05-31", "2024-05-31 08:30", "2024-05-31T08:30:01Z"),
                     at = time - 1, when = .POSIXct(numeric()))
  expect_equal(given$at, time)
  expect_equal(format(given$when, tz = "UTC"), c("2024-05-31 00:00:00", "2024-05-31 08:30:00", "2024-05-31 08:30:01"))
  for (bad in c("2024-02-30", "31.05.2024", "2024-05-31x", "2024-05-31T08:30", "today", "")) {
    expect_error(with_args(c("--from", bad), from = day), "`from` must be a date such as", class = "espalier_error_bad_argument")
  }
  expect_error(with_args(c("--at", "25:00"), at = time), "`at` must be a time such as", class = "espalier_error_bad_argument")
  dir <- local_run_folder()
  p <- job_params(from = day, at = time, several = day + 0:1)
  expect_identical(p$from, day)
  expect_output(print(p), "from    = \"2024-01-02\"")
  expect_identical(lapply(run_events(dir, "param"), function(event) event[c("kind", "value")]), list(
    list(kind = "string", value = "2024-01-02"), list(kind = "string", value = "2024-01-02T03:04:05.250000Z"),
    list(kind = "string", value = list("2024-01-02", "2024-01-03"))
  ))
})

test_that("a vector that was submitted for a parameter with one value is refused, a positional argument isn't", {
  dir <- local_run_folder()
  submit <- function(params) writeLines(sprintf('{"id":"e_1_abcdef01","params":%s}', params), file.path(dir, "spec.json"))
  number <- '{"kind":"double","value":%d}'
  submit(sprintf('{"lambda":[%s,%s,%s],"a-b":[%1$s,%1$s]}', sprintf(number, 1), sprintf(number, 2), sprintf(number, 3)))
  error <- expect_error(with_args(c("--lambda", "1", "2", "3"), lambda = 1), class = "espalier_error_bad_argument")
  expect_identical(
    conditionMessage(error),
    paste0("The parameter `lambda` must be one number, but 3 were given.\n",
           "i To allow several, give it a vector as its default: job_params(lambda = c(1, 2)).")
  )
  expect_error(with_args(c("--lambda", "1", "2", "3"), lambda = 1L), "one whole number, but 3")
  expect_error(with_args(c("--lambda", "a b", "c", "d"), lambda = NULL), "one string, but 3")
  expect_error(with_args(c("--lambda", "TRUE", "FALSE", "TRUE"), lambda = FALSE), "one logical, but 3")
  dates <- c("--lambda", "2024-05-31", "2024-06-30", "2024-07-31")
  expect_error(with_args(dates, lambda = as.Date("2024-01-31")), "one date, but 3 .* as.Date\\(c\\(")
  expect_error(with_args(dates, lambda = as.POSIXct("2024-01-31", tz = "UTC")), "one time, but 3 .* as.POSIXct\\(c\\(")
  expect_error(with_args(c("--a-b", "1", "1"), `a b` = 1, a_b = 1), "`a_b` must be one number, but 2")
  expect_identical(with_args(c("--lambda", "1", "2", "3"), lambda = c(0, 0)), list(lambda = c(1, 2, 3)))
  submit(paste0('{"lambda":', sprintf(number, 1), ',"v":{"kind":"string","value":"maybe"},"w":{"kind":"logical","value":true}}'))
  expect_identical(with_args(c("--lambda", "1", "2", "--w", "x"), lambda = 0, w = FALSE), list(lambda = 1, w = TRUE))
  hint <- "To allow fractions"
  expect_error(with_args(c("--n", "1.5"), n = 1L), hint)
  expect_false(grepl(hint, conditionMessage(tryCatch(with_args(c("--n", "many"), n = 1L), error = identity))))
  expect_error(with_args(c("--v", "maybe"), v = FALSE), "`v` must be TRUE or FALSE, but \"maybe\" was given", fixed = TRUE)
  withr::local_envvar(ESPALIER_RUN_DIR = NA)
  expect_identical(with_args(c("--lambda", "1", "2"), lambda = 0), list(lambda = 1))
})

test_that("hints are code that R reads, whatever the parameter's name is", {
  error <- expect_error(with_args("--learn rate=0.5", `learn rate` = 1L))
  expect_match(conditionMessage(error), "job_params(`learn rate` = 1)", fixed = TRUE)
  expect_match(conditionMessage(expect_error(with_args("--s", s = "a"))), 'arguments = "--s=" of script_run_config()', fixed = TRUE)
})

test_that("defaults must be named and plain", {
  expect_error(job_params(1), class = "espalier_error_bad_argument")
  expect_error(job_params(a = 1, a = 2), class = "espalier_error_bad_argument")
  expect_error(job_params(a = list(1)), "`a`", class = "espalier_error_bad_argument")
  expect_error(job_params(a = factor("b")), "`a`", class = "espalier_error_bad_argument")
})

test_that("of an input the place it was taken from is recorded, for its copy is gone after the run", {
  dir <- local_run_folder()
  withr::local_envvar(ESPALIER_INPUT_X_1 = "/run/.job/inputs/x-1/x.csv", ESPALIER_ORIGIN_X_1 = "/data/x.csv",
                      ESPALIER_INPUT_OLD = "/old.csv")
  given <- job_params(x = "/run/.job/inputs/x-1/x.csv", old = "/old.csv", other = "/other.csv", several = c("a", "b"))
  expect_identical(given$x, "/run/.job/inputs/x-1/x.csv")
  expect_identical(lapply(run_events(dir, "param"), `[[`, "value"),
                   list("/data/x.csv", "/old.csv", "/other.csv", list("a", "b")))
})

test_that("effective values are recorded once", {
  dir <- local_run_folder()
  job_params(trees = 500L, lr = c(0.1, 0.2), label = NULL)
  job_params(trees = 500L, lr = c(0.1, 0.2), label = NULL)
  events <- run_events(dir, "param")
  expect_length(events, 3)
  expect_identical(lapply(events, `[`, c("name", "kind", "value")), list(
    list(name = "trees", kind = "integer", value = 500L),
    list(name = "lr", kind = "double", value = list(0.1, 0.2)),
    list(name = "label", kind = "string", value = "!NA")
  ))
})
