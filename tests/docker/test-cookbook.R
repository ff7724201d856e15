# The cookbook's task with a container, as its page has it. (The public base image can't be reached: another is used, which
# has the package already.)
source("../testthat/helper-cookbook.R")

test_that("the cookbook's task with a container can be done", {
  home <- withr::local_tempdir()
  withr::local_envvar(ESPALIER_STATE_DIR = file.path(home, "state"), ESPALIER_CACHE_DIR = file.path(home, "cache"))
  chunks <- tasks_of(normalizePath("../../vignettes/cookbook.Rmd"))[["Also: train in a container"]]
  withr::local_dir(withr::local_tempdir())
  file.create(".here")
  env <- new.env(parent = globalenv())
  env$r_environment <- function(name, cran_packages) {
    espalier::r_environment(name, custom_docker_image = Sys.getenv("ESPALIER_TEST_IMAGE"))
  }
  printed <- do_task(chunks, env)
  expect_match(printed, "isolated_[0-9a-f_]+: Completed")
  expect_match(printed, "[$]jsonlite\n\\[1\\] \"[0-9.]+\"")
  expect_no_match(printed, Sys.info()[["nodename"]], fixed = TRUE)
})
