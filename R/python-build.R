# Making the private environment: by uv, else by venv and pip. Its optional parts are in python-extras.R, how it
# becomes complete or absent in python-place.R.

#' Install espalier's Python part
#'
#' Use it on a server or in a script, to add optional parts, or to install without a network. Otherwise the first call
#' that needs it, as a rule [workspace()], sets up the private Python environment: 1 MB to download, 4 MB on disk.
#'
#' Your own Python packages are never touched, and a Python of your choice is used instead: `RETICULATE_PYTHON`,
#' `RETICULATE_PYTHON_ENV`, `VIRTUAL_ENV`, `reticulate::use_python()`, `options(espalier.python = )`. espalier installs
#' nothing into it. Where it lacks a package, the error shows the pip command that adds it.
#'
#' `uv` makes the environment if it is found (`ESPALIER_UV`, the `PATH`, `~/.local/bin`), else Python's own `venv` and
#' `pip` do. Set mirrors, proxies and certificates where `uv` and `pip` look for them.
#'
#' @section Optional parts:
#' A verb that needs one of these asks before it installs the part. [espalier_sitrep()] shows which are there.
#'
#' | part | installs | MB | because |
#' |:--|:--|--:|:--|
#' | `"secrets"` | cryptography | 5 | secrets are encrypted with it |
#' | `"docker"` | docker | 1 | images are built and found with it |
#' | `"packages"` | uv | 18 | Python packages of environments are installed with it |
#' | `"conda"` | py-rattler | 25 | packages of conda channels are installed with it |
#' | `"cli"` | click and jmespath | 1 | the command line is made with them |
#' | `"scanner"` | the compiled scanner | 30 | it takes snapshots of large folders faster |
#'
#' Jobs never install a part. `submit_experiment()` does it for a job that will need one.
#'
#' @section Consent:
#' An interactive session asks. Any other session needs consent, given once: by a call of `install_espalier()`, by
#' `options(espalier.install = TRUE)` or by the variable `ESPALIER_INSTALL=yes`. `FALSE` and `no` forbid it.
#'
#' @section Without a network:
#' On a machine with a network and the same version of Python, collect the packages in a folder:
#'
#' ```sh
#' python3 -m pip download --dest wheels "pyyaml>=5.4"                  # always
#' python3 -m pip download --dest wheels "cryptography>=38"             # "secrets"
#' python3 -m pip download --dest wheels "docker>=6.1"                  # "docker"
#' python3 -m pip download --dest wheels "uv>=0.4"                      # "packages"
#' python3 -m pip download --dest wheels "py-rattler>=0.10"             # "conda"
#' python3 -m pip download --dest wheels "click>=8.1" "jmespath>=1.0"   # "cli"
#' python3 -m pip download --dest wheels scikit-build-core pybind11 cmake ninja   # "scanner"
#' ```
#'
#' Then call `install_espalier("secrets", wheels = "wheels")`, or set `ESPALIER_WHEELS` to the folder.
#'
#' @param extras Character vector: optional parts to install as well, or `"all"`. By default none.
#' @param wheels Path of a folder with wheels. Nothing is downloaded then. By default the value of `ESPALIER_WHEELS`.
#' @param force `TRUE` makes the environment again. The parts that were there are installed again.
#' @return The environment's folder, invisibly.
#' @section Errors:
#' * `espalier_error_python_missing`: no suitable Python was found, or the packages can't be installed. The message
#'   ends with the output of uv or pip.
#' * `espalier_error_path_missing`: the folder `wheels` doesn't exist.
#' * `espalier_error_bad_argument`: `extras` names an unknown part.
#' @seealso [espalier_sitrep()]
#' @examples
#' # The first call of workspace() does this; to do it now:
#' if (interactive()) install_espalier()
#' # With what secrets need, too:
#' if (interactive()) install_espalier("secrets")
#' @export
install_espalier <- function(extras = character(), wheels = NULL, force = FALSE) {
  check_flag(force, "force")
  if (!is.null(wheels)) {
    check_string(wheels, "wheels")
    put_back <- set_variables(c(ESPALIER_WHEELS = wheels_folder(wheels)))
    on.exit(put_back())
  }
  extras <- check_extras(extras)
  env <- managed_env()
  before <- if (!is.null(env)) Filter(function(name) has_modules(extra_folder(env, name), name), extras_there(env))
  if (force && !is.null(env)) extras <- union(extras, extras_there(env))
  env <- managed_build(force = force, extras = if (force) extras)
  # (from now on sessions that can't ask may install, too; a folder that takes no file has its environment ready)
  if (!file.exists(consent_record())) suppressWarnings(file.create(consent_record()))
  # (parts that were there before this call; with `force` they were made again)
  there <- if (!force) intersect(extras, before)
  if (length(there)) say(c("i" = "Already installed: {.val {there}}."))
  for (name in setdiff(extras, there)) install_extra(env, name)
  say(c("v" = "espalier's Python environment is ready: {.path {env}}"))
  invisible(env)
}

