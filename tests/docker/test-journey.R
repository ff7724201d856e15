# The whole story from R: define, lock, build, run the demo's job in Docker and without, change one package, see why it is
# built anew, find it in the registry from a second workspace, clean up.

local_host <- function(env = parent.frame()) {
  home <- withr::local_tempdir(.local_envir = env)
  withr::local_envvar(
    ESPALIER_STATE_DIR = file.path(home, "state"), ESPALIER_CACHE_DIR = file.path(home, "cache"),
    ESPALIER_BUILD_NETWORK = "host", .local_envir = env
  )
  home
}

# (the public base image cannot be reached; without Docker there is none)
pima_environment <- function(..., image = Sys.getenv("ESPALIER_TEST_IMAGE")) {
  r_environment(
    "pima", cran_packages = c("chain.a", "compiled", ...), repositories = c(CRAN = Sys.getenv("ESPALIER_TEST_CRAN")),
    custom_docker_image = image
  )
}

trained <- function(ws, env, docker) {
  project <- system.file("examples", "pima", package = "espalier")
  copy <- file.path(withr::local_tempdir(), "project")
  dir.create(copy)
  file.copy(list.files(project, full.names = TRUE), copy)
  # (the job looks at what it was given)
  cat("\nlog_metric_to_run('chain', chain.a::chain_a())\nlog_metric_to_run('pid', Sys.getpid())\n",
      file = file.path(copy, "train-rpart.R"), append = TRUE)
  run <- submit_experiment(
    experiment(ws, "pima"),
    estimator(copy, entry_script = "train-rpart.R", script_params = list(cp = 0.02), environment = env, docker = docker,
              seed = 1)
  )
  wait_for_run_completion(run, show_output = FALSE)
  run
}

rmi <- function(...) system2("docker", c("rmi", "-f", ...), stdout = FALSE, stderr = FALSE)

test_that("define, lock, build, run, change, find, prune", {
  home <- local_host()
  ws <- workspace("first", path = file.path(home, "workspaces"))
  set_image_registry(ws, Sys.getenv("ESPALIER_TEST_REGISTRY"))
  env <- register_environment(pima_environment(), ws)
  expect_identical(register_environment(pima_environment(), ws)$version, env$version)

  lock_environment(ws, env)
  built <- build_environment(ws, env, show_output = FALSE)
  expect_identical(built$found, "built")
  expect_identical(build_environment(ws, env, show_output = FALSE)$found, "local")

  inside <- trained(ws, env, docker = TRUE)
  outside <- trained(ws, pima_environment(image = NULL), docker = FALSE)
  metrics <- list(get_run_metrics(inside), get_run_metrics(outside))
  expect_identical(metrics[[1]]$AUC, metrics[[2]]$AUC)
  expect_identical(metrics[[1]]$chain, "chain.a 1.0.0")
  expect_identical(metrics[[2]]$chain, "chain.a 1.0.0")
  # in a container, processes are counted anew
  expect_lt(metrics[[1]]$pid, 200)
  expect_true("outputs/model.rds" %in% get_run_file_names(inside))

  changed <- pima_environment("versions")
  why <- compare_environments(env, changed)
  expect_identical(nrow(why), 1L)
  expect_match(paste(unlist(why), collapse = " "), "versions")
  again <- build_environment(ws, changed, show_output = FALSE)
  expect_identical(again$found, "built")
  expect_false(again$key == built$key)
  # only what is new was installed
  log <- get_build_log(ws, changed)
  expect_true(any(grepl("DONE (versions)", log, fixed = TRUE)))
  expect_false(any(grepl("DONE (compiled)", log, fixed = TRUE)))

  rmi(again$tag)
  second <- workspace("second", path = file.path(home, "workspaces"))
  set_image_registry(second, Sys.getenv("ESPALIER_TEST_REGISTRY"))
  found <- build_environment(second, changed, show_output = FALSE)
  expect_identical(found$found, "workspace registry")
  expect_identical(found$key, again$key)

  listed <- list_images(ws)
  expect_true(all(c(built$key, again$key) %in% listed$key))
  # (listed only: whoever runs the tests may have images of their own)
  could_go <- prune_images(ws, unused_days = 0)
  expect_true(all(c(built$tag, found$tag) %in% could_go$name))
  expect_false(any(could_go$deleted))
  rmi(built$tag, found$tag)
})
