# Images, without an engine: what is printed, asked and refused. With one: tests/docker/test-image.R.

image <- structure(
  list(name = "tidy", image = "sha256:1", tag = "espalier/env:1", key = "sha256:2", found = "built", seconds = 12.34),
  class = "espalier_image"
)

test_that("an image tells where it was found and how long that took", {
  expect_output(print(image), "<Image tidy, built in 12.3 s>\n  id:  sha256:1\n  tag: espalier/env:1", fixed = TRUE)
  image$found <- "shared registry"
  image$seconds <- 1.2
  expect_identical(image_text(image), "Image of tidy: found in the shared registry, 1.2 s")
  image$found <- "local"
  image$seconds <- 0.004
  expect_identical(image_text(image), "Image of tidy: found in the Docker engine, 4 ms")
  expect_identical(format_seconds(125), "2 min 05 s")
})

test_that("details tell what is not there, and show no control characters", {
  details <- structure(
    list(name = "tidy\u001b[31m", key = "k", tag = "t", exists = FALSE, image = NA_character_, size = NA_real_,
         registries = c("localhost:5000" = "sha256:3"), dockerfile = "FROM a\u0007\n"),
    class = "espalier_image_details"
  )
  out <- paste(capture.output(print(details)), collapse = "\n")
  expect_match(out, "<Image details tidy[31m, not in the Docker engine>", fixed = TRUE)
  expect_match(out, "pushed to: localhost:5000", fixed = TRUE)
  expect_match(out, "FROM a", fixed = TRUE)
  expect_false(grepl("\u0007|\u001b", out))
})

test_that("a log is shown as it grows, whole lines only until its end", {
  log <- withr::local_tempfile()
  show <- log_shower(log)
  ended <- 0
  display <- list(end = function() ended <<- ended + 1)
  expect_silent(show(display))
  cat("one\ntw", file = log)
  expect_output(show(display), "^one$")
  expect_silent(show(display))
  cat("o\nthree \u001b[0m", file = log, append = TRUE)
  expect_output(show(display), "^two$")
  expect_output(show(), "^three $")
  expect_identical(ended, 2)
})

test_that("a log is a vector of lines that prints itself", {
  expect_output(print(structure(c("a", "b\u0007"), class = "espalier_log")), "a\nb")
})

test_that("registries are set, listed and removed, and no password is taken", {
  skip_if_no_core()
  ws <- local_workspace()
  expect_identical(nrow(list_image_registries(ws)), 0L)
  expect_identical(set_image_registry(ws, "https://localhost:5000", "me", keyvault_secret("registry")), ws)
  set_image_registry(ws, "ghcr.io/team", shared = TRUE)
  found <- list_image_registries(ws)
  expect_identical(found$kind, c("workspace", "shared"))
  expect_identical(found$address, c("localhost:5000", "ghcr.io/team"))
  expect_identical(found$secret, c("registry", NA))
  expect_error(set_image_registry(ws, "localhost:5000", "me", "open sesame"), class = "espalier_error_bad_argument")
  expect_error(set_image_registry(ws, "a b"), class = "espalier_error_bad_argument")
  set_image_registry(ws, NULL)
  set_image_registry(ws, NULL, shared = TRUE)
  expect_identical(nrow(list_image_registries(ws)), 0L)
})

test_that("without an engine a build says so, and what is known can be listed and removed", {
  skip_if_no_core()
  withr::local_envvar(DOCKER_HOST = paste0("unix://", withr::local_tempfile()))
  folder <- withr::local_tempdir()
  # (Python sees the variables that R had when it started)
  seen <- in_other_r(function(folder) {
    library(espalier)
    ws <- create_workspace("ws", path = folder)
    env <- environment_from_docker_image("probe", "debian:12")
    said <- function(code) tryCatch(code, error = function(e) c(class(e)[1L], conditionMessage(e)))
    list(said(build_environment(ws, env)), prune_images(ws)$what, list_images(ws)$where)
  }, list(folder))
  expect_identical(seen[[1L]][1L], "espalier_error_docker_unavailable")
  expect_match(seen[[1L]][2L], "find a Docker engine")
  # (only what does without one; others of this user's may be there)
  expect_identical(setdiff(seen[[2L]], "private environment"), character())
  expect_identical(setdiff(seen[[3L]], "private"), character())
})

test_that("arguments are checked before anything is done", {
  expect_error(build_environment(NULL, "tidy"), class = "espalier_error_bad_argument")
  expect_error(list_images("ws"), class = "espalier_error_bad_argument")
})

test_that("a list of images shows those of this workspace, and counts the others", {
  times <- .POSIXct(c(1.7e9, NA, 1.7e9), "UTC")
  images <- structure(
    data.frame(
      environment = c("tidy", NA, NA), key = paste0("sha256:", strrep(c("a", "b", "c"), 64)), where = "engine",
      size = c(487624108, NA, 1), created_at = times, last_used_at = times, runs = c(2L, 0L, 0L), image = "sha256:1"
    ),
    class = c("espalier_images", "data.frame")
  )
  withr::local_options(width = 120)
  out <- capture.output(print(images))
  expect_match(out[2], "^ ?tidy +aaaaaaaaaaaa +engine +465.0 MB .* 2 *$")
  expect_match(out[3], "2 images", fixed = TRUE)
  expect_output(print(images[0, ]), "0 rows")
  expect_output(print(returned_table(images[0, ], "espalier_images")), "No images of environments of this workspace.", fixed = TRUE)
  images$mine <- "kept"
  expect_output(print(images), "environment +mine")
  expect_output(print(images[, c("where", "mine")]), "kept")
  expect_output(print(images[, c("key", "where")]), "sha256:c", fixed = TRUE)
  expect_identical(class(as.data.frame(images)), "data.frame")
})

test_that("what may go is printed with sizes for people", {
  found <- data.frame(
    what = c("image", "container"), name = c("espalier/env:0123", "abc"), size = c(488e6, NA),
    last_used_at = .POSIXct(c(1.7e9, NA), "UTC"), why = c("not wanted for 40 days", "its build is over"), deleted = FALSE
  )
  withr::local_timezone("UTC")
  expect_snapshot(print(structure(found, class = c("espalier_litter", "data.frame"))))
  expect_snapshot(print(structure(found[0L, ], class = c("espalier_litter", "data.frame"))))
})
