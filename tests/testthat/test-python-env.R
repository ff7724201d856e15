# Which Python is chosen, and how the private one is made. No Python is started here, nothing is downloaded:
# interpreters and uv are small shell scripts.

choose <- function(build = FALSE) {
  # (this session's reticulate may have been told something by the tests of others)
  f <- python_choose
  environment(f) <- list2env(list(reticulate_required = function() character()), parent = environment(f))
  f(running = NULL, build = build)
}

test_that("requirements are read from the core's pyproject.toml", {
  expect_match(core_requirements(), "^pyyaml>=[0-9.]+$")
  expect_length(core_requirements(), 1L)
  expect_true(all(c("docker", "cryptography", "uv") %in% sub(">.*", "", core_requirements("environments"))))
})

test_that("what the user named wins, in order", {
  skip_on_os("windows")
  local_home()
  expect_null(choose())
  withr::local_envvar(VIRTUAL_ENV = "/venv")
  expect_identical(choose()$python, "/venv/bin/python")
  expect_null(choose()$fallback)
  venv <- withr::local_tempdir()
  dir.create(file.path(venv, "bin"))
  file.create(file.path(venv, "bin", "python"))
  withr::local_envvar(VIRTUAL_ENV = venv)
  # one that exists is named to reticulate, whose older versions do not look for it
  expect_identical(choose()$fallback, file.path(venv, "bin", "python"))
  withr::local_envvar(RETICULATE_PYTHON_ENV = "/other/env")
  expect_match(choose()$how, "RETICULATE_PYTHON_ENV")
  withr::local_envvar(RETICULATE_PYTHON = "/opt/python3")
  expect_identical(choose()$python, "/opt/python3")
  withr::local_options(espalier.python = "/mine/python")
  expect_identical(choose()$use, "/mine/python")
  expect_null(choose()$fallback)
  expect_match(python_choose(running = "/run/python")$how, "already runs /run/python")
  withr::local_options(espalier.python = 1)
  expect_error(choose(), class = "espalier_error_bad_argument")
})

test_that("the private environment is made once, and a warm start asks nothing", {
  skip_on_os("windows")
  data <- local_home()
  log <- tempfile()
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = fake_uv(log))
  expect_false(espalier_python_ready(running = NULL))
  choice <- suppressMessages(choose(build = TRUE))
  expect_true(startsWith(choice$env, managed_root()))
  expect_identical(choice$fallback, env_python(choice$env))
  expect_length(readLines(log), 3L)
  expect_match(readLines(log)[2L], "pip install .*--compile-bytecode .*pyyaml>=")
  expect_match(readLines(log)[3L], "pip install .*cryptography>=")
  expect_true(file.exists(file.path(choice$env, ".ok")))
  expect_length(list.files(managed_root(), "lock$"), 0L)
  expect_true(espalier_python_ready(running = NULL))
  expect_identical(managed_site(), file.path(choice$env, "lib", "python3.11", "site-packages"))

  system <- function(...) stop("a process was started")
  warm <- managed_env
  environment(warm) <- list2env(list(run_quietly = system), parent = environment(warm))
  expect_identical(warm(), choice$env)
  expect_message(install_espalier(), "ready")
  expect_length(readLines(log), 3L)
  suppressMessages(install_espalier(force = TRUE))
  expect_length(readLines(log), 6L)
})

test_that("without its stamp, or for other requirements, an environment does not count", {
  skip_on_os("windows")
  local_home()
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = fake_uv(tempfile()))
  env <- suppressMessages(install_espalier())
  expect_identical(managed_env(), env)
  record <- file.path(managed_root(), "current.dcf")
  text <- readLines(record)
  writeLines(sub("pyyaml>=[0-9.]+", "pyyaml>=1", text), record)
  expect_null(managed_env())
  writeLines("garbage without a colon", record)
  expect_null(managed_env())
  writeLines(sub("^folder:.*", "folder: ../../else", text), record)
  expect_null(managed_env())
  writeLines(text, record)
  unlink(file.path(env, ".ok"))
  expect_null(managed_env())
})

