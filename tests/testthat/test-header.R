# Each printed object begins with <Kind name, facts>, and format(), summary() and str() say something.

values <- function() {
  list(
    "<Resource options: cpus = 2>" = resource_options(cpus = 2), "<Limit options: default>" = limit_options(),
    "<Limit options: run_seconds = 5>" = limit_options(run_seconds = 5), "<Source options: keep_workdir = TRUE>" = source_options(keep_workdir = TRUE),
    "<Retry options: up to 3 attempts>" = retry_options(), "<Docker options: default>" = docker_options(),
    "<Docker options: network = none>" = docker_options(network = "none"),
    "<Package R6, 2.5>" = cran_package("R6", "2.5"), "<Package u/r>" = github_package("u/r"), "<Registry r.org>" = container_registry("r.org"),
    "<Secret name s>" = keyvault_secret("s"), "<Job echo 1>" = script_run_config(command = "echo 1"),
    "<Input https://x.org/a, SHA-256 0>" = input_url("https://x.org/a", "0"), "<Job parameters: none>" = job_params()
  )
}

test_that("a value is one header, wherever it is shown", {
  given <- values()
  for (text in names(given)) {
    expect_identical(format(given[[text]]), text)
    expect_identical(utils::capture.output(print(given[[text]]))[1L], text)
    expect_identical(utils::capture.output(print(summary(given[[text]])))[1L], text)
    if (inherits(given[[text]], "espalier_value")) expect_output(utils::str(given[[text]]), text, fixed = TRUE)
  }
  expect_identical(header("Run", "a\033[31m", c("b", "c")), "<Run a[31m, b, c>")
})

test_that("an object of the core is one line for str(), and a run has its status", {
  skip_if_no_core()
  ws <- workspace("ws", path = withr::local_tempdir())
  exp <- experiment(ws, "exp")
  run <- start_logging_run(exp)
  expect_output(utils::str(list(run)), paste0("$ : <Run ", run$id, ">"), fixed = TRUE)
  expect_identical(run$status, "Running")
  expect_identical(run$status, get_run_status(run))
  complete_run(run)
  expect_identical(run$status, "Completed")
  expect_error(run$nothing_of_the_kind, class = "espalier_error_bad_argument")
  expect_true(all(c("status", "tags", "get_status") %in% utils::.DollarNames(run, "")))
  expect_s3_class(summary(run), "espalier_run_details")
  expect_identical(format(summary(run)), sprintf("<Run details %s>", run$id))
  expect_identical(names(summary(exp)), c("status", "runs", "total_seconds"))
  expect_identical(summary(exp)[c("status", "runs")], data.frame(status = "Completed", runs = 1L))
  expect_identical(summary(get_runs_in_experiment(exp)), summary(exp))
  expect_identical(summary(list_runs(ws)), summary(exp))
  expect_identical(summary(ws)$experiment, "exp")
  expect_identical(format(get_runs_in_experiment(exp)), format(run))
  expect_identical(nrow(summary(get_runs_in_experiment(experiment(ws, "none")))), 0L)
  keyvault <- get_default_keyvault(ws)
  set_secrets(keyvault, list(database = "long enough"))
  expect_output(print(keyvault), "secrets: database", fixed = TRUE)
  expect_identical(summary(keyvault)$name, "database")
})
