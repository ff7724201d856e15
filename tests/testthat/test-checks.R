test_that("checks name the argument, what was seen and what is wanted", {
  expect_error(check_string(1, "path"), "`path` must be one string, not the number 1.",
               class = "espalier_error_bad_argument")
  expect_error(check_string(c("a", "b"), "path"), "a character vector of length 2 \\(\"a\", \"b\"\\)")
  expect_error(check_string("", "path"), "not empty", class = "espalier_error_bad_argument")
  expect_error(check_string(NA_character_, "path"), "NA", class = "espalier_error_bad_argument")
  expect_error(check_flag(NA, "quiet"), "`quiet` must be TRUE or FALSE", class = "espalier_error_bad_argument")
  expect_error(check_number("1", "step"), "the string \"1\"", class = "espalier_error_bad_argument")
  expect_error(check_number(5, "p", min = 0, max = 1), "from 0 to 1", class = "espalier_error_bad_argument")
  expect_error(check_count(1.5, "n"), "whole", class = "espalier_error_bad_argument")
  expect_error(check_count(-1, "n"), "must be a whole number, 0 or more, not", class = "espalier_error_bad_argument")
  expect_error(check_object(list(), "espalier_config", "config"), "must be a config, made with estimator\\(\\)")
  expect_error(check_object(1, "Experiment", "experiment"), "must be an Experiment", class = "espalier_error_bad_argument")
  expect_error(check_choice("c", c("a", "b"), "x"), "\"a\", \"b\"", class = "espalier_error_bad_argument")
})

test_that("checks let good values and allowed NULLs pass", {
  expect_identical(check_string("a"), "a")
  expect_identical(check_string("", empty = TRUE), "")
  expect_null(check_string(NULL, null = TRUE))
  expect_identical(check_flag(TRUE), TRUE)
  expect_identical(check_number(1L), 1L)
  expect_identical(check_count(3), 3)
  expect_identical(check_choice("a", c("a", "b")), "a")
})

test_that("values of every type can be described", {
  for (x in list(NULL, 1i, sum, quote(a), as.name("b"), list(1), data.frame(), raw(2), "\xff\xfe",
                 factor("a"), strrep("a", 1e5), integer(), environment())) {
    expect_true(is_string(describe_value(x)))
    expect_lt(nchar(describe_value(x)), 200)
  }
})

test_that("names of workspaces and experiments follow the rule", {
  for (good in c("a", "A.b_c-1", "0", strrep("a", 128))) expect_identical(check_name(good), good)
  for (bad in list("", strrep("a", 129), "..", ".a", "-a", "a/b", "a b", "a\n", "a\"", "\u00e9", "\U1F600", NA, 1, NULL)) {
    expect_error(check_name(bad), class = "espalier_error_bad_name")
  }
})

test_that("labels may be anything printable up to 255 characters", {
  for (good in c("AUC", "a b/c\"\\", "\u00e9", "\U1F600", strrep("\u00e9", 255))) {
    expect_identical(parse_json(paste0("[", check_label(good), "]"))[[1]], good)
    expect_identical(check_label(good), check_label(good))
  }
  for (bad in list("", strrep("a", 256), strrep("a", 20000), "a\nb", "a\tb", "\x7f", "\u0085", NA_character_, 1, NULL, c("a", "b"))) {
    expect_error(check_label(bad), class = "espalier_error_bad_name")
  }
  bytes <- "\xff"
  Encoding(bytes) <- "bytes"
  expect_error(check_label(bytes), class = "espalier_error_bad_argument")
})

test_that("a workspace in the place of an experiment is answered with the verb", {
  ws <- local_workspace()
  config <- script_run_config(command = "true")
  failed <- expect_error(submit_experiment(ws, config), "must be an Experiment, not a <Workspace> object.", fixed = TRUE)
  expect_match(conditionMessage(failed), 'experiment(ws, "name")', fixed = TRUE)
  expect_error(submit_experiment(config, config), "must be an Experiment, not an <espalier_config> object of length", fixed = TRUE)
})

test_that("a verb without one of its arguments names both, and no inner function", {
  for (name in setdiff(getNamespaceExports("espalier"), ls(.__S3MethodsTable__., all.names = TRUE))) {
    verb <- getExportedValue("espalier", name)
    if (!is.function(verb)) next
    formals <- formals(verb)
    needed <- setdiff(names(formals)[vapply(formals, function(value) identical(value, quote(expr = )), NA)], "...")
    for (left_out in needed) {
      # (of others that are needed R may look at one before)
      given <- stats::setNames(rep(list("x"), length(needed)), needed)[setdiff(needed, left_out)]
      failed <- tryCatch(eval(as.call(c(as.name(name), given))), error = identity)
      expect_s3_class(failed, "espalier_error")
      expect_identical(conditionCall(failed), call(name))
    }
    if (!length(needed)) next
    failed <- tryCatch(eval(call(name)), error = identity)
    expect_match(conditionMessage(failed), sprintf("^The argument `(%s)` of %s\\(\\) is missing", paste(needed, collapse = "|"), name))
  }
  local <- expect_error(espalier::get_run(1), class = "espalier_error_bad_argument")
  expect_identical(conditionMessage(local), paste0(
    "The argument `run_id` of get_run() is missing.\ni For example: get_run(exp, \"latest\")"
  ))
  expect_error(list_images(), "is missing.\ni For example: list_images(ws)", fixed = TRUE)
  dir <- local_run_folder()
  expect_error(log_metric_to_run("a"), "`value` of log_metric_to_run\\(\\) is missing")
  expect_error(log_list_to_run("a"), "`value` of log_list_to_run\\(\\) is missing")
})

test_that("a name, an id or a list in the place of an object is answered with the verb that gives it", {
  hint <- function(expr) conditionMessage(expect_error(expr, class = "espalier_error_bad_argument"))
  expect_match(hint(wait_for_run_completion("x_1_2d97751e")), "Get it by its id: get_run(ws, \"x_1_2d97751e\").", fixed = TRUE)
  expect_match(hint(experiment("houses", "x")), "Get it by its name: workspace(\"houses\").", fixed = TRUE)
  expect_match(hint(wait_for_runs("x_1_2d97751e")), "Get a run by its id: get_run(ws, \"id\").", fixed = TRUE)
  run <- structure(list(), class = "Run")
  expect_match(hint(get_run_metrics(list(run, run))), "Give one of them, as runs[[1]], or use lapply() for all.", fixed = TRUE)
  expect_match(hint(wait_for_run_completion(list(run, run))), "wait_for_runs() waits for all.", fixed = TRUE)
  expect_no_match(hint(wait_for_run_completion(1)), "Get it by", fixed = TRUE)
})
