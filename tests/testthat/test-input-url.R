digest <- "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

test_that("a file on the web prints itself, and stands in a job", {
  data <- input_url("https://example.com/data.csv", sha256 = digest)
  expect_output(print(data), paste("<Input https://example.com/data.csv, SHA-256", digest), fixed = TRUE)
  config <- script_run_config(command = "true", inputs = list(data = data, here = test_path("test-input-url.R")))
  expect_output(print(config), "https://example.com/data.csv", fixed = TRUE)
  expect_identical(config$inputs$data, list(url = "https://example.com/data.csv", sha256 = digest))
})

test_that("what is no file on the web is refused", {
  expect_error(input_url("https://example.com/data.csv"), class = "espalier_error_bad_argument")
  expect_error(input_url(1, digest), class = "espalier_error_bad_argument")
  expect_error(script_run_config(command = "true", inputs = input_url("https://x/y", digest)), "named list",
               class = "espalier_error_bad_argument")
  skip_if_no_core()
  e <- experiment(local_workspace(), "exp")
  submit <- function(...) submit_experiment(e, script_run_config(command = "true", inputs = list(data = input_url(...))))
  expect_error(submit("https://user:pw@example.com/a.csv", digest), "credentials", class = "espalier_error_bad_argument")
  expect_error(submit("https://example.com/a.csv", "abc"), "64 hexadecimal", class = "espalier_error_bad_argument")
})

test_that("a file that can't be fetched fails the run before its job begins", {
  skip_if_no_core()
  e <- experiment(local_workspace(), "exp")
  url <- sprintf("http://127.0.0.1:%d/data.csv", 1L)
  run <- submit_experiment(e, script_run_config(command = "true", inputs = list(data = input_url(url, digest))))
  expect_error(wait_for_run_completion(run, show_output = FALSE), "Can't fetch the input", class = "espalier_error_run_failed")
  expect_identical(unlist(get_run_details(run)$error$class), "espalier_error_input_missing")
})