#' Make the private environment, unless it is ready
#' @param force Whether to make it again.
#' @param extras Parts to make with it, before it takes the place of the one that is there.
#' @return Its folder.
#' @noRd
managed_build <- function(force = FALSE, extras = character()) {
  env <- if (!force) managed_env()
  if (!is.null(env)) return(env)
  base <- find_python()
  uv <- find_uv()
  if (is.null(base) && is.null(uv)) abort_no_python()
  env <- file.path(managed_root(), managed_folder(base))
  place_whole(env, force, function(place) {
    fill_env(place, base, uv)
    for (name in extras) install_extra(place, name, uv, offer = FALSE)
  })
  write_record(list(key = managed_key(), folder = basename(env)))
  env
}

#' Its folder's name: for people the Python and platform, for changes a hash of what is in it
#' @noRd
managed_folder <- function(base) {
  minor <- if (is.null(base)) "uv" else base$minor
  place <- temporary_file(sprintf("key-%d-", Sys.getpid())) # (forked children draw the same names)
  on.exit(unlink(place))
  writeLines(c(managed_key(), if (is.null(base)) "" else base$path), place)
  sprintf("py%s-%s", minor, substr(tools::md5sum(place), 1L, 12L))
}

fill_env <- function(place, base, uv) {
  size <- known_extras()$base
  say(c("i" = "Setting up espalier's private Python environment, once: {size$megabytes} MB to download."))
  began <- proc.time()[["elapsed"]]
  said <- reasons <- character()
  done <- FALSE
  if (!is.null(uv)) {
    out <- fill_by_uv(place, base, uv)
    done <- out$status == 0L
    said <- c(said, paste("uv:", out$lines))
    reasons <- paste("uv:", reasons_in(out$lines))
  }
  if (!done && !is.null(base)) {
    unlink(place, recursive = TRUE)
    out <- fill_by_pip(place, base)
    done <- out$status == 0L
    said <- c(said, paste("pip:", out$lines))
    reasons <- c(reasons, paste("pip:", reasons_in(out$lines)))
  }
  if (!done) abort_not_filled(reasons, said)
  list_extras(place)
  say(c("v" = "Ready after {round(proc.time()[['elapsed']] - began, 1)} s."))
}

fill_by_uv <- function(env, base, uv) {
  range <- if (reticulate_takes_312()) ">=3.9" else ">=3.9,<3.12"
  python <- if (is.null(base)) range else base$path
  out <- run_watched("Creating the environment", uv, c("venv", "--no-project", "--python", python, env))
  if (out$status != 0L) return(out)
  install_by_uv(env, uv, core_requirements(), "Installing pyyaml")
}

# (without pip: the one that Python brings is run from its file, which saves 3 s and 20 MB)
fill_by_pip <- function(env, base) {
  out <- run_watched("Creating the environment", base$path, c("-m", "venv", "--without-pip", env))
  if (out$status != 0L) return(out)
  install_by_pip(env, core_requirements(), "Installing pyyaml by pip")
}

#' Install Python packages
#' @param what Requirements, or the folder of a project.
#' @param stage What the user reads meanwhile.
#' @param target The folder to install into, if it isn't the environment itself.
#' @noRd
install_by_uv <- function(env, uv, what, stage, target = NULL) {
  # (what lies in a folder of this computer is built again, also if uv has it in its cache)
  options <- c("--compile-bytecode", "--refresh-package", "espalier-native", if (!is.null(target)) c("--target", target))
  run_watched(stage, uv, c("pip", "install", "--python", env_python(env), options, from_wheels(), what))
}

install_by_pip <- function(env, what, stage, target = NULL) {
  pip <- bundled_pip(env)
  if (!length(pip)) return(list(status = 1L, lines = "ensurepip is not available: this Python has no pip."))
  options <- c("--disable-pip-version-check", "--quiet", if (!is.null(target)) c("--target", target))
  run_watched(stage, env_python(env), c(pip, "install", options, from_wheels(), what))
}

