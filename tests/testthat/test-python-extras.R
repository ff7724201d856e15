# Optional parts of the private environment: when they are installed, and what is said of them. uv is a shell script.

local_managed <- function(env = parent.frame()) {
  local_home(env)
  log <- withr::local_tempfile(.local_envir = env)
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = fake_uv(log, pause = 0), .local_envir = env)
  made <- suppressMessages(managed_build())
  unlink(log)
  list(env = made, log = log)
}

# A session whose Python is that of the environment, and what was put on its path
local_session <- function(env, frame = parent.frame()) {
  offered <- new.env()
  .bridge$state <- list(prefix = env, version = "3.11.2", python = env_python(env))
  .bridge$add_site <- function(site, names) offered$sites <- c(offered$sites, site)
  withr::defer(bridge_forget(), envir = frame)
  offered
}

lacking <- function(name) list(error = list(code = "extra_missing", fields = list(extra = name)))

test_that("a part is installed once, into a folder that Python looks into", {
  skip_on_os("windows")
  here <- local_managed()
  expect_message(install_espalier("secrets"), "Installing cryptography (5 MB) because secrets are encrypted with it.", fixed = TRUE)
  folder <- extra_folder(here$env, "secrets")
  expect_true(is_whole(folder))
  expect_match(readLines(here$log), "pip install .*--target .* cryptography>=[0-9]+$")
  listed <- readLines(file.path(site_packages(here$env), "espalier-extras.pth"))
  expect_identical(basename(listed), extra_names())
  expect_identical(normalizePath(file.path(site_packages(here$env), listed[1L])), normalizePath(folder))
  expect_message(install_espalier("secrets"), "is ready")
  expect_length(readLines(here$log), 1L)
  suppressMessages(install_espalier(force = TRUE))
  expect_identical(extras_there(here$env), "secrets")
  # one whose modules were deleted is installed again
  unlink(file.path(folder, "cryptography"), recursive = TRUE)
  suppressMessages(install_espalier("secrets"))
  expect_true(dir.exists(file.path(folder, "cryptography")))
  # where the parts can't be installed again, those that are there stay
  withr::with_envvar(c(ESPALIER_UV = fake_uv(here$log, after = "case \"$*\" in *--target*) exit 3;; esac")), {
    expect_error(suppressMessages(install_espalier(force = TRUE)), class = "espalier_error_python_missing")
  })
  expect_identical(extras_there(here$env), "secrets")
  expect_error(install_espalier("secret"), "\"secrets\", \"docker\"", class = "espalier_error_bad_argument")
  expect_error(install_espalier(TRUE), class = "espalier_error_bad_argument")
})

test_that("one that can't be installed leaves nothing, and the error has the reason", {
  skip_on_os("windows")
  here <- local_managed()
  withr::local_envvar(ESPALIER_UV = fake_uv(here$log, fail = TRUE))
  error <- expect_error(suppressMessages(install_espalier("docker")), "Can't install docker", class = "espalier_error_python_missing")
  expect_identical(error$extra, "docker")
  expect_identical(list.files(file.path(here$env, "extras"), all.files = TRUE, no.. = TRUE), character())
  expect_identical(managed_env(), here$env)
})

test_that("a part that a killed session left half made is installed again", {
  skip_on_os("windows")
  here <- local_managed()
  half <- file.path(here$env, "extras", ".half-99999999-secrets")
  dir.create(half, recursive = TRUE)
  dir.create(paste0(extra_folder(here$env, "secrets"), ".lock"))
  writeLines(paste(Sys.info()[["nodename"]], 99999999L), file.path(here$env, "extras", "secrets.lock", "owner"))
  expect_identical(extras_there(here$env), character())
  suppressMessages(install_espalier("secrets"))
  expect_identical(list.files(file.path(here$env, "extras"), all.files = TRUE, no.. = TRUE), "secrets")
})

test_that("a call that lacks a part has it installed, with consent, and is made again", {
  skip_on_os("windows")
  here <- local_managed()
  offered <- local_session(here$env)
  expect_false(provide_extra(NULL))
  expect_false(provide_extra(list(value = 1L)))
  expect_false(provide_extra(list(error = list(code = "internal"))))
  skip_if(interactive())
  error <- expect_error(provide_extra(lacking("secrets")), "needs cryptography \\(5 MB\\): secrets are encrypted",
                        class = "espalier_error_extra_missing")
  expect_match(conditionMessage(error), "Run espalier::install_espalier(\"secrets\") once, or allow it by", fixed = TRUE)
  expect_identical(error[c("extra", "install")], list(extra = "secrets", install = "install_espalier(\"secrets\")"))
  withr::local_options(espalier.install = TRUE)
  expect_message(expect_true(provide_extra(lacking("secrets"))), "Installing cryptography")
  expect_identical(offered$sites, extra_folder(here$env, "secrets"))
  # it is there, and the core doesn't find it: the core's error counts
  expect_false(provide_extra(lacking("secrets")))
})

