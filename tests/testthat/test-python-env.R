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
  for (name in setdiff(extra_names(), "scanner")) {
    expect_identical(paste(sub(">.*", "", core_requirements(name)), collapse = " and "), known_extras()[[name]]$packages)
  }
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
  withr::local_options(espalier.install = TRUE)
  expect_message(choice <- choose(build = TRUE), "once: 1 MB to download")
  expect_true(startsWith(choice$env, managed_root()))
  expect_identical(choice$fallback, env_python(choice$env))
  expect_length(readLines(log), 2L)
  expect_match(readLines(log)[2L], "pip install .*--compile-bytecode .*pyyaml>=[0-9.]+$")
  expect_true(file.exists(file.path(choice$env, ".ok")))
  expect_length(list.files(managed_root(), "lock$"), 0L)
  expect_true(espalier_python_ready(running = NULL))
  expect_identical(managed_site(), file.path(choice$env, "lib", "python3.11", "site-packages"))

  system <- function(...) stop("a process was started")
  warm <- managed_env
  environment(warm) <- list2env(list(run_quietly = system), parent = environment(warm))
  expect_identical(warm(), choice$env)
  expect_message(install_espalier(), "ready")
  expect_length(readLines(log), 2L)
  suppressMessages(install_espalier(force = TRUE))
  expect_length(readLines(log), 4L)
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
  lines <- "cat(suppressMessages(espalier:::managed_build()))"
  sessions <- lapply(1:2, function(i) rscript_process(lines, env = here))
  made <- vapply(sessions, function(session) {
    session$wait(20000)
    session$read_all_output()
  }, "")
  expect_true(dir.exists(made[1L]))
  expect_identical(made[1L], made[2L])
  expect_length(readLines(log), 2L)
})

test_that("what a session left that was killed is removed, and its lock isn't waited for", {
  skip_on_os("windows")
  local_home()
  uv <- fake_uv(tempfile(), pause = 30)
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = uv)
  session <- rscript_process("espalier:::managed_build()", env = environment())
  halves <- function() list.files(managed_root(), "^[.]half-", all.files = TRUE)
  while (session$is_alive() && !length(halves())) Sys.sleep(0.05)
  expect_null(managed_env())
  session$kill()
  expect_length(list.files(managed_root(), "[.]lock$"), 1L)
  withr::local_envvar(ESPALIER_UV = fake_uv(tempfile()))
  began <- proc.time()[["elapsed"]]
  env <- suppressMessages(managed_build())
  expect_lt(proc.time()[["elapsed"]] - began, 15)
  expect_identical(managed_env(), env)
  expect_length(halves(), 0L)
})

test_that("on a full disk nothing is left, and the next time it works", {
  skip_on_os("windows")
  local_home()
  full <- "echo No space left on device >&2; exit 1"
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = fake_uv(tempfile(), after = full))
  expect_error(suppressMessages(managed_build()), "No space left on device.*The disk of .* is full",
               class = "espalier_error_python_missing")
  expect_identical(list.files(managed_root(), all.files = TRUE, no.. = TRUE), character())
  withr::local_envvar(ESPALIER_UV = fake_uv(tempfile()))
  expect_true(is_whole(suppressMessages(managed_build())))
})

test_that("wheels of a folder are taken in place of an index", {
  skip_on_os("windows")
  local_home()
  log <- tempfile()
  wheels <- withr::local_tempdir()
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = fake_uv(log))
  suppressMessages(install_espalier(wheels = wheels))
  expect_match(readLines(log)[2L], paste("--no-index --find-links", normalizePath(wheels)), fixed = TRUE)
  expect_identical(Sys.getenv("ESPALIER_WHEELS"), "")
  expect_error(install_espalier(wheels = file.path(wheels, "none")), class = "espalier_error_path_missing")
  withr::local_envvar(ESPALIER_WHEELS = wheels)
  expect_identical(from_wheels(), c("--no-index", "--find-links", normalizePath(wheels)))
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
    "Another session is setting up espalier's Python environment. Waiting for it.", fixed = TRUE
  )
  # (a process that has ended)
  writeLines(paste(Sys.info()[["nodename"]], 99999999L), file.path(lock, "owner"))
  expect_identical(lock_state(lock), "dead")
  writeLines(paste("another-host", 99999999L), file.path(lock, "owner"))
  expect_identical(lock_state(lock), "unknown")
})

test_that("a live owner's lock isn't taken after the patience, and a process of another user is alive", {
  skip_on_os("windows")
  lock <- withr::local_tempfile()
  dir.create(lock)
  writeLines(lock_owner(), file.path(lock, "owner"))
  Sys.setFileTime(lock, Sys.time() - 700)
  inform_again("build_elsewhere")
  waiting <- function(m) stop("waits")
  expect_error(withCallingHandlers(take_lock(lock), espalier_message_build_elsewhere = waiting), "waits")
  expect_true(is_running(1L)) # (of root, so a signal to it fails for others)
  expect_true(is_running(Sys.getpid()))
  expect_silent(for (pid in c("99999999999", "x", "0", "-1")) expect_false(is_running(pid)))
})

test_that("a lock that can't be removed is an error, and not waited for", {
  skip_on_os("windows")
  root <- withr::local_tempdir()
  lock <- file.path(root, "env.lock")
  dir.create(lock)
  writeLines(paste(Sys.info()[["nodename"]], 99999999L), file.path(lock, "owner"))
  stuck <- take_lock
  environment(stuck) <- list2env(list(unlink = function(...) 1L), parent = environment(take_lock))
  expect_error(stuck(lock), "Can't write to the folder", class = "espalier_error_python_missing")
})

