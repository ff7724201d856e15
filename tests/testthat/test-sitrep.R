test_that("the report has facts and problems, and prints one line a fact", {
  report <- espalier_sitrep()
  expect_s3_class(report, "espalier_sitrep")
  expect_named(report$facts, c("what", "value", "why"))
  expect_true(all(c("espalier", "R", "reticulate", "Python", "Rscript", "queue", "cache") %in% report$facts$what))
  expect_named(report$problems, c("problem", "fix"))
  expect_true(all(nzchar(report$problems$fix)))
  shown <- capture.output(print(report))
  expect_identical(length(grep("^reticulate ", shown)), 1L)
})

test_that("each problem comes with one fix", {
  file <- withr::local_tempfile(lines = "x")
  withr::local_envvar(ESPALIER_STATE_DIR = file.path(file, "state"))
  report <- espalier_sitrep()
  at <- grep("(queue)", report$problems$problem, fixed = TRUE)
  expect_length(at, 1L)
  expect_match(report$problems$fix[at], "ESPALIER_STATE_DIR")
})

test_that("a place that is no folder is a problem, and nothing is made by looking", {
  file <- withr::local_tempfile(lines = "x")
  part <- sitrep_folder("queue", file.path(file, "below"), "Move it.")
  expect_match(part$problem, "Can't write to")
  expect_identical(part$fix, "Move it.")
  place <- file.path(withr::local_tempdir(), "a", "b")
  expect_identical(sitrep_folder("cache", place, "")$why, "can be made")
  expect_false(file.exists(dirname(place)))
})

test_that("a missing program and an unusable Python are named", {
  expect_match(sitrep_program("Rscript", "", "Reinstall R.")$problem, "Can't find Rscript")
  choice <- list(how = "the variable X", env = "", python = "/opt/python")
  expect_match(sitrep_requirements(choice, "python")$problem, "/opt/python isn't a Python 3.9")
  expect_match(sitrep_requirements(choice, character())$why, "met")
})

test_that("printing says when all is well", {
  report <- structure(
    list(facts = data.frame(what = "R", value = "4", why = ""), problems = data.frame(problem = character(), fix = character())),
    class = "espalier_sitrep"
  )
  expect_output(print(report), "Everything is in place")
  report$problems <- data.frame(problem = "Bad.", fix = "mend()")
  expect_output(print(report), "One problem:\n1. Bad.\n   Fix: mend()", fixed = TRUE)
})

test_that("optional parts are listed with their sizes or what installs them, and none is a problem", {
  skip_on_os("windows")
  local_home()
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = fake_uv(tempfile(), pause = 0))
  env <- suppressMessages(install_espalier("docker"))
  writeLines(strrep("x", 2e6), file.path(extra_folder(env, "docker"), "module.py"))
  parts <- sitrep_extras(env_python(env))
  values <- vapply(parts, function(part) part$value, "")
  expect_identical(vapply(parts, function(part) part$what, ""), sprintf("part \"%s\"", extra_names()))
  expect_identical(values == "installed", extra_names() == "docker")
  expect_identical(parts[[which(values == "installed")]]$why, "2 MB on disk")
  expect_match(parts[[1L]]$why, "install_espalier(\"secrets\"), 5 MB to download: secrets are encrypted with it", fixed = TRUE)
  expect_true(all(vapply(parts, function(part) part$problem, "") == ""))
  expect_identical(sitrep_extras(NULL), list())
})

test_that("for a Python of the user's the pip line is shown", {
  skip_on_os("windows")
  local_home()
  python <- script(tempfile("python"), "echo cryptography; echo jmespath")
  parts <- sitrep_extras(python)
  why <- vapply(parts, function(part) part$why, "")
  expect_identical(why[[1L]], paste(python, "-m pip install 'cryptography>=38'"))
  expect_identical(why[[5L]], paste(python, "-m pip install 'jmespath>=1.0'"))
  expect_identical(unname(vapply(parts, function(part) part$value, "")), c("not installed", rep("installed", 3L), "not installed"))
})
