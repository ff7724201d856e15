test_that("without a home folder that can be written, folders lie in a private one", {
  skip_on_os("windows")
  shared <- normalizePath(withr::local_tempdir())
  mine <- private_folder(shared)
  expect_identical(mine, Sys.glob(file.path(shared, "espalier-*")))
  expect_identical(format(file.info(mine)$mode), "700")
  expect_identical(private_folder(shared), mine)
  Sys.chmod(mine, "755")
  expect_error(private_folder(shared), class = "espalier_error_not_supported")
  unlink(mine, recursive = TRUE)
  file.symlink(withr::local_tempdir(), mine)
  expect_error(private_folder(shared), "neither a home folder nor", class = "espalier_error_not_supported")
})

test_that("the home folder serves as long as it can be written", {
  skip_on_os("windows")
  home <- withr::local_tempdir()
  withr::local_envvar(
    R_USER_CACHE_DIR = NA, R_USER_DATA_DIR = NA, XDG_STATE_HOME = "relative", XDG_CACHE_HOME = NA, XDG_DATA_HOME = NA,
    ESPALIER_STATE_DIR = NA, ESPALIER_CACHE_DIR = NA, HOME = home
  )
  expect_identical(data_folder(), file.path(home, ".local/share/R/espalier"))
  expect_identical(state_folder(), file.path(home, ".local/state/espalier"))
  expect_identical(cache_folder(), tools::R_user_dir("espalier", "cache"))
  for (folder in c("~", "/dev/null/x")) expect_false(is_absolute(folder) && can_be_made(folder))
})

test_that("a folder that the user named is used, or reported", {
  withr::local_envvar(R_USER_CACHE_DIR = "/dev/null/x", ESPALIER_CACHE_DIR = NA, ESPALIER_STATE_DIR = "/proc/mine")
  expect_identical(cache_folder(), "/dev/null/x/R/espalier")
  expect_identical(state_folder(), "/proc/mine")
})

test_that("R and the core have one folder of caches, for all settings of variables", {
  skip_on_os("windows")
  skip_if_no_core()
  home <- normalizePath(withr::local_tempdir())
  set <- list(
    list(), list(XDG_CACHE_HOME = "/x"), list(R_USER_CACHE_DIR = "/r", XDG_CACHE_HOME = "/x"),
    list(R_USER_CACHE_DIR = "relative", XDG_CACHE_HOME = "/x"), list(R_USER_CACHE_DIR = "~/r"),
    list(ESPALIER_CACHE_DIR = "/e", R_USER_CACHE_DIR = "/r"), list(ESPALIER_CACHE_DIR = "~/e")
  )
  expected <- c("~/.cache/R/espalier", "/x/R/espalier", "/r/R/espalier", "/x/R/espalier", "~/r/R/espalier", "/e", "~/e")
  if (Sys.info()[["sysname"]] == "Darwin") expected[1L] <- "~/Library/Caches/org.R-project.R/R/espalier"
  code <- "import sys; sys.path.insert(0, sys.argv[1]); from espalier.adapters.homes import cache_folder; print(cache_folder())"
  # (R keeps the home folder that it began with, so both are asked in processes of their own)
  r <- "cat(espalier:::cache_folder(), '\n')"
  for (at in seq_along(set)) {
    variables <- utils::modifyList(
      list(HOME = home, ESPALIER_CACHE_DIR = NA, R_USER_CACHE_DIR = NA, XDG_CACHE_HOME = NA), set[[at]]
    )
    python <- withr::with_envvar(variables, run_quietly(env_python(managed_env()), c("-c", code, core_folders()$core)))
    wanted <- sub("~", home, expected[at], fixed = TRUE)
    expect_identical(python$lines, wanted)
    expect_identical(trimws(in_new_session(r, unlist(variables))), wanted)
  }
})
