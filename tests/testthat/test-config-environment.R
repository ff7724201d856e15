# What a job asks for around it: environments and containers, as arguments.

docker_of <- function(...) unclass(script_run_config(command = "true", environment = "e", ...))$docker

test_that("docker options are named, and hostile ones are refused when they are submitted", {
  expect_identical(docker_of(docker = TRUE), TRUE)
  expect_identical(docker_of(docker = FALSE), FALSE)
  expect_identical(docker_of(docker = docker_options()), TRUE)
  mounts <- c("/data", there = "/other")
  options <- docker_of(docker = docker_options("2 GB", network = "none", mounts = mounts, init = FALSE, user = "1:2"))
  expect_identical(options$mounts, list("/data" = "/data", "/other" = "there"))
  expect_identical(options[c("shm_size", "network", "init", "user")],
                   list(shm_size = "2 GB", network = "none", init = FALSE, user = "1:2"))
  for (wrong in list("yes", 1, NA, list(network = "none"))) {
    expect_error(docker_of(docker = wrong), "`docker`", class = "espalier_error_bad_argument")
  }
  expect_error(docker_options(mounts = 1), "`mounts`", class = "espalier_error_bad_argument")
  expect_output(print(docker_options(network = "none", mounts = "/a")), "network = none, mounts = /a")
  ws <- local_workspace()
  refused <- function(options) {
    environment <- r_environment("e", custom_docker_image = "debian")
    expect_error(submit_command(ws, "true", environment = environment, docker = options), class = "espalier_error_bad_argument")
  }
  refused(docker_options(mounts = "/var/run/docker.sock"))
  refused(docker_options(mounts = "/"))
  refused(docker_options(network = "container:x"))
  expect_identical(nrow(list_runs(ws)), 0L)
})

test_that("mounts by which a container would rule its machine are refused, with what to do", {
  ws <- local_workspace()
  environment <- r_environment("e", custom_docker_image = "debian")
  submit <- function(...) submit_command(ws, "true", environment = environment, docker = docker_options(mounts = c(...)))
  home <- withr::local_tempdir(tmpdir = "/var/tmp")
  withr::local_envvar(DOCKER_HOST = paste0("unix://", home, "/engine.api"))
  python <- Sys.which("python3")
  skip_if(!nzchar(python), "needs Python")
  system2(python, c("-c", shQuote("import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"), file.path(home, "engine.api")))
  dir.create(file.path(home, "data"))
  hide <- function(lines) gsub(normalizePath(home), "<home>", lines, fixed = TRUE)
  expect_snapshot(error = TRUE, transform = hide, {
    submit("/:/host")
    submit("/host" = "/")
    submit(home)
    submit("/data/engine" = file.path(home, "engine.api"))
    submit("/var/lib")
  })
  expect_identical(nrow(list_runs(ws)), 0L)
})

test_that("an environment is given as an object or by its name", {
  env <- function(x) unclass(script_run_config(command = "true", environment = x))$environment
  expect_identical(env("tidy"), list(name = "tidy"))
  expect_identical(env("tidy:3"), list(name = "tidy", version = "3"))
  for (wrong in list("", NA_character_, 1, list(), c("a", "b"))) {
    expect_error(env(wrong), "`environment`", class = "espalier_error_bad_argument")
  }
  skip_if_no_core()
  made <- r_environment("tidy", cran_packages = "glmnet")
  expect_match(env(made)$definition, "glmnet", fixed = TRUE)
  config <- script_run_config(command = "true", environment = made, docker = docker_options(network = "none"))
  expect_output(print(config), "environment: tidy")
  expect_output(print(config), "docker: +network = none")
})

test_that("azuremlsdk's package lists become an environment, and exclude one", {
  config <- unclass(estimator("p", entry_script = "t.R", cran_packages = c("ranger", "glmnet@4.1"),
                              github_packages = "a/b@v1", custom_url_packages = "https://example.org/p.tar.gz"))
  expect_identical(config$environment$r$cran, list(list(name = "ranger"), list(name = "glmnet", version = "4.1")))
  expect_identical(config$environment$r$github, list(list(repository = "a/b", ref = "v1")))
  expect_null(config$docker)
  image <- unclass(estimator("p", entry_script = "t.R", custom_docker_image = "rocker/r-ver:4.3", shm_size = "2g"))
  expect_identical(image$environment, list(docker = list(base_image = "rocker/r-ver:4.3"), shm_size = "2g"))
  expect_true(image$docker)
  expect_error(estimator("p", entry_script = "t.R", cran_packages = "a", environment = "tidy"), "Can't use both",
               class = "espalier_error_bad_argument")
  expect_error(estimator("p", entry_script = "t.R", cran_packages = 1), class = "espalier_error_bad_argument")
})

test_that("what needs a container is refused without one, and a container without an environment", {
  ws <- local_workspace()
  folder <- local_project(train.R = "1")
  submit <- function(...) submit_experiment(experiment(ws, "e"), estimator(folder, entry_script = "train.R", ...))
  expect_error(submit(custom_docker_image = "debian", docker = FALSE), "debian", class = "espalier_error_needs_docker")
  environment <- r_environment("e", apt_packages = "libxml2")
  expect_error(submit(environment = environment), "libxml2", class = "espalier_error_needs_docker")
  expect_error(submit(docker = TRUE), "environment", class = "espalier_error_bad_argument")
  expect_error(submit(environment = "nothing-there"), class = "espalier_error_environment_missing")
  expect_identical(nrow(list_runs(ws)), 0L)
})

test_that("an environment that is there already costs nothing, sets variables, and is told of", {
  ws <- local_workspace()
  environment <- r_environment("mine", environment_variables = list(MINE = "a b", OTHER = "x"),
                               rscript_path = file.path(R.home("bin"), "Rscript"))
  run <- ended(submit_lines(ws, "cat(Sys.getenv(c('MINE', 'OTHER')), sep = '\\n')", environment = environment,
                            environment_variables = list(OTHER = "y")))
  expect_identical(get_run_status(run), "Completed")
  expect_identical(log_of(run), c("a b", "y"))
  told <- get_run_environment(run)
  expect_identical(told$how, "user-managed")
  expect_output(print(told), "mine")
  expect_output(print(run), "environment: +mine:1")
  again <- ended(submit_lines(ws, "1", environment = "mine:1"))
  expect_identical(get_run_status(again), "Completed")
  expect_identical(get_run_environment(submit_command(ws, "true"))$how, "session")
})