test_that("two sessions at once make it once", {
  skip_on_os("windows")
  local_home()
  log <- tempfile()
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = fake_uv(log))
  here <- environment()
  lines <- "cat(suppressMessages(espalier:::managed_build(consent = FALSE)))"
  sessions <- lapply(1:2, function(i) rscript_process(lines, env = here))
  made <- vapply(sessions, function(session) {
    session$wait(20000)
    session$read_all_output()
  }, "")
  expect_true(dir.exists(made[1L]))
  expect_identical(made[1L], made[2L])
  expect_length(readLines(log), 3L)
})

test_that("a lock whose owner died is broken, a live one is waited for", {
  lock <- withr::local_tempfile()
  dir.create(lock)
  Sys.setFileTime(lock, Sys.time() - 700)
  take_lock(lock)
  expect_true(dir.exists(lock))
  expect_lt(as.numeric(Sys.time() - file.mtime(lock), units = "secs"), 60)
  inform_again("build_elsewhere")
  expect_error(
    withCallingHandlers(take_lock(lock), espalier_message_build_elsewhere = function(m) stop(conditionMessage(m))),
    "Another session is making espalier's private Python environment. Waiting for it.", fixed = TRUE
  )
})

test_that("where uv fails, venv and pip are tried; where both fail, the error shows what they said", {
  skip_on_os("windows")
  local_home()
  uv <- fake_uv(tempfile(), fail = TRUE)
  withr::local_envvar(ESPALIER_UV = uv, ESPALIER_PYTHON = fake_python())
  error <- expect_error(suppressMessages(install_espalier()), class = "espalier_error_python_missing")
  expect_match(conditionMessage(error), "uv: no route to the index")
  expect_length(list.files(managed_root(), "^py"), 0L)
  python <- tempfile("python")
  script(python, "case \"$1\" in -I) echo espalier 3 11 1 $0;;",
         "-m) if [ \"$2\" = venv ]; then mkdir -p \"$3/bin\"; cp \"$0\" \"$3/bin/python\"; fi;; esac")
  withr::local_envvar(ESPALIER_PYTHON = python)
  env <- suppressMessages(install_espalier())
  expect_true(file.exists(file.path(env, ".ok")))
})

test_that("a missing ensurepip is explained", {
  expect_error(abort_not_filled("/env", "pip: The virtual environment was not created: ensurepip is not available"),
               "apt install python3-venv", class = "espalier_error_python_missing")
})

test_that("consent: never under R CMD check, not where forbidden, otherwise unasked outside a terminal", {
  local_home()
  withr::local_envvar("_R_CHECK_PACKAGE_NAME_" = "espalier", NOT_CRAN = NA)
  expect_error(choose(build = TRUE), "not made under R CMD check", class = "espalier_error_python_missing")
  withr::local_envvar(NOT_CRAN = "true", ESPALIER_AUTO_INSTALL = "No")
  expect_error(choose(build = TRUE), "ESPALIER_AUTO_INSTALL forbids", class = "espalier_error_python_missing")
  skip_if(interactive())
  withr::local_envvar(ESPALIER_AUTO_INSTALL = NA)
  expect_silent(ask_consent())
})

test_that("an interpreter that R cannot load is passed over, one the user named is refused by name", {
  skip_on_os("windows")
  local_home()
  expect_identical(probe_python(fake_python(9))$minor, "3.9")
  expect_null(probe_python(fake_python(8)))
  expect_null(probe_python(fake_python(11, shared = 0)))
  expect_null(probe_python("/nowhere/python"))
  if (!reticulate_takes_312()) expect_null(probe_python(fake_python(12)))
  static <- fake_python(11, shared = 0)
  withr::local_envvar(ESPALIER_PYTHON = static)
  expect_error(find_python(), basename(static), class = "espalier_error_python_missing")
})

test_that("readiness gives its reason, and asks a named interpreter once", {
  skip_on_os("windows")
  local_home()
  ready <- espalier_python_ready(running = NULL)
  expect_false(ready)
  expect_match(attr(ready, "reason"), "install_espalier")
  log <- tempfile()
  python <- script(tempfile("python"), sprintf("echo x >> %s", shQuote(log)), "echo pyyaml")
  withr::local_envvar(RETICULATE_PYTHON = python)
  ready <- espalier_python_ready(running = NULL)
  expect_match(attr(ready, "reason"), "cannot run it: pyyaml")
  espalier_python_ready(running = NULL)
  expect_length(readLines(log), 1L)
})
