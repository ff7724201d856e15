# Choose the Python that runs the core, at the first real use. Every choice of the user wins. Otherwise it is a private
# environment that espalier makes once (python-build.R) and offers to reticulate after everything else.

#' Choose a Python: the running one, the user's, the one that other packages declared, the private one, the session's
#'
#' @param running The Python that runs in this session, or `NULL`.
#' @param build Whether the private environment may be made (with the user's consent) where it is missing.
#' @return A list: `how` (for people), `env` (folder of the private environment, or ""), and one of `fallback`, `use`
#'   and `require`. `NULL` if nothing is ready and `build` is `FALSE`.
#' @noRd
python_choose <- function(running = python_running(), build = TRUE) {
  if (!is.null(running)) {
    return(list(how = paste("this session, which already runs", running), env = "", python = running))
  }
  named <- python_named()
  if (!is.null(named)) return(named)
  required <- reticulate_required()
  if (length(required)) {
    how <- paste("reticulate::py_require(), with what other packages declared:", paste(required, collapse = ", "))
    return(list(how = how, env = "", require = core_requirements()))
  }
  env <- managed_env()
  if (is.null(env)) {
    sessions <- Sys.getenv("ESPALIER_CORE_PYTHON")
    if (nzchar(job_dir() %||% "") && file.exists(sessions)) {
      return(list(how = "the session that submitted this job", env = "", python = sessions, fallback = sessions))
    }
    if (!build) return(NULL)
    ask_to_build()
    env <- managed_build()
  }
  list(how = paste("espalier's private environment in", env), env = env, python = env_python(env),
       fallback = env_python(env))
}

#' The Python that the user named for this session by a variable, an option or a call, or NULL
#' @noRd
python_named <- function() {
  option <- getOption("espalier.python")
  if (!is.null(option)) {
    check_string(option, "options(espalier.python)")
    return(list(how = "option espalier.python", env = "", python = path.expand(option), use = path.expand(option)))
  }
  if (reticulate_is_configured()) return(list(how = "reticulate::use_python() or a function like it", env = ""))
  for (name in c("RETICULATE_PYTHON", "RETICULATE_PYTHON_ENV", "VIRTUAL_ENV")) {
    value <- Sys.getenv(name)
    if (!nzchar(value) || (name == "RETICULATE_PYTHON" && value == "managed")) next
    python <- if (name != "RETICULATE_PYTHON" && grepl("[/\\\\]", value)) env_python(value) else value
    # (reticulate 1.28 doesn't know VIRTUAL_ENV, and would ask to install Miniconda in an interactive session)
    fallback <- if (name == "VIRTUAL_ENV" && file.exists(python)) python
    return(list(how = paste0("the variable ", name, " (", value, ")"), env = "", python = python, fallback = fallback))
  }
  NULL
}

env_python <- function(env) {
  if (.Platform$OS.type == "windows") file.path(env, "Scripts", "python.exe") else file.path(env, "bin", "python")
}

#' The core's requirements from PyPI, read from its pyproject.toml
#' @param list `dependencies`, or the name of an optional part.
#' @noRd
core_requirements <- function(list = "dependencies") {
  found <- regmatches(project_text(), regexec(sprintf("[[:space:]]%s *= *\\[([^]]*)\\]", list), project_text()))[[1L]]
  gsub("^[\"' ]+|[\"' ]+$", "", strsplit(found[2L], ",")[[1L]])
}

#' The core's pyproject.toml, read once
#' @noRd
project_text <- function() {
  if (is.null(.extras$project)) {
    core <- core_folders()$core
    places <- c(file.path(core, "espalier", "pyproject.toml"), file.path(dirname(core), "pyproject.toml"))
    place <- places[file.exists(places)][1L]
    if (is.na(place)) espalier_abort("internal", "Can't find the pyproject.toml of the Python core.", "Reinstall espalier.")
    .extras$project <- paste(readLines(place, warn = FALSE, encoding = "UTF-8"), collapse = " ")
  }
  .extras$project
}

