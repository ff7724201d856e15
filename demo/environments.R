# The main job again, now in an environment: demo("environments", package = "espalier"), or `make demo-environments`.
# With a Docker engine it runs in a container too. Everything lies in a temporary folder, or in ESPALIER_DEMO_OUT.
# Packages come from CRAN and the image is rocker's, unless variables name others, as `make` does.
library(espalier)

# In local(), so that your session keeps its objects and options.
local({
  out <- Sys.getenv("ESPALIER_DEMO_OUT", file.path(tempdir(), "espalier-demo-environments"))
  project <- system.file("examples", "pima", package = "espalier")
  before <- options(width = 100)
  on.exit(options(before))
  section <- function(...) cat("\n== ", ..., "\n", sep = "")

  unlink(out, recursive = TRUE)
  dir.create(out)
  out <- normalizePath(out)

  of_tests <- nzchar(Sys.getenv("ESPALIER_TEST_CRAN"))
  repositories <- if (of_tests) c(CRAN = Sys.getenv("ESPALIER_TEST_CRAN"))
  image <- if (of_tests) Sys.getenv("ESPALIER_TEST_IMAGE")
  packages <- if (of_tests) c("chain.a", "compiled") else c("R6", "jsonlite")
  one_more <- if (of_tests) "versions" else "withr"
  docker <- system2("docker", "version", stdout = FALSE, stderr = FALSE) == 0

  section("An environment is a definition; registered, it has a version")
  ws <- workspace("demo", path = out)
  env <- r_environment("pima", cran_packages = packages, repositories = repositories, custom_docker_image = image)
  env <- register_environment(env, ws)
  print(env)

  section("Locked: what is not pinned is resolved once")
  print(lock_environment(ws, env))

  train <- function(environment, docker) {
    run <- submit_experiment(
      experiment(ws, "pima"),
      estimator(project, entry_script = "train-rpart.R", script_params = list(cp = 0.02), seed = 1,
                environment = environment, docker = docker)
    )
    wait_for_run_completion(run, show_output = FALSE)
    cat(sprintf("AUC %.3f\n", get_run_metrics(run)$AUC))
  }

  section("The demo's job in a private library, without Docker")
  # (the same definition; an image of one's own can only be had with Docker)
  train(r_environment("pima", cran_packages = packages, repositories = repositories), docker = FALSE)

  if (docker) {
    section("Its image, built once")
    build_environment(ws, env, show_output = FALSE)
    section("The same job in a container")
    train(env, docker = TRUE)

    section("One package more: why it has to be built, and what that takes")
    more <- r_environment("pima", cran_packages = c(packages, one_more), repositories = repositories,
                          custom_docker_image = image)
    print(compare_environments(env, more))
    build_environment(ws, more, show_output = FALSE)
    build_environment(ws, more, show_output = FALSE)

    section("The images of this workspace, and what could go")
    print(list_images(ws))
    print(prune_images(ws, unused_days = 0))
  } else {
    cat("\nThere is no Docker engine here, so nothing was run in a container.\n")
  }
})
