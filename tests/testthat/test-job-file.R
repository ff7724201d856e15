# Jobs as YAML files, from R.

full_config <- function(folder) {
  script_run_config(
    folder, "train.R", arguments = c("--quiet", "010"),
    script_params = list(trees = 500, n = 7L, flag = NULL, name = "500", odd = "a: 'b'\n\"c\"", yes = TRUE, v = c(1, 2.5), w = 1:3, x = c("a", "b"), inf = Inf),
    environment_variables = c(A = "1", B = "no"), inputs = list(data = file.path(folder, "d.csv"), web = input_url("https://example.org/a.csv", strrep("0", 64))),
    outputs = c(model = "outputs/model.rds"), cpus = 2, memory = "4 GB", priority = 7, retry = retry_options(3, on = "runner_lost", wait_seconds = 5),
    max_run_duration_seconds = 60, seed = 1, keep_workdir = TRUE, display_name = "Title", record_diff = FALSE, children = "detach", outside_links = "keep",
    secrets = "db", python = file.path(folder, "venv"), queue_timeout_seconds = Inf,
    environment = "tidy:3", docker = docker_options(network = "none", mounts = c("/data" = "/usr/share"))
  )
}

test_that("a job survives its file", {
  skip_if_no_core()
  folder <- withr::local_tempdir()
  file <- file.path(folder, "job.yml")
  config <- full_config(folder)
  expect_identical(withVisible(write_job(config, file, experiment = "pima", tags = list(stage = "dev", n = 1))), list(value = file, visible = FALSE))
  read <- read_job(file)
  expect_s3_class(read, "espalier_config")
  expect_identical(attr(read, "experiment"), "pima")
  expect_identical(attr(read, "tags"), list(stage = "dev", n = "1"))
  expect_setequal(names(read), names(config))
  for (name in names(config)) {
    # (numbers of R are whole where the field is)
    expect_equal(read[[name]], config[[name]], info = name)
  }
  expect_identical(lapply(read$script_params, typeof), lapply(config$script_params, typeof))
  expect_identical(read$script_params$flag, NULL)
  expect_identical(names(read$script_params), names(config$script_params))
  again <- file.path(folder, "again.yml")
  write_job(read, again)
  expect_identical(readLines(again), readLines(file))
  expect_snapshot(print(read), transform = function(x) gsub(folder, "<folder>", x, fixed = TRUE))
})

test_that("environments and commands survive their file", {
  skip_if_no_core()
  folder <- withr::local_tempdir()
  file <- file.path(folder, "job.yml")
  env <- r_environment("tidy", r_version = "4.10", cran_packages = "glmnet@4.1-8", custom_url_packages = "https://x.org/a_1.tar.gz", repositories = character())
  for (config in list(
    estimator(folder, entry_script = "a.R", environment = env), script_run_config(command = "ls > out; $HOME"), script_run_config(command = c("ls", "-l")),
    estimator(folder, entry_script = "a.R", cran_packages = "glmnet", custom_url_packages = "https://x.org/a_1.tar.gz")
  )) {
    write_job(config, file)
    expect_equal(unclass(read_job(file))[names(config)], unclass(config), ignore_attr = TRUE)
  }
})

test_that("values can be set", {
  skip_if_no_core()
  file <- withr::local_tempfile(lines = c("script: a.R", "params: {trees: 100, rate: 0.1}"), fileext = ".yml")
  expect_identical(read_job(file)$script_params, list(trees = 100L, rate = 0.1))
  set <- list(params.trees = 500, params.flag = NULL, params.when = as.Date("2024-05-01"), resources.cpus = 2, arguments = c("a", "b"))
  read <- read_job(file, set = set)
  expect_identical(read$script_params, list(trees = 500, rate = 0.1, flag = NULL, when = "2024-05-01"))
  expect_equal(read$cpus, 2)
  expect_identical(read$arguments, list("a", "b"))
  expect_identical(read_job(file, set = c("params.trees=500", "params.rate=x"))$script_params, list(trees = 500L, rate = "x"))
  expect_error(read_job(file, set = list(params.trees = keyvault_secret("a"))), class = "espalier_error")
  expect_error(read_job(file, set = "trees"), class = "espalier_error_bad_argument")
})

test_that("an error has the place", {
  skip_if_no_core()
  file <- withr::local_tempfile(lines = c("script: a.R", "", "prioritty: 3"), fileext = ".yml")
  error <- expect_error(read_job(file), class = "espalier_error_bad_job_file")
  expect_equal(error[c("line", "column")], list(line = 3, column = 1))
  expect_snapshot(read_job(file), error = TRUE, transform = function(x) gsub(file, "job.yml", x, fixed = TRUE))
  for (text in c("script: &a x", "script: !!python/name:os.system x", "script: a\nscript: b", strrep("[", 10000), "", "a\u0001")) {
    writeLines(text, file)
    expect_error(read_job(file), class = "espalier_error_bad_job_file", info = text)
  }
  expect_error(write_job(script_run_config(command = "ls"), "/none/job.yml"), class = "espalier_error_bad_argument")
})

test_that("a job of Azure's is read, and runs", {
  ws <- local_workspace()
  folder <- withr::local_tempdir()
  writeLines("x <- 1", file.path(folder, "data file.csv"))
  file <- file.path(folder, "job.yml")
  writeLines(c(
    "$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json", "experiment_name: moved",
    "command: cat ${{inputs.data}} > '${{outputs.copy}}/c.csv' && echo \"${{inputs.word}}\"",
    "code: .", "inputs:", "  data: {type: uri_file, path: data file.csv}", "  word: it's $(id)", "outputs: {copy: {}}",
    "compute: azureml:cluster", "services: {}", "tags: {stage: dev}"
  ), file)
  expect_message(job <- read_job(file), "services, compute", class = "espalier_message_note")
  expect_silent(read_job(file))
  run <- submit_experiment(experiment(ws, attr(job, "experiment")), job)
  wait_for_run_completion(run, show_output = FALSE)
  details <- get_run_details(run)
  expect_identical(details$status, "Completed")
  expect_identical(get_run_tags(run)$stage, "dev")
  expect_true("outputs/copy/c.csv" %in% get_run_file_names(run))
  expect_match(paste(get_run_log(run), collapse = "\n"), "it's $(id)", fixed = TRUE)
})

test_that("variables that look secret are warned of", {
  skip_if_no_core()
  file <- withr::local_tempfile(fileext = ".yml")
  expect_warning(write_job(script_run_config(command = "ls", environment_variables = c(DB_PASSWORD = "x")), file), "DB_PASSWORD")
})