test_that("killed while it replaces a folder, a session leaves the new one or none, not half of the old one", {
  root <- withr::local_tempdir()
  folder <- file.path(root, "env")
  fill <- function(text) function(place) { dir.create(place); writeLines(text, file.path(place, "a")) }
  place_whole(folder, FALSE, fill("old"))
  killed <- place_whole
  # (deleting the old one is where it dies)
  environment(killed) <- list2env(
    list(unlink = function(path, ...) if (any(file.exists(file.path(path, ".ok")))) stop("killed")), parent = environment(place_whole)
  )
  expect_error(killed(folder, TRUE, fill("new")), "killed")
  expect_true(is_whole(folder))
  expect_identical(readLines(file.path(folder, "a")), "new")
})

test_that("a program is watched without its shell, its working directory or room for its status", {
  skip_on_os("windows")
  # (its parent is the shell that would write its status)
  out <- run_watched("Killing", "sh", c("-c", "kill -9 $PPID; sleep 0.1"))
  expect_identical(out$status, 1L)
  expect_match(out$lines, "was killed", all = FALSE)
  gone <- withr::local_tempdir()
  withr::with_dir(gone, {
    unlink(gone, recursive = TRUE)
    expect_identical(suppressWarnings(run_watched("Echo", "echo", "here")), list(status = 0L, lines = "here"))
  })
  full <- run_watched
  environment(full) <- list2env(list(as.integer = function(x) base::as.integer(x[0L])), parent = environment(run_watched))
  out <- full("Echo", "echo", "here")
  expect_identical(out$status, 1L)
  expect_match(out$lines, "TMPDIR", all = FALSE)
})

test_that("a deleted temporary folder is made again, else the error names TMPDIR", {
  expect_error(abort_no_temporary(), "temporary folder", class = "espalier_error_python_missing")
  out <- rscript_process(c(
    "unlink(tempdir(), recursive = TRUE)",
    "cat(espalier:::run_watched('Echo', 'echo', 'here')$lines)"
  ), env = environment())
  out$wait(20000)
  expect_identical(out$read_all_output(), "here")
})

test_that("a ready environment in a folder that takes no file gives no warning", {
  skip_on_os("windows")
  local_home()
  withr::local_envvar(ESPALIER_PYTHON = fake_python(), ESPALIER_UV = fake_uv(tempfile()))
  suppressMessages(install_espalier("secrets"))
  unlink(consent_record())
  forbidden <- install_espalier
  environment(forbidden) <- list2env(list(file.create = function(...) { warning("read-only"); FALSE }), parent = environment(install_espalier))
  expect_no_warning(suppressMessages(forbidden("secrets")))
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
  script(python, "case \"$1\" in -I) echo espalier 3 11 1 $0; echo pip in /wheels/pip-1.whl;;",
         "-m) mkdir -p \"$4/bin\" \"$4/lib/python3.11/site-packages\"; cp \"$0\" \"$4/bin/python\";; esac")
  withr::local_envvar(ESPALIER_PYTHON = python)
  env <- suppressMessages(install_espalier())
  expect_true(file.exists(file.path(env, ".ok")))
})

test_that("a missing ensurepip is explained", {
  expect_error(abort_not_filled("pip: The virtual environment was not created: ensurepip is not available"),
               "apt install python3-venv", class = "espalier_error_python_missing")
})

test_that("consent is asked for, or given once, or the error has the line that gives it", {
  local_home()
  refused <- function(text) {
    error <- expect_error(ask_to_build(), text, class = "espalier_error_python_missing")
    expect_match(conditionMessage(error), "Run espalier::install_espalier\\(\\) once, or allow it by options\\(espalier.install = TRUE\\)")
    expect_identical(error$install, "install_espalier()")
  }
  withr::local_envvar("_R_CHECK_PACKAGE_NAME_" = "espalier", NOT_CRAN = NA, ESPALIER_INSTALL = "yes")
  refused("Nothing is installed under R CMD check")
  withr::local_envvar(NOT_CRAN = "true", ESPALIER_INSTALL = "No")
  refused("forbids it")
  withr::local_envvar(ESPALIER_INSTALL = "yes")
  expect_silent(ask_to_build())
  withr::local_options(espalier.install = FALSE)
  refused("forbids it")
  withr::local_options(espalier.install = "no")
  expect_error(ask_to_build(), class = "espalier_error_bad_argument")
  withr::local_options(espalier.install = NULL)
  withr::local_envvar(ESPALIER_INSTALL = NA)
  skip_if(interactive())
  refused("1 MB to download, 4 MB on disk")
  # a past call of install_espalier()
  dir.create(managed_root(), recursive = TRUE)
  file.create(consent_record())
  expect_silent(ask_to_build())
  # a job installs nothing
  withr::local_envvar(ESPALIER_RUN_DIR = withr::local_tempdir(), ESPALIER_INSTALL = "yes")
  if (!is.null(job_dir())) refused("A job installs nothing")
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
  expect_match(attr(ready, "reason"), "can't run it: pyyaml")
  espalier_python_ready(running = NULL)
  expect_length(readLines(log), 1L)
})