#' The pip that comes with Python, as a program that it can run; Debian keeps it in a place that Python names
#' @noRd
bundled_pip <- function(env) {
  code <- paste(
    "import ensurepip, glob, os, sysconfig",
    "places = [os.path.join(os.path.dirname(ensurepip.__file__), '_bundled'), sysconfig.get_config_var('WHEEL_PKG_DIR') or '']",
    "print(*['pip in ' + w for p in places if p for w in sorted(glob.glob(os.path.join(p, 'pip-*.whl')))], sep='\\n')", sep = "; "
  )
  found <- sub("^pip in ", "", grep("^pip in ", run_quietly(env_python(env), c("-I", "-c", code))$lines, value = TRUE))
  if (length(found)) file.path(found[1L], "pip")
}

#' Options of uv and pip by which they take packages from a folder, and ask no index
#' @noRd
from_wheels <- function() {
  wheels <- Sys.getenv("ESPALIER_WHEELS")
  if (nzchar(wheels)) c("--no-index", "--find-links", wheels_folder(wheels))
}

wheels_folder <- function(wheels) {
  if (dir.exists(wheels)) return(normalizePath(wheels))
  espalier_abort("path_missing", sprintf("Can't find the folder of wheels \"%s\".", wheels),
                 "Give the folder that `pip download --dest` filled.")
}

abort_not_filled <- function(reasons, said = reasons) {
  espalier_abort(
    "python_missing", c("Can't set up espalier's private Python environment.", reasons),
    what_to_do(said, "Then run install_espalier()."), output = said
  )
}

#' Of what uv or pip printed the lines that tell why it failed: at most three, of at most 200 characters
#' @noRd
reasons_in <- function(lines) {
  lines <- trimws(lines[nzchar(trimws(lines))])
  telling <- grep("error|cause|No space left|not available", lines, ignore.case = TRUE, value = TRUE)
  substr(utils::tail(if (length(telling)) telling else lines, 3L), 1L, 200L)
}

#' @param lines What uv or pip printed.
#' @param again How to try again.
#' @noRd
what_to_do <- function(lines, again = NULL) {
  cause <- function(pattern) any(grepl(pattern, lines, ignore.case = TRUE))
  paste(c(
    if (cause("No space left|Errno 28|os error 28|disk quota")) {
      sprintf("The disk of %s is full. Free some space, or set R_USER_DATA_DIR to another folder.", managed_root())
    } else if (cause("ensurepip|python3-venv")) {
      "On Debian and Ubuntu: sudo apt install python3-venv."
    } else if (nzchar(Sys.getenv("ESPALIER_WHEELS"))) {
      sprintf("Add what is missing to the folder of wheels, %s. ?install_espalier lists the wheels of each part.",
              Sys.getenv("ESPALIER_WHEELS"))
    } else {
      "If this is about the network, set uv's or pip's mirror or proxy, or ESPALIER_WHEELS to a folder of wheels."
    }, again
  ), collapse = " ")
}

abort_no_python <- function() {
  espalier_abort(
    "python_missing",
    sprintf("Can't find a Python that R can load: %s, with a shared libpython.", python_range()),
    c("Install one (Debian and Ubuntu: sudo apt install python3-venv libpython3-dev) or uv,",
      "or set ESPALIER_PYTHON to an interpreter. Then run install_espalier().")
  )
}

python_range <- function() if (reticulate_takes_312()) "3.9 or later" else "3.9 to 3.11"

# ---- consent ---------------------------------------------------------------------------------------

#' Go on with consent only: ask where the session is interactive, else look for one that was given
#'
#' @param task What is to be done, after "Can't": the beginning of the error.
#' @param question What the user reads, with sizes.
#' @param call The call of `install_espalier()` that does it.
#' @param code,... Code and fields of the error.
#' @noRd
ask_consent <- function(task, question, call, code = "python_missing", ...) {
  refuse <- function(why) {
    espalier_abort(
      code, c(sprintf("Can't %s.", task), why),
      sprintf("Run espalier::%s once, or allow it by options(espalier.install = TRUE) or ESPALIER_INSTALL=yes.", call), ...,
      install = call
    )
  }
  if (nzchar(job_dir() %||% "")) refuse("A job installs nothing.")
  if (under_r_check()) refuse("Nothing is installed under R CMD check.")
  given <- given_consent()
  if (isFALSE(given)) refuse("The option espalier.install or the variable ESPALIER_INSTALL forbids it.")
  if (isTRUE(given)) return(invisible())
  if (!interactive()) {
    if (!file.exists(consent_record())) refuse(c(question, "This session can't ask."))
    return(invisible())
  }
  say(c("i" = "{question}"))
  if (!agrees("Go on?", default = TRUE)) refuse("You declined.")
}

