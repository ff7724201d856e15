# Definitions from files of others, and from this session.

test_that("files become definitions", {
  skip_if_no_core()
  project <- local_project(
    requirements.txt = c("numpy==1.26.4  # why", "-r more.txt"), more.txt = "pandas",
    environment.yml = c("channels: [conda-forge]", "dependencies: [python=3.11, {pip: [rich]}]"),
    Dockerfile = "FROM debian:12",
    renv.lock = '{"R": {"Version": "4.3.1", "Repositories": [{"Name": "CRAN", "URL": "https://cloud.r-project.org"}]},
      "Packages": {"R6": {"Package": "R6", "Version": "2.5.1", "Source": "Repository", "Repository": "CRAN"}}}'
  )
  withr::local_dir(project)
  expect_identical(as.list(environment_from_pip_requirements("e", "requirements.txt"))$python$pip, c("numpy==1.26.4", "pandas"))
  conda <- as.list(environment_from_conda_specification("e", "environment.yml"))$python
  expect_identical(list(conda$conda$dependencies, conda$pip), list("python=3.11", "rich"))
  expect_identical(as.list(environment_from_dockerfile("e", "Dockerfile"))$docker$base_dockerfile, "FROM debian:12\n")
  expect_identical(as.list(environment_from_docker_build_context("e", "."))$docker$build_context$dockerfile, "Dockerfile")
  image <- as.list(environment_from_docker_image("e", "x/y:1", container_registry("r.org"), pip_requirements = "requirements.txt"))
  expect_identical(list(image$docker$registry$address, image$python$pip[1]), list("r.org", "numpy==1.26.4"))
  renv <- as.list(environment_from_renv_lockfile("e"))$r
  expect_identical(list(renv$version, renv$cran[[1]]$version), list("4.3.1", "2.5.1"))
  writeLines("{\"Version\": 9, \"Packages\": {}}", "renv.lock")
  expect_error(environment_from_renv_lockfile("e"), "format", class = "espalier_error_environment_invalid")
  writeLines("-r ../../etc/passwd", "requirements.txt")
  expect_error(environment_from_pip_requirements("e", "requirements.txt"), "outside", class = "espalier_error_environment_invalid")
  expect_error(environment_from_docker_build_context("e", "none"), class = "espalier_error_environment_invalid")
})

test_that("the session's packages, but R's own and this one", {
  skip_if_no_core()
  fields <- as.list(suppressWarnings(environment_from_session("now")))$r
  names <- vapply(fields$cran, function(package) package$name, "")
  expect_true("testthat" %in% names)
  expect_identical(intersect(names, c("base", "stats", "utils", "espalier")), character())
  expect_identical(fields$version, paste(R.version$major, R.version$minor, sep = "."))
  one <- as.list(suppressWarnings(environment_from_session("one", packages = "jsonlite")))$r$cran
  expect_identical(one[[1]]$version, as.character(utils::packageVersion("jsonlite")))
  expect_length(one, 1L)
  expect_error(environment_from_session("e", packages = "no.such.package"), class = "espalier_error_bad_argument")
})

test_that("where a package came from is in its description", {
  lib <- withr::local_tempdir()
  installed <- file.path(lib, "fromgithub")
  dir.create(file.path(installed, "Meta"), recursive = TRUE)
  description <- c(Package = "fromgithub", Version = "0.1", RemoteType = "github", RemoteUsername = "u", RemoteRepo = "r",
                   RemoteSha = "0a1b", Built = "R 4.2.2; ; 2024-01-01 00:00:00 UTC; unix")
  writeLines(paste0(names(description), ": ", description), file.path(installed, "DESCRIPTION"))
  saveRDS(list(DESCRIPTION = description), file.path(installed, "Meta", "package.rds"))
  withr::local_libpaths(lib, action = "prefix")
  found <- session_package("fromgithub")
  expect_identical(found[c("Package", "RemoteSha")], list(Package = "fromgithub", RemoteSha = "0a1b"))
  expect_null(session_package("stats"))
  expect_null(session_package("no.such.package"))
})
