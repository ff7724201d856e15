# What espalier_sitrep() says about Docker.

test_that("no engine is no problem", {
  skip_on_os("windows")
  place <- withr::local_tempfile()
  withr::local_envvar(DOCKER_HOST = paste0("unix://", place))
  part <- sitrep_docker()
  expect_identical(part$value, "no engine runs")
  expect_identical(part$why, "only environments with Docker need one")
  expect_identical(part$problem, "")
})

test_that("an engine elsewhere is only named", {
  skip_on_os("windows")
  withr::local_envvar(DOCKER_HOST = "tcp://example.org:2376")
  expect_identical(sitrep_docker()$value, "tcp://example.org:2376")
})

test_that("the version comes from the program docker; where that gets no answer the engine is not running", {
  skip_on_os("windows")
  place <- withr::local_tempfile()
  file.create(place)
  bin <- withr::local_tempdir()
  withr::local_envvar(DOCKER_HOST = paste0("unix://", place), PATH = paste(bin, "/usr/bin:/bin", sep = ":"))
  program <- file.path(bin, "docker")
  writeLines(c("#!/bin/sh", "echo 27.1"), program)
  Sys.chmod(program, "0755")
  expect_identical(sitrep_docker()$value, "engine 27.1")
  writeLines(c("#!/bin/sh", "echo nobody there >&2", "exit 1"), program)
  expect_identical(sitrep_docker()[c("value", "problem")], list(value = "not running", problem = ""))
})

test_that("a socket that may not be written is no problem, and its fix is named", {
  skip_on_os("windows")
  place <- withr::local_tempfile()
  file.create(place)
  withr::local_envvar(DOCKER_HOST = paste0("unix://", place))
  # (root may write to every one)
  part <- sitrep_docker(may_write = function(place) FALSE)
  expect_identical(part$problem, "")
  expect_match(part$why, "can't use the engine")
  expect_match(part$why, "usermod -aG docker")
})