test_that("one that another session has installed is taken without a question", {
  skip_on_os("windows")
  here <- local_managed()
  local_session(here$env)
  dir.create(extra_folder(here$env, "docker"), recursive = TRUE)
  dir.create(file.path(extra_folder(here$env, "docker"), "docker"))
  file.create(file.path(extra_folder(here$env, "docker"), ".ok"))
  expect_silent(expect_true(provide_extra(lacking("docker"))))
  expect_false(file.exists(here$log))
})

test_that("in a job nothing is installed", {
  skip_on_os("windows")
  here <- local_managed()
  local_session(here$env)
  withr::local_options(espalier.install = TRUE)
  withr::local_envvar(ESPALIER_RUN_DIR = withr::local_tempdir())
  expect_false(provide_extra(lacking("secrets")))
  expect_false(file.exists(here$log))
})

test_that("nothing is installed into a Python of the user's: the error has the pip line", {
  skip_on_os("windows")
  here <- local_managed()
  withr::local_options(espalier.install = TRUE)
  local_session(here$env)
  .bridge$state <- list(prefix = "/opt/mine", version = "3.11.2", python = "/opt/mine/bin/python")
  error <- expect_error(provide_extra(lacking("cli")), class = "espalier_error_extra_missing")
  expect_identical(error$install, "'/opt/mine/bin/python' -m pip install 'click>=8.1' 'jmespath>=1.0'")
  expect_match(conditionMessage(error), error$install, fixed = TRUE)
  expect_false(file.exists(here$log))
})

test_that("the core's error about secrets leads to the part, and then the verb works", {
  skip_if_no_core()
  folder <- local_project(project.txt = "", .here = "")
  env <- managed_env()
  skip_if(is.null(env), "the core runs in another Python than the private one")
  suppressMessages(install_espalier("secrets"))
  code <- c(
    "ws <- workspace('w')",
    "keyvault <- get_default_keyvault(ws)",
    "set_secrets(keyvault, list(token = 'abcdefghijkl'))",
    "cat(list_secrets(keyvault))"
  )
  data <- withr::local_tempdir()
  root <- file.path(data, "R", "espalier", "py")
  dir.create(root, recursive = TRUE)
  # (an environment without parts: that of the tests, copied)
  system2("cp", c("-a", shQuote(c(file.path(managed_root(), "current.dcf"), env, root))))
  copy <- file.path(root, basename(env))
  unlink(file.path(copy, "extras"), recursive = TRUE)
  withr::local_dir(folder)
  result <- in_new_session(code, c(R_USER_DATA_DIR = data, ESPALIER_INSTALL = NA, RETICULATE_PYTHON = NA, VIRTUAL_ENV = NA))
  expect_match(paste(result, collapse = "\n"), "install_espalier(\"secrets\")", fixed = TRUE)
  dir.create(file.path(copy, "extras"))
  file.symlink(extra_folder(env, "secrets"), file.path(copy, "extras"))
  result <- in_new_session(code, c(R_USER_DATA_DIR = data, ESPALIER_INSTALL = NA, RETICULATE_PYTHON = NA, VIRTUAL_ENV = NA))
  expect_match(utils::tail(result, 1L), "token")
})

# What a wheel of these files takes, about: each is deflated.
wheel_megabytes <- function(folder) {
  files <- list.files(folder, recursive = TRUE, full.names = TRUE)
  files <- files[!grepl("[.]pyc$|/bin/uvx$", files)]
  sum(vapply(files, function(file) length(memCompress(readBin(file, "raw", file.size(file)), "gzip")), 0L)) / 1e6
}

test_that("the sizes that messages, help and README name are those of today's packages", {
  skip_if_no_core()
  env <- managed_env()
  skip_if(is.null(env), "the core runs in another Python than the private one")
  size <- known_extras()$base
  expect_lte(wheel_megabytes(site_packages(env)), size$megabytes)
  disk <- system2("du", c("-sk", "--exclude=extras", shQuote(env)), stdout = TRUE)
  expect_lte(as.numeric(sub("\\s.*", "", disk)) / 1000, size$disk)
  for (name in setdiff(extras_there(env), "scanner")) {
    found <- wheel_megabytes(extra_folder(env, name))
    expect_lte(found, known_extras()[[name]]$megabytes * 1.1, label = name)
    expect_gte(found, known_extras()[[name]]$megabytes * 0.7 - 1, label = name)
  }
})

test_that("help and README name the same sizes", {
  page <- paste(text_of(document("R", "python-build.R")), collapse = "\n")
  size <- known_extras()$base
  expect_match(page, sprintf("%s MB to download, %s MB on disk", size$megabytes, size$disk), fixed = TRUE)
  expect_match(paste(text_of(document("README.md")), collapse = " "),
               sprintf("%s MB to download, %s MB on disk", size$megabytes, size$disk), fixed = TRUE)
  for (name in extra_names()) {
    extra <- known_extras()[[name]]
    row <- sprintf("| `\"%s\"` | %s | %s | %s |", name, extra$packages, extra$megabytes, extra$because)
    expect_match(page, row, fixed = TRUE)
  }
})
