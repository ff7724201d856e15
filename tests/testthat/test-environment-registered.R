# Registered environments, from R.

test_that("equal definitions keep their version, changed ones get the next", {
  ws <- local_workspace()
  first <- r_environment("tidy", cran_packages = "glmnet")
  second <- r_environment("tidy", cran_packages = c("glmnet", "ranger"))
  expect_identical(register_environment(first, ws)$version, "1")
  expect_identical(register_environment(first, ws)$version, "1")
  expect_identical(register_environment(second, ws)$version, "2")
  expect_identical(as.list(get_environment(ws, "tidy"))$r, as.list(second)$r)
  for (version in list(1, 1L, "1")) expect_identical(as.list(get_environment(ws, "tidy", version))$r, as.list(first)$r)
  expect_identical(list_environment_versions(ws, "tidy")$version, c("2", "1"))
  all <- list_environments(ws)
  expect_identical(all[all$name == "tidy", "versions"], 2L)
  expect_s3_class(all$registered_at, "POSIXct")
  expect_error(get_environment(ws, "tidy", 3), class = "espalier_error_environment_missing")
  expect_error(get_environment(ws, "none"), class = "espalier_error_environment_missing")
  expect_error(get_environment(ws, "../tidy"), class = "espalier_error_bad_name")
})

test_that("curated environments are there, and nobody's to change", {
  ws <- local_workspace()
  all <- list_environments(ws)
  expect_identical(all$name[all$curated], c("minimal-python", "minimal-r", "sklearn-python", "tidymodels-r"))
  env <- get_environment(ws, "tidymodels-r")
  expect_error(register_environment(env, ws), class = "espalier_error_bad_name")
})

test_that("a build context is frozen", {
  ws <- local_workspace()
  folder <- local_project(Dockerfile = "FROM x")
  env <- register_environment(environment_from_docker_build_context("image", folder), ws)
  context <- as.list(env)$docker$build_context
  expect_null(context$path)
  expect_match(context$snapshot, "^sha256:")
  expect_identical(nrow(collect_garbage(ws, dry_run = FALSE)), 0L)
})

test_that("differences are named", {
  skip_if_no_core()
  before <- r_environment("a", r_version = "4.3", cran_packages = c("glmnet", "ranger@0.16.0"))
  after <- r_environment("b", r_version = "4.3", cran_packages = c("ranger@0.17.0", "glmnet"), shm_size = "2g")
  expect_identical(
    compare_environments(before, after), data.frame(field = "r.cran.ranger", before = "0.16.0", after = "0.17.0")
  )
  expect_identical(nrow(compare_environments(before, before)), 0L)
  expect_error(compare_environments(before, "x"), class = "espalier_error_bad_argument")
})
