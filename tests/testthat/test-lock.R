# A repository of R packages: an index, which is all that locking reads.
local_repository <- function(..., env = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = env)
  contrib <- file.path(folder, "src", "contrib")
  dir.create(contrib, recursive = TRUE)
  writeLines(c(...), file.path(contrib, "PACKAGES"))
  structure(paste0("file://", normalizePath(folder)), index = file.path(contrib, "PACKAGES"))
}

test_that("an environment is locked with all that its packages need", {
  skip_if_no_core()
  repository <- local_repository(
    "Package: aa", "Version: 1.0", "", "Package: bb", "Version: 2.1", "Imports: aa (>= 0.9), stats", ""
  )
  ws <- workspace("ws", withr::local_tempdir())
  env <- r_environment("locked", repositories = c(CRAN = c(repository)), cran_packages = "bb")
  expect_identical(nrow(get_environment_lock(ws, env)), 0L)
  expect_message(locked <- lock_environment(ws, env), "2 packages of cran")
  expect_true(locked == env)
  seen <- get_environment_lock(ws, env)
  expect_identical(names(seen), c("package", "version", "origin", "url", "digest"))
  expect_identical(seen$package, c("aa", "bb"))
  expect_identical(seen$version, c("1.0", "2.1"))
  expect_identical(seen$digest, c(NA_character_, NA_character_))

  writeLines(c("Package: aa", "Version: 1.1", "", "Package: bb", "Version: 2.1", "Imports: aa"), attr(repository, "index"))
  suppressMessages(lock_environment(ws, env))
  expect_identical(get_environment_lock(ws, env), seen)
  suppressMessages(lock_environment(ws, env, refresh = TRUE))
  expect_identical(get_environment_lock(ws, env)$version, c("1.1", "2.1"))
})

test_that("a package that nobody has is named, with what may have been meant", {
  skip_if_no_core()
  repository <- local_repository("Package: glmnet", "Version: 4.1-8")
  env <- r_environment("missing", repositories = c(CRAN = c(repository)), cran_packages = "glmnett")
  error <- tryCatch(lock_environment(workspace("ws", withr::local_tempdir()), env), espalier_error = identity)
  expect_s3_class(error, "espalier_error_package_missing")
  expect_match(conditionMessage(error), "glmnett")
  expect_match(conditionMessage(error), "Did you mean glmnet?", fixed = TRUE)
})

test_that("packages are counted in words", {
  expect_identical(count_packages(table(character())), "it asks for no packages")
  expect_identical(count_packages(table("cran")), "1 package of cran")
  expect_identical(count_packages(table(c("cran", "cran"))), "2 packages of cran")
  expect_identical(count_packages(table(c("cran", "pip", "pip"))), "1 package of cran and 2 of pip")
  expect_identical(count_packages(table(c("conda", "cran", "cran", "pip"))), "1 package of conda, 2 of cran and 1 of pip")
})
