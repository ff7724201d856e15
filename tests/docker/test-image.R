# Images from R, with the engine and repository of the tests.

local_images <- function(env = parent.frame()) {
  workspace("ws", path = withr::local_tempdir(.local_envir = env))
}

remove <- function(image) system2("docker", c("rmi", "-f", image$tag, sub("env:", "stage:", image$tag)), stdout = FALSE, stderr = FALSE)

test_that("an environment is built with its log shown, found again, listed, and pruned", {
  ws <- local_images()
  env <- r_environment(
    "tidy", cran_packages = "plain", repositories = c(CRAN = Sys.getenv("ESPALIER_TEST_CRAN")),
    custom_docker_image = Sys.getenv("ESPALIER_TEST_IMAGE"), docker_steps = paste0("ENV PROBE=", basename(tempfile("")))
  )
  shown <- capture.output(built <- build_environment(ws, env))
  withr::defer(remove(built))
  expect_s3_class(built, "espalier_image")
  expect_identical(built$found, "built")
  expect_true(any(grepl("plain 1.0.0: ", shown, fixed = TRUE)))
  expect_true(any(grepl("plain 1.0.0: ", get_build_log(ws, env), fixed = TRUE)))
  expect_identical(build_environment(ws, env)$found, "local")
  details <- get_image_details(ws, env)
  expect_true(details$exists)
  expect_identical(details$image, built$image)
  expect_match(details$dockerfile, "PROBE")
  listed <- list_images(ws)
  listed <- listed[listed$key == built$key, ]
  expect_identical(listed$environment, "tidy")
  expect_identical(listed$where, "engine")
  expect_true(listed$size > 1e6)
  expect_false(built$tag %in% prune_images(ws)$name)
  old <- prune_images(ws, unused_days = 0)
  expect_true(built$tag %in% old$name)
  expect_false(any(old$deleted))
})

test_that("a failed build is an error that names the package, with a log", {
  ws <- local_images()
  env <- r_environment(
    "broken", cran_packages = "no.tool", repositories = c(CRAN = Sys.getenv("ESPALIER_TEST_CRAN")),
    custom_docker_image = Sys.getenv("ESPALIER_TEST_IMAGE")
  )
  error <- tryCatch(build_environment(ws, env, show_output = FALSE), espalier_error_build_failed = identity)
  expect_identical(error$package, "no.tool")
  expect_identical(unlist(error$apt), "libxml2-dev")
  expect_match(conditionMessage(error), "no.tool needs the library libxml-2.0", fixed = TRUE)
  expect_true(any(grepl("could not install no.tool", get_build_log(ws, env), fixed = TRUE)))
})