# ---- the private environment on disk ---------------------------------------------------

managed_root <- function() file.path(data_folder(), "py")

#' The private environment that is ready for the installed requirements, or NULL
#'
#' `current.dcf` names the folder in use, so a warm start runs no interpreter.
#' @noRd
managed_env <- function() {
  record <- managed_record()
  if (is.null(record) || !identical(record$key, managed_key())) return(NULL)
  env <- file.path(managed_root(), record$folder)
  if (is_whole(env) && file.exists(env_python(env))) env
}

managed_record <- function() {
  place <- file.path(managed_root(), "current.dcf")
  if (!file.exists(place)) return(NULL)
  record <- tryCatch(as.list(read.dcf(place)[1L, ]), error = function(e) NULL)
  if (all(c("key", "folder") %in% names(record)) && basename(record$folder) == record$folder) record
}

#' The key of the private environment: another key needs another environment
#' @noRd
managed_key <- function() {
  limit <- if (reticulate_takes_312()) "" else "python < 3.12"
  extras <- setdiff(extra_names(), "scanner")
  needed <- c(core_requirements(), unlist(lapply(extras, core_requirements)))
  paste(c(needed, native_key(), limit, Sys.getenv("ESPALIER_PYTHON"), R.version$platform), collapse = "; ")
}

# reticulate before 1.33 imports a module that Python 3.12 removed, so it can't start Python 3.12. packageVersion() reads
# the installed description and doesn't load the package.
reticulate_takes_312 <- function() reticulate_version() >= "1.33"

#' The packages' folder of the private environment, which is made (with consent) if it is missing
#' @noRd
managed_site <- function() {
  env <- managed_env()
  if (is.null(env)) {
    ask_to_build()
    env <- managed_build()
  }
  site_packages(env)
}

site_packages <- function(env) {
  site <- if (.Platform$OS.type == "windows") file.path(env, "Lib", "site-packages") else
    Sys.glob(file.path(env, "lib", "python3*", "site-packages"))
  if (!length(site) || !dir.exists(site[1L])) {
    espalier_abort("python_missing", sprintf("Can't find the site-packages folder of %s.", env),
                   "Run install_espalier(force = TRUE).")
  }
  site[1L]
}

# ---- is it ready -----------------------------------------------------------------------------------

#' Whether the core can be used without making an environment first
#'
#' Starts no Python in this session. A Python that the user named is run once, in a separate process.
#' @return TRUE, or FALSE with attribute `reason`.
#' @noRd
espalier_python_ready <- function(running = python_running()) {
  if (!is.null(.bridge$call)) return(TRUE)
  choice <- tryCatch(python_choose(running, build = FALSE), espalier_error = function(e) e)
  if (inherits(choice, "condition")) return(not_ready(conditionMessage(choice)))
  if (is.null(choice)) return(not_ready("the private environment is missing; install_espalier() makes it"))
  if (nzchar(choice$env) || is.null(choice$python)) return(TRUE)
  unmet <- python_unmet(choice$python)
  if (!length(unmet) || (!identical(unmet, "python") && !is.null(managed_env()))) return(TRUE)
  not_ready(sprintf("%s (%s) can't run it: %s", choice$python, choice$how, paste(unmet, collapse = ", ")))
}

not_ready <- function(reason) structure(FALSE, reason = reason)

#' The requirements that a Python lacks, checked once a session in a separate process; "python" if it can't be started
#' @noRd
python_unmet <- function(python, requirements = core_requirements()) {
  key <- paste(c(python, requirements), collapse = " ")
  known <- .bridge$unmet[[key]]
  if (!is.null(known)) return(known)
  code <- paste(
    "import sys; v = sys.version_info",
    sprintf("(3, 9) <= v < (3, %d) or sys.exit(1)", if (reticulate_takes_312()) 99L else 12L),
    "sys.path.append(sys.argv[1])",
    "from espalier_bridge import start",
    "print(*[u['name'] for r in sys.argv[2:] for u in start._unmet(r)], sep='\\n')", sep = "; "
  )
  out <- run_quietly(python, c("-B", "-c", code, core_folders()$bridge, requirements))
  unmet <- if (out$status != 0L) "python" else out$lines[nzchar(out$lines)]
  .bridge$unmet[[key]] <- unmet
  unmet
}

