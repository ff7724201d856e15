# Building the compiled scanner into the private environment. Nothing is compiled here: what installs is a function.

local_native <- function(env = parent.frame()) {
  withr::local_envvar(
    R_USER_DATA_DIR = withr::local_tempdir(.local_envir = env), ESPALIER_NATIVE = NA, .local_envir = env
  )
  place <- file.path(managed_root(), "env")
  dir.create(file.path(place, "lib", "python3.11", "site-packages"), recursive = TRUE)
  place
}

# A search path on which there is a compiler, or none
local_compiler <- function(there, env = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = env)
  if (there) file.copy(Sys.which("sh"), file.path(folder, "g++"))
  withr::local_envvar(PATH = folder, CXX = NA, .local_envir = env)
}

installer <- function(status, place = NULL) {
  calls <- character()
  function(...) {
    calls <<- c(calls, ...)
    if (!is.null(place)) file.create(place)
    list(status = status, lines = "what it said")
  }
}
calls_of <- function(install) environment(install)$calls

test_that("its source code comes with the package, and another one needs another environment", {
  expect_true(file.exists(file.path(native_source(), "src", "espalier_native.cpp")))
  code <- list.files(file.path(native_source(), "src"))
  expect_match(native_key(), sprintf("^native( [0-9a-f]{6}){%d}$", length(code) + 2L))
  expect_match(managed_key(), native_key(), fixed = TRUE)
})

test_that("it is built where there is a compiler, and the report says so", {
  skip_if_not(Sys.info()[["sysname"]] == "Linux")
  env <- local_native()
  local_compiler(TRUE)
  built <- file.path(env, "lib", "python3.11", "site-packages", "espalier_native.cpython-311.so")
  install <- installer(0L, built)
  expect_silent(fill_native(env, install))
  expect_identical(calls_of(install), native_source())
  part <- sitrep_native(env_python(env))
  expect_identical(c(part$value, part$why, part$problem), c("built", built, ""))
})

test_that("where it cannot be built that is said, and is no failure", {
  skip_if_not(Sys.info()[["sysname"]] == "Linux")
  env <- local_native()
  local_compiler(TRUE)
  expect_match(sitrep_native(env_python(env))$why, "install_espalier\\(force = TRUE\\) builds it")
  expect_message(fill_native(env, installer(1L)), "could not be built")
  expect_identical(readLines(native_log(env)), "what it said")
  part <- sitrep_native(env_python(env))
  expect_identical(c(part$value, part$problem), c("not built", ""))
  expect_match(part$why, native_log(env), fixed = TRUE)
})

test_that("without a compiler, or when it is not wanted, nothing is tried", {
  skip_if_not(Sys.info()[["sysname"]] == "Linux")
  env <- local_native()
  local_compiler(FALSE)
  install <- installer(0L)
  fill_native(env, install)
  expect_match(sitrep_native(env_python(env))$why, "no C++ compiler; Debian, Ubuntu: sudo apt install g++", fixed = TRUE)
  local_compiler(TRUE)
  withr::local_envvar(ESPALIER_NATIVE = "No")
  fill_native(env, install)
  expect_length(calls_of(install), 0L)
  expect_identical(sitrep_native(env_python(env))$value, "switched off")
})

test_that("in a Python of the user's own nothing is built, but it is said how", {
  skip_if_not(Sys.info()[["sysname"]] == "Linux")
  local_native()
  expect_match(sitrep_native("/opt/mine/bin/python")$why, paste("/opt/mine/bin/python -m pip install", native_source()), fixed = TRUE)
  expect_identical(sitrep_native(NULL)$value, "not looked at")
})
