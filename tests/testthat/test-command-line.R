# The launcher of the command line. Most of it with a uv that only notes what it is asked for; the last test installs
# the packages, and starts it.

local_environment <- function(env = parent.frame()) {
  data <- local_home(env)
  log <- withr::local_tempfile(.local_envir = env)
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = fake_uv(log), .local_envir = env)
  install_espalier()
  unlink(log)
  list(log = log, dir = file.path(data, "bin"))
}

test_that("the launcher is written, and the packages are installed once", {
  skip_on_os("windows")
  here <- local_environment()
  expect_message(launcher <- install_espalier_cli(here$dir), "Installed the command line")
  expect_identical(launcher, file.path(normalizePath(here$dir), "espalier"))
  expect_identical(file.info(launcher)$mode, as.octmode("755"))
  expect_match(readLines(here$log), "pip install .*click.* jmespath")
  unlink(here$log)
  expect_message(install_espalier_cli(here$dir), "isn't on your PATH")
  expect_false(file.exists(here$log))
  expect_identical(list.files(here$dir, all.files = TRUE, no.. = TRUE), "espalier")
})

test_that("another program in that place stays, and a folder that can't be written is named", {
  skip_on_os("windows")
  here <- local_environment()
  other <- script(file.path(here$dir, "espalier"), "echo another")
  expect_error(install_espalier_cli(here$dir), class = "espalier_error_file_exists")
  expect_identical(readLines(other)[2L], "echo another")
  file <- withr::local_tempfile(lines = "x")
  expect_error(install_espalier_cli(file.path(file, "bin")), class = "espalier_error_not_permitted")
  expect_error(install_espalier_cli(1), class = "espalier_error_bad_argument")
})

test_that("packages that can't be installed are an error, and no launcher is left", {
  skip_on_os("windows")
  here <- local_environment()
  withr::local_envvar(ESPALIER_UV = fake_uv(here$log, fail = TRUE))
  expect_error(install_espalier_cli(here$dir), "Can't install click and jmespath", class = "espalier_error_python_missing")
  expect_false(dir.exists(here$dir))
})

test_that("a launcher whose environment is gone asks to be installed again", {
  skip_on_os("windows")
  dir <- withr::local_tempdir()
  launcher <- file.path(dir, "espalier")
  write_launcher(launcher, "/gone/it's/python", "/core")
  out <- run_quietly(launcher, "--version")
  expect_identical(out$status, 4L)
  expect_match(out$lines, "Run install_espalier_cli() in R again.", fixed = TRUE)
  withr::local_envvar(PATH = paste(dir, Sys.getenv("PATH"), sep = ":"))
  found <- sitrep_command_line()
  expect_match(found$problem, "can't start")
  expect_identical(found$fix, "install_espalier_cli()")
})

test_that("the report knows a launcher that was written to any folder", {
  skip_on_os("windows")
  local_home()
  dir <- withr::local_tempdir()
  withr::local_envvar(PATH = "/usr/bin:/bin", HOME = withr::local_tempdir())
  launcher <- script(file.path(dir, "espalier"), c(launcher_mark, "echo espalier 1.2.3"))
  dir.create(data_folder(), FALSE, TRUE)
  remember_launcher(launcher)
  found <- sitrep_command_line()
  expect_identical(found$value, launcher)
  expect_match(found$why, "^version 1.2.3, .* isn't on your PATH$")
  unlink(launcher)
  expect_identical(sitrep_command_line()$value, "not installed")
})

test_that("without a launcher the report names what installs it, and that is no problem", {
  local_home()
  withr::local_envvar(PATH = withr::local_tempdir(), HOME = withr::local_tempdir())
  found <- sitrep_command_line()
  expect_identical(found$value, "not installed")
  expect_identical(found$problem, "")
})

test_that("the command runs scripts, and lists their runs", {
  skip_if_no_core()
  skip_on_os("windows")
  skip_if(is.null(managed_env()), "the core runs in another Python than the private one")
  folder <- withr::local_tempdir("it's here ")
  # (what lies in the working directory doesn't take the place of the core's modules)
  writeLines("raise SystemExit('not this')", file.path(folder, "json.py"))
  writeLines("library(espalier)\np <- job_params(trees = 1)\nlog_metric_to_run(\"AUC\", p$trees / 1000)",
             file.path(folder, "train.R"))
  file.create(file.path(folder, ".here"))
  suppressMessages(launcher <- install_espalier_cli(file.path(folder, "bin")))
  withr::local_envvar(PATH = paste(dirname(launcher), Sys.getenv("PATH"), sep = ":"))
  withr::local_dir(folder)
  expect_match(sitrep_command_line()$why, "^version [0-9.]+, on the PATH$")
  out <- run_quietly("espalier", c("run", "train.R", "--", "--trees", "200"))
  expect_identical(out$status, 0L, info = paste(out$lines, collapse = "\n"))
  found <- system2("espalier", c("runs", "list"), stdout = TRUE)
  runs <- jsonlite::fromJSON(paste(found, collapse = "\n"))
  expect_identical(runs$metric_AUC, 0.2)
  expect_identical(runs$status, "Completed")
})

test_that("an answer that is neither yes nor no is asked for again, and never a yes", {
  asked <- 0L
  withr::local_options(askYesNo = function(msg, default, ...) {
    asked <<- asked + 1L
    stop("Unrecognized response")
  })
  expect_message(expect_false(agrees("Go on?", default = TRUE)), "answer yes, no or cancel")
  expect_identical(asked, 3L)
  withr::local_options(askYesNo = function(msg, default, ...) NA)
  expect_false(agrees("Go on?", default = TRUE))
})
