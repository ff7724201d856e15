# The compiled scanner, an optional part. Nothing is compiled here.

# A search path on which there is a compiler, or none
local_compiler <- function(there, env = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = env)
  if (there) file.copy("/bin/sh", file.path(folder, "g++"))
  withr::local_envvar(PATH = folder, CXX = NA, .local_envir = env)
}

test_that("its source code comes with the package, and another one needs another environment", {
  expect_true(file.exists(file.path(native_source(), "src", "espalier_native.cpp")))
  code <- list.files(file.path(native_source(), "src"))
  expect_match(native_key(), sprintf("^native( [0-9a-f]{6}){%d}$", length(code) + 2L))
  expect_match(managed_key(), native_key(), fixed = TRUE)
})

test_that("it is built when asked for, from its source code", {
  skip_on_os("windows")
  local_home()
  log <- withr::local_tempfile()
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = fake_uv(log, pause = 0))
  env <- suppressMessages(install_espalier())
  expect_no_match(readLines(log), native_source(), fixed = TRUE)
  expect_message(install_espalier("scanner"), "Installing the compiled scanner .* takes snapshots of large folders faster")
  expect_match(utils::tail(readLines(log), 1L), native_source(), fixed = TRUE)
  expect_true(is_whole(extra_folder(env, "scanner")))
})

test_that("what building it lacks is reported, and is no problem", {
  skip_if_not(Sys.info()[["sysname"]] == "Linux")
  local_compiler(FALSE)
  expect_match(native_lacks(), "C++ compiler; on Debian and Ubuntu: sudo apt install g++", fixed = TRUE)
  local_compiler(TRUE)
  expect_identical(native_lacks(), "")
  expect_error(abort_extra("scanner", "no compiler"), "sudo apt install g\\+\\+ libssl-dev", class = "espalier_error_python_missing")
})
