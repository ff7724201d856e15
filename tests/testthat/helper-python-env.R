# Homes, interpreters and a uv for tests of the private Python environment: small shell scripts.

local_home <- function(env = parent.frame()) {
  # (what an earlier test learnt or started must not show here)
  saved <- as.list(.bridge, all.names = TRUE)
  bridge_forget()
  withr::defer({ bridge_forget(); list2env(saved, .bridge) }, envir = env)
  data <- withr::local_tempdir(.local_envir = env)
  withr::local_envvar(
    R_USER_DATA_DIR = data, RETICULATE_PYTHON = NA, RETICULATE_PYTHON_ENV = NA, VIRTUAL_ENV = NA,
    ESPALIER_PYTHON = NA, ESPALIER_UV = NA, ESPALIER_INSTALL = NA, ESPALIER_WHEELS = NA, "_R_CHECK_PACKAGE_NAME_" = NA,
    .local_envir = env
  )
  withr::local_options(espalier.python = NULL, espalier.install = NULL, .local_envir = env)
  data
}

script <- function(path, ...) {
  dir.create(dirname(path), FALSE, TRUE)
  writeLines(c("#!/bin/sh", ...), path)
  Sys.chmod(path, "0755")
  path
}

# A Python that answers the probe as said
fake_python <- function(minor = 11, shared = 1, place = tempfile("python")) {
  script(place, sprintf("echo espalier 3 %d %d %s", minor, shared, place))
}

# A uv that makes what is asked for and keeps a list of its calls. After `pause` seconds it does what `after` says.
fake_uv <- function(log, fail = FALSE, place = tempfile("uv"), pause = 0.3, after = NULL) {
  script(
    place, sprintf("echo \"$@\" >> %s", shQuote(log)), if (fail) c("echo no route to the index", "exit 2"),
    "for d; do if [ \"$before\" = --target ]; then mkdir -p \"$d/bin\"; modules=$d; fi; before=$d; done",
    "for m in cryptography docker uv rattler click jmespath; do if [ \"$modules\" ]; then mkdir -p \"$modules/$m\"; fi; done",
    "if [ \"$1\" = venv ]; then mkdir -p \"$d/bin\" \"$d/lib/python3.11/site-packages\"",
    sprintf("sleep %s; touch \"$d/bin/python\"; fi", pause), after
  )
}