#' Run a program and return its output and status; it never fails
#' @return `status` and `lines`.
#' @noRd
run_quietly <- function(program, args) {
  if (!nzchar(program)) return(list(status = 127L, lines = character()))
  # (with R's folders first, a Python other than the system's would load the wrong libpython)
  env <- paste0("LD_LIBRARY_PATH=", shQuote(library_path_before_r()))
  lines <- tryCatch(
    suppressWarnings(system2(program, shQuote(args), stdout = TRUE, stderr = TRUE, env = env)),
    error = function(e) structure(conditionMessage(e), status = 127L)
  )
  status <- attr(lines, "status")
  list(status = if (is.null(status)) 0L else as.integer(status), lines = as.character(lines))
}

#' Run a program quietly and show its progress
#' @param stage The stage's name, for the user.
#' @noRd
run_watched <- function(stage, program, args) {
  if (.Platform$OS.type == "windows" || !nzchar(program)) return(run_quietly(program, args))
  place <- temporary_file("watched-")
  if (!dir.create(place, FALSE)) abort_no_temporary()
  file_of <- function(name) file.path(place, name)
  line_of <- function(name) tryCatch(readLines(file_of(name), warn = FALSE), error = function(e) character(), warning = function(w) character())
  display <- long_display()
  on.exit({
    display$end()
    if (!file.exists(file_of("status")) && length(line_of("pid"))) tools::pskill(as.integer(line_of("pid")))
    unlink(place, recursive = TRUE)
  })
  # (the status is renamed into place, so that it is never read half written)
  script <- "cd \"$1\" || exit; here=$PWD; echo $$ >\"$here/shell\"; shift; cd \"$1\"; shift
\"$@\" >\"$here/log\" 2>&1 </dev/null & echo $! >\"$here/pid\"; wait $!; echo $? >\"$here/new\"; mv \"$here/new\" \"$here/status\""
  env <- paste0("LD_LIBRARY_PATH=", shQuote(library_path_before_r()))
  system2("sh", c("-c", shQuote(c(script, "sh", place, getwd() %||% place, program, args))), wait = FALSE, env = env)
  began <- touched <- proc.time()[["elapsed"]]
  while (!file.exists(file_of("status"))) {
    display$show(list(stage, 0, NULL))
    Sys.sleep(0.05)
    now <- proc.time()[["elapsed"]]
    if (now - touched < 1) next
    touched <- now
    touch_locks()
    shell <- line_of("shell")
    ended <- if (length(shell)) !is_running(shell) else !file.exists(file_of("shell")) && now - began > 10
    if (ended && !file.exists(file_of("status"))) {
      return(list(status = 1L, lines = c(line_of("log"), sprintf("error: the process that ran %s was killed.", program))))
    }
  }
  status <- suppressWarnings(as.integer(line_of("status")))
  if (length(status) == 1L && !is.na(status)) return(list(status = status, lines = line_of("log")))
  list(status = 1L, lines = c(line_of("log"), sprintf("error: No space left in %s (TMPDIR).", tempdir())))
}

#' The name of a new file in the session's temporary folder, which is made again if something deleted it
#' @noRd
temporary_file <- function(pattern) {
  tempfile(pattern, tryCatch(tempdir(check = TRUE), error = function(e) abort_no_temporary()))
}

abort_no_temporary <- function() {
  espalier_abort("python_missing", sprintf("Can't write to the temporary folder %s.", tempdir()),
                 "See whether its disk is full, or set TMPDIR to another folder and restart R.")
}
