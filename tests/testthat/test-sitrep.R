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
  expect_match(part$problem, "cannot be written")
  expect_identical(part$fix, "Move it.")
  place <- file.path(withr::local_tempdir(), "a", "b")
  expect_identical(sitrep_folder("cache", place, "")$why, "can be made")
  expect_false(file.exists(dirname(place)))
})

test_that("a missing program and an unusable Python are named", {
  expect_match(sitrep_program("Rscript", "", "Reinstall R.")$problem, "Rscript was not found")
  choice <- list(how = "the variable X", env = "", python = "/opt/python")
  expect_match(sitrep_requirements(choice, "python")$problem, "/opt/python is no Python 3.9")
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

test_that("the compiled scanner is told of, and is no problem where it is not built", {
  report <- espalier_sitrep()
  expect_identical(sum(report$facts$what == "compiled scanner"), 1L)
  expect_false(any(grepl("scanner", report$problems$problem)))
})
