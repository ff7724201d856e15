# Making the private environment: by uv, else by venv and pip. Two sessions at once make it once; an environment
# counts only from the moment its stamp is written.

#' Make espalier's private Python environment
#'
#' espalier runs its core in a Python environment of its own, with one small package (pyyaml), and those that environments,
#' Docker and secrets need (docker, cryptography and uv; about 100 MB in all). It is made by itself at the first use, after asking when the session is
#' interactive; this function makes it now. Your own Python packages are never touched, and every choice of yours
#' (`RETICULATE_PYTHON`, `RETICULATE_PYTHON_ENV`, `VIRTUAL_ENV`, `reticulate::use_python()`,
#' `options(espalier.python = )`) wins over it.
#'
#' Where there is a C++ compiler (on Linux, with OpenSSL's headers) a compiled part is built as well, which takes
#' snapshots of large folders faster. Nothing else depends on it; [espalier_sitrep()] says whether it is there.
#'
#' It is made with `uv` if that is found (`ESPALIER_UV`, the `PATH`, `~/.local/bin`), else with Python's own `venv`
#' and `pip`. Mirrors, proxies and certificates are set where `uv` and `pip` look for them.
#'
#' @param force Make it anew, even if it is there.
#' @return The environment's folder, invisibly.
#' @section Errors:
#' `espalier_error_python_missing`: no suitable Python was found, or the environment could not be made; the message
#' carries what uv or pip said.
#' @seealso [espalier_sitrep()]
#' @examples
#' # The first use makes it; to make it now:
#' if (interactive()) install_espalier()
#' @export
install_espalier <- function(force = FALSE) {
  check_flag(force, "force")
  env <- if (!force) managed_env()
  if (!is.null(env)) {
    say(c("v" = "The private environment is ready: {.path {env}}"))
    return(invisible(env))
  }
  invisible(managed_build(consent = FALSE, force = force))
}

#' Make the private environment
#' @param consent Whether the user has to agree first.
#' @return Its folder.
#' @noRd
managed_build <- function(consent, force = FALSE) {
  if (consent) ask_consent()
  base <- find_python()
  uv <- find_uv()
  if (is.null(base) && is.null(uv)) abort_no_python()
  root <- managed_root()
  dir.create(root, FALSE, TRUE) # (FALSE too where another session was first)
  if (!dir.exists(root)) {
    espalier_abort("python_missing", sprintf("The folder %s cannot be made.", root),
                   "Make it writable, or set R_USER_DATA_DIR to a folder that is.")
  }
  folder <- managed_folder(base)
  env <- file.path(root, folder)
  lock <- paste0(env, ".lock")
  take_lock(lock)
  on.exit(unlink(lock, recursive = TRUE))
  if (force || !file.exists(file.path(env, ".ok"))) fill_env(env, base, uv)
  write_record(list(key = managed_key(), folder = folder))
  env
}

#' Its folder's name: for people the Python and platform, for changes a hash of what is in it
#' @noRd
managed_folder <- function(base) {
  minor <- if (is.null(base)) "uv" else base$minor
  place <- tempfile(sprintf("key-%d-", Sys.getpid())) # (forked children draw the same names)
  on.exit(unlink(place))
  writeLines(c(managed_key(), if (is.null(base)) "" else base$path), place)
  sprintf("py%s-%s", minor, substr(tools::md5sum(place), 1L, 12L))
}

fill_env <- function(env, base, uv) {
  unlink(env, recursive = TRUE)
  say(c("i" = "Making espalier's private Python environment in {.path {env}} (once)."))
  began <- proc.time()[["elapsed"]]
  said <- character()
  done <- FALSE
  if (!is.null(uv)) {
    install <- function(...) install_by_uv(env, uv, ...)
    out <- fill_by_uv(env, base, uv)
    done <- out$status == 0L
    said <- c(said, paste("uv:", out$lines))
  }
  if (!done && !is.null(base)) {
    unlink(env, recursive = TRUE)
    install <- function(...) install_by_pip(env, ...)
    out <- fill_by_pip(env, base)
    done <- out$status == 0L
    said <- c(said, paste("pip:", out$lines))
  }
  if (!done) {
    unlink(env, recursive = TRUE)
    abort_not_filled(env, said)
  }
  fill_extras(env, install)
  fill_native(env, install)
  file.create(file.path(env, ".ok"))
  say(c("v" = "Ready after {round(proc.time()[['elapsed']] - began, 1)} s."))
}

#' Add what not everybody needs; where that fails, runs that ask for none of it work all the same
#' @param install Installs into the environment what it is given.
#' @noRd
fill_extras <- function(env, install) {
  out <- install(core_requirements("environments"))
  if (out$status == 0L) return(invisible())
  log <- file.path(env, "extras.log")
  writeLines(out$lines, log)
  say(c("!" = "Python packages for environments, Docker and secrets could not be installed, see {.path {log}}.",
        " " = "espalier works without them; {.code install_espalier(force = TRUE)} tries again."))
}

