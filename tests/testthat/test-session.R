run_log <- function(folder, script, ...) {
  ws <- workspace("w", path = withr::local_tempdir(.local_envir = parent.frame()))
  run <- submit_experiment(experiment(ws, "a"), script_run_config(folder, script, ...))
  wait_for_run_completion(run, show_output = FALSE)
  readLines(file.path(run_folder(identity_of(run)), "user_logs", "std_log.txt"))
}

test_that("a job finds the session's libraries, in its order, whatever start-up files say; so do R processes it starts", {
  skip_on_os("windows")
  skip_if_no_core()
  extra <- normalizePath(withr::local_tempdir())
  other <- normalizePath(withr::local_tempdir())
  home <- withr::local_tempdir()
  writeLines(c(sprintf("R_LIBS=%s", other), sprintf("R_LIBS_USER=%s", other), sprintf("R_LIBS_SITE=%s", other)),
             file.path(home, ".Renviron"))
  writeLines(sprintf(".libPaths(%s)", deparse(other)), file.path(home, ".Rprofile"))
  folder <- local_project("a.R" = c(
    "cat(.libPaths(), sep = '\\n')",
    "rscript <- file.path(R.home('bin'), 'Rscript')",
    "cat(system2(rscript, c('-e', shQuote('cat(.libPaths(), sep = \"\\\\n\")')), stdout = TRUE), sep = '\\n')",
    "workers <- parallel::makePSOCKcluster(1)",
    "cat(parallel::clusterEvalQ(workers, .libPaths())[[1]], sep = '\\n')",
    "parallel::stopCluster(workers)"
  ))
  withr::local_libpaths(extra, action = "prefix")
  withr::local_envvar(HOME = home)
  expect_identical(run_log(folder, "a.R"), rep(.libPaths(), 3L))
})

test_that("libraries that a sandbox hides from the session are hidden from its jobs", {
  skip_on_os("windows")
  skip_if_no_core()
  place <- normalizePath(withr::local_tempdir())
  prelude <- file.path(core_folders()$core, "espalier", "runner", "prelude.R")
  sandbox <- file.path(place, "sandbox")
  dir.create(sandbox)
  for (package in rownames(installed.packages(.Library, priority = "base"))) {
    file.symlink(file.path(.Library, package), file.path(sandbox, package))
  }
  project <- file.path(place, "project")
  dir.create(project)
  code <- "cat(.libPaths(), .Library, length(.Library.site), requireNamespace('survival', quietly = TRUE), sep = '\\n')"
  out <- withr::with_envvar(c(
    R_PROFILE_USER = prelude, ESPALIER_LIBRARY_PATHS = paste(project, sandbox, sep = .Platform$path.sep),
    ESPALIER_LIBRARY_R = as.character(getRversion()), ESPALIER_RUN_DIR = NA
  ), system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), stdout = TRUE))
  expect_identical(out, c(project, sandbox, sandbox, "0", "FALSE"))
})

test_that("a Python script runs on the Python of the PATH, without R's own libraries in front", {
  skip_on_os("windows")
  skip_if_no_core()
  bin <- normalizePath(withr::local_tempdir())
  python <- file.path(bin, "python3")
  writeLines(c("#!/bin/sh", "echo \"mine $1 [$LD_LIBRARY_PATH]\""), python)
  Sys.chmod(python, "755")
  withr::local_path(bin)
  withr::local_envvar(RETICULATE_PYTHON = NA, VIRTUAL_ENV = NA, CONDA_PREFIX = NA,
                      LD_LIBRARY_PATH = paste(c(r_library_path(), "/users/own"), collapse = ":"))
  withr::local_options(espalier.python = NULL)
  .bridge$state$chosen <- FALSE
  expect_identical(run_log(local_project("a.py" = "1"), "a.py"), "mine a.py [/users/own]")
})

test_that("the full core in a job runs on the Python of the session that submitted it", {
  skip_if_no_core()
  place <- withr::local_tempdir()
  ask <- "cat(espalier:::python_choose(build = FALSE)$how, 'end')"
  variables <- c(R_USER_DATA_DIR = place, ESPALIER_CORE_PYTHON = R.home(), RETICULATE_PYTHON = NA,
                 RETICULATE_PYTHON_ENV = NA, VIRTUAL_ENV = NA)
  expect_identical(in_new_session(ask, c(variables, ESPALIER_RUN_DIR = place)), "the session that submitted this job end")
  expect_identical(trimws(in_new_session(ask, c(variables, ESPALIER_RUN_DIR = NA))), "end")
})