#' Whether the user agrees; an answer that is neither yes nor no is asked for again
#'
#' @param default What an empty line means.
#' @noRd
agrees <- function(question, default) {
  for (attempt in 1:3) {
    answer <- tryCatch(utils::askYesNo(question, default = default), error = function(e) NULL)
    if (!is.null(answer)) return(isTRUE(answer))
    say(c("!" = "Please answer yes, no or cancel."))
  }
  FALSE
}

#' What the user has set: TRUE, FALSE, or NULL for nothing
#' @noRd
given_consent <- function() {
  option <- getOption("espalier.install")
  if (!is.null(option)) {
    check_flag(option, "options(espalier.install)")
    return(option)
  }
  value <- tolower(Sys.getenv("ESPALIER_INSTALL"))
  if (value %in% c("yes", "true", "1")) TRUE else if (value %in% c("no", "false", "0")) FALSE
}

#' The file that says that the user has called `install_espalier()`
#' @noRd
consent_record <- function() file.path(managed_root(), "consent")

#' Ask for what the first use needs
#' @noRd
ask_to_build <- function() {
  size <- known_extras()$base
  ask_consent(
    "set up espalier's private Python environment",
    sprintf("espalier needs a private Python environment, once: %s MB to download, %s MB on disk in %s.",
            size$megabytes, size$disk, managed_root()),
    "install_espalier()"
  )
}

under_r_check <- function() {
  nzchar(Sys.getenv("_R_CHECK_PACKAGE_NAME_")) && !identical(tolower(Sys.getenv("NOT_CRAN")), "true")
}

# ---- finding things --------------------------------------------------------------------------------

find_uv <- function(env = managed_env()) {
  named <- Sys.getenv("ESPALIER_UV")
  if (nzchar(named)) return(if (file.exists(named)) named)
  places <- c(
    if (!is.null(env)) file.path(extra_folder(env, "packages"), "bin", "uv"), Sys.which("uv"), path.expand("~/.local/bin/uv"), path.expand("~/.cargo/bin/uv"),
    file.path(tools::R_user_dir("reticulate", "cache"), "uv", "bin", "uv")
  )
  places <- unname(places[nzchar(places) & file.exists(places)])
  if (length(places)) places[1L]
}

#' The interpreter to make the environment from: `path` and `minor`, or NULL
#' @noRd
find_python <- function() {
  named <- Sys.getenv("ESPALIER_PYTHON")
  if (nzchar(named)) {
    found <- probe_python(named)
    if (!is.null(found)) return(found)
    espalier_abort("python_missing", sprintf("Can't use ESPALIER_PYTHON: %s isn't a Python %s with a shared libpython.",
                                             named, python_range()),
                   "Set it to another interpreter, or unset it.")
  }
  minors <- if (reticulate_takes_312()) 13:9 else 11:9
  candidates <- Sys.which(c(paste0("python3.", minors), "python3", "python"))
  system <- if (.Platform$OS.type == "unix") "/usr/bin/python3"
  for (candidate in unique(c(candidates[nzchar(candidates)], system))) {
    found <- probe_python(candidate)
    if (!is.null(found)) return(found)
  }
  NULL
}

#' Whether R can load this interpreter: its version, and its shared library (Windows always has one)
#' @noRd
probe_python <- function(python) {
  code <- paste(
    "import os, sys, sysconfig as s",
    "g = s.get_config_var",
    "names = [n for n in (g('INSTSONAME'), g('LDLIBRARY')) if n and not n.endswith('.a')]",
    "dirs = [d for d in (g('LIBDIR'), g('LIBPL'), g('PYTHONFRAMEWORKPREFIX')) if d]",
    "shared = os.name == 'nt' or any(os.path.exists(os.path.join(d, n)) for d in dirs for n in names)",
    "print('espalier', sys.version_info[0], sys.version_info[1], int(shared), sys.executable)", sep = "; "
  )
  out <- run_quietly(path.expand(python), c("-I", "-c", code))
  line <- grep("^espalier ", out$lines, value = TRUE)
  if (out$status != 0L || !length(line)) return(NULL)
  parts <- strsplit(line[1L], " ", fixed = TRUE)[[1L]]
  minor <- as.integer(parts[3L])
  good <- parts[2L] == "3" && minor >= 9L && (minor <= 11L || reticulate_takes_312()) && parts[4L] == "1"
  if (good) list(path = paste(parts[-(1:4)], collapse = " "), minor = paste0("3.", minor))
}