fill_by_uv <- function(env, base, uv) {
  range <- if (reticulate_takes_312()) ">=3.9" else ">=3.9,<3.12"
  python <- if (is.null(base)) range else base$path
  out <- run_quietly(uv, c("venv", "--no-project", "--python", python, env))
  if (out$status != 0L) return(out)
  install_by_uv(env, uv, core_requirements())
}

# (what lies in a folder of this computer is built anew, whatever uv remembers of it)
install_by_uv <- function(env, uv, what) {
  options <- c("--compile-bytecode", "--refresh-package", "espalier-native")
  run_quietly(uv, c("pip", "install", "--python", env_python(env), options, what))
}

fill_by_pip <- function(env, base) {
  out <- run_quietly(base$path, c("-m", "venv", env))
  if (out$status != 0L) return(out)
  install_by_pip(env, core_requirements())
}

install_by_pip <- function(env, what) {
  # (an environment that uv made has no pip, and Python brings one)
  if (run_quietly(env_python(env), c("-m", "pip", "--version"))$status != 0L) run_quietly(env_python(env), c("-m", "ensurepip"))
  run_quietly(env_python(env), c("-m", "pip", "install", "--disable-pip-version-check", "--quiet", what))
}

abort_not_filled <- function(env, said) {
  venv <- any(grepl("ensurepip|python3-venv", said))
  espalier_abort(
    "python_missing", c(sprintf("The private environment in %s could not be made.", env), utils::tail(said, 15L)),
    if (venv) "On Debian and Ubuntu: sudo apt install python3-venv; then run install_espalier() again."
    else "If this is about the network, set uv's or pip's mirror or proxy; then run install_espalier() again."
  )
}

abort_no_python <- function() {
  espalier_abort(
    "python_missing",
    sprintf("No Python was found that R can load: %s, with a shared libpython.", python_range()),
    c("Install one (Debian and Ubuntu: sudo apt install python3-venv libpython3-dev) or uv,",
      "or set ESPALIER_PYTHON to an interpreter; then run install_espalier().")
  )
}

python_range <- function() if (reticulate_takes_312()) "3.9 or later" else "3.9 to 3.11"

# ---- consent ---------------------------------------------------------------------------------------

#' Ask when someone is there; otherwise go on unless that was forbidden
#' @noRd
ask_consent <- function() {
  later <- "install_espalier() makes it."
  if (under_r_check()) {
    espalier_abort("python_missing", "espalier's private Python environment is not made under R CMD check.", later)
  }
  if (tolower(Sys.getenv("ESPALIER_AUTO_INSTALL")) %in% c("no", "false", "0")) {
    espalier_abort("python_missing", "espalier's private Python environment has not been made.",
                   c("ESPALIER_AUTO_INSTALL forbids making it unasked.", later))
  }
  if (!interactive()) return(invisible())
  say(c(
    "espalier runs in a private Python environment (about 65 MB), to be made once in",
    " " = "{.path {managed_root()}}"
  ))
  if (!isTRUE(utils::askYesNo("Make it now?"))) {
    espalier_abort("python_missing", "espalier's private Python environment has not been made.", later)
  }
}

under_r_check <- function() {
  nzchar(Sys.getenv("_R_CHECK_PACKAGE_NAME_")) && !identical(tolower(Sys.getenv("NOT_CRAN")), "true")
}

# ---- finding things --------------------------------------------------------------------------------

find_uv <- function() {
  named <- Sys.getenv("ESPALIER_UV")
  if (nzchar(named)) return(if (file.exists(named)) named)
  places <- c(
    Sys.which("uv"), path.expand("~/.local/bin/uv"), path.expand("~/.cargo/bin/uv"),
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
    espalier_abort("python_missing", sprintf("ESPALIER_PYTHON is %s, which is no Python %s with a shared libpython.",
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

# ---- the lock and the record -----------------------------------------------------------------------

#' A folder as the lock: making one either succeeds or not, on every file system
#' @noRd
take_lock <- function(lock, patience = 600) {
  repeat {
    if (dir.create(lock, showWarnings = FALSE)) return(invisible())
    age <- as.numeric(difftime(Sys.time(), file.mtime(lock), units = "secs"))
    if (!is.na(age) && age <= patience) {
      inform_once("build_elsewhere", "Another session is making espalier's private Python environment. Waiting for it.")
    }
    # (its owner died: nothing here takes ten minutes)
    if (!is.na(age) && age > patience) unlink(lock, recursive = TRUE) else Sys.sleep(0.2)
    if (is.na(age) && !dir.exists(dirname(lock))) {
      espalier_abort("python_missing", sprintf("The folder %s cannot be written.", dirname(lock)))
    }
    if (is.na(age) && file.access(dirname(lock), 2L) != 0L) {
      espalier_abort("python_missing", sprintf("The folder %s cannot be written.", dirname(lock)),
                     "Make it writable, or set R_USER_DATA_DIR to a folder that is.")
    }
  }
}

write_record <- function(record) {
  place <- file.path(managed_root(), "current.dcf")
  fresh <- tempfile(sprintf("current-%d-", Sys.getpid()), managed_root())
  write.dcf(as.data.frame(record), fresh, width = 10000L)
  file.rename(fresh, place)
}
