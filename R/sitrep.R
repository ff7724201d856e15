#' Check the installation
#'
#' Use it if espalier doesn't work, or before the first submit. It checks R, reticulate, Python and the folders that
#' espalier writes to, and names one fix for each problem.
#'
#' It also shows what happens to jobs at logout, whether Docker can be used, and which optional parts of
#' [install_espalier()] are there. It starts no Python in this session and writes nothing.
#'
#' @return A list of class `espalier_sitrep`: `facts`, a data frame with `what`, `value` and `why`, and `problems`, a
#'   data frame with `problem` and `fix`. It has no rows if everything is in place.
#' @seealso [install_espalier()]
#' @examples
#' espalier_sitrep()
#' @export
espalier_sitrep <- function() {
  parts <- c(
    sitrep_versions(), sitrep_python(),
    list(sitrep_program("Rscript", r_program("Rscript"), "Reinstall R: jobs in R can't run without Rscript.")),
    sitrep_folders(), list(sitrep_docker(), sitrep_logout(), sitrep_command_line())
  )
  column <- function(name, from) vapply(from, function(part) part[[name]], "")
  facts <- data.frame(what = column("what", parts), value = column("value", parts), why = column("why", parts))
  bad <- Filter(function(part) nzchar(part$problem), parts)
  problems <- data.frame(problem = column("problem", bad), fix = column("fix", bad))
  structure(list(facts = facts, problems = problems), class = "espalier_sitrep")
}

fact <- function(what, value, why = "", problem = "", fix = "") {
  list(what = what, value = paste(value, collapse = ", "), why = why, problem = problem, fix = fix)
}

sitrep_versions <- function() {
  reticulate <- tryCatch(as.character(reticulate_version()), error = function(e) "not installed")
  old <- reticulate == "not installed" || utils::compareVersion(reticulate, "1.28") < 0
  list(
    fact("espalier", as.character(utils::packageVersion("espalier"))),
    fact("R", paste(R.version$major, R.version$minor, sep = "."), R.home()),
    fact("reticulate", reticulate, problem = if (old) "reticulate 1.28 or later is needed." else "",
         fix = if (old) "install.packages(\"reticulate\")" else "")
  )
}

sitrep_python <- function() {
  uv <- find_uv()
  uv <- fact("uv", if (is.null(uv)) "not found" else uv, if (is.null(uv)) "venv and pip serve instead" else "")
  if (!is.null(.bridge$state)) {
    state <- .bridge$state
    return(c(list(fact("Python", paste(state$python, state$version), paste0(state$how, "; running")),
                  fact("Python packages", core_requirements(), "met"), uv), sitrep_extras(state$python)))
  }
  choice <- tryCatch(python_choose(build = FALSE), espalier_error = function(e) e)
  if (inherits(choice, "condition")) {
    return(list(fact("Python", "none", problem = conditionMessage(choice), fix = "Unset that choice."), uv))
  }
  if (is.null(choice)) return(list(sitrep_unmade(), uv))
  value <- if (is.null(choice$python)) "reticulate's choice" else choice$python
  unmet <- if (nzchar(choice$env) || is.null(choice$python)) character() else python_unmet(choice$python)
  c(list(fact("Python", value, choice$how), sitrep_requirements(choice, unmet), uv), sitrep_extras(choice$python))
}

#' The optional parts: a missing one isn't a problem
#' @param python The interpreter that runs the core, or NULL where that is not known.
#' @noRd
sitrep_extras <- function(python) {
  env <- managed_env()
  if (is.null(python)) return(list())
  if (is.null(env) || !identical(normalizePath(python), normalizePath(env_python(env)))) return(sitrep_own_extras(python))
  lapply(extra_names(), function(name) {
    folder <- extra_folder(env, name)
    what <- sprintf("part \"%s\"", name)
    if (is_whole(folder)) return(fact(what, "installed", sprintf("%s MB on disk", megabytes_of(folder))))
    extra <- known_extras()[[name]]
    lacks <- if (name == "scanner") native_lacks() else ""
    fact(what, "not installed", sprintf("install_espalier(\"%s\"), %s MB to download: %s%s", name, extra$megabytes, extra$because,
                                        if (nzchar(lacks)) paste0("; ", lacks) else ""))
  })
}

#' Which parts a Python of the user's has, and what installs the others
#' @noRd
sitrep_own_extras <- function(python) {
  names <- setdiff(extra_names(), "scanner")
  needed <- lapply(names, core_requirements)
  unmet <- python_unmet(python, unlist(needed))
  if (identical(unmet, "python")) return(list())
  Map(function(name, requirements) {
    lacking <- requirements[sub("[<>=].*", "", requirements) %in% unmet]
    what <- sprintf("part \"%s\"", name)
    if (!length(lacking)) return(fact(what, "installed"))
    fact(what, "not installed", sprintf("%s -m pip install %s", python, paste(shQuote(lacking), collapse = " ")))
  }, names, needed)
}

megabytes_of <- function(folder) {
  files <- list.files(folder, recursive = TRUE, all.files = TRUE, full.names = TRUE)
  size <- sum(file.size(files), na.rm = TRUE) / 1e6
  if (size < 1) round(size, 1) else round(size)
}

sitrep_unmade <- function() {
  base <- tryCatch(find_python(), espalier_error = function(e) e)
  why <- "the private environment is missing; the first call of workspace() sets it up"
  if (inherits(base, "condition")) {
    return(fact("Python", "none", why, conditionMessage(base), "Unset ESPALIER_PYTHON."))
  }
  if (is.null(base) && is.null(find_uv())) {
    return(fact("Python", "none", why, sprintf("Can't find a Python %s with a shared libpython.", python_range()),
                "Debian, Ubuntu: sudo apt install python3-venv libpython3-dev"))
  }
  from <- if (is.null(base)) "one that uv downloads" else base$path
  fact("Python", paste("would be made from", from), why, "espalier's private Python environment is missing.",
       "install_espalier()")
}

sitrep_requirements <- function(choice, unmet) {
  need <- core_requirements()
  if (!length(unmet)) return(fact("Python packages", need, if (is.null(choice$python)) "not looked at" else "met"))
  if (identical(unmet, "python")) {
    return(fact("Python packages", need, problem = sprintf("%s isn't a Python %s.", choice$python, python_range()),
                fix = paste0("Choose another Python; this one comes from ", choice$how, ".")))
  }
  if (!is.null(managed_env())) {
    return(fact("Python packages", need, paste(paste(unmet, collapse = ", "), "from the private environment")))
  }
  fact("Python packages", need, problem = sprintf("%s lacks %s.", choice$python, paste(unmet, collapse = ", ")),
       fix = "install_espalier()")
}

r_program <- function(name) {
  place <- file.path(R.home("bin"), if (.Platform$OS.type == "windows") paste0(name, ".exe") else name)
  if (file.exists(place)) place else ""
}

sitrep_program <- function(what, place, fix) {
  if (nzchar(place)) return(fact(what, place))
  fact(what, "not found", problem = sprintf("Can't find %s.", what), fix = fix)
}

sitrep_folders <- function() {
  list(
    sitrep_folder("queue", state_folder(), "Make it writable, or set ESPALIER_STATE_DIR to a folder that is."),
    sitrep_folder("cache", cache_folder(), "Make it writable, or set ESPALIER_CACHE_DIR to a folder that is.")
  )
}

#' Whether a folder can be written, or made where it does not exist yet; makes nothing
#' @noRd
sitrep_folder <- function(what, place, fix) {
  if (!dir.exists(place) && can_be_made(place)) return(fact(what, place, "can be made"))
  if (dir.exists(place) && file.access(place, 2L) == 0L) return(fact(what, place, "writable"))
  fact(what, place, problem = sprintf("Can't write to %s (%s).", place, what), fix = fix)
}

#' @export
format.espalier_sitrep <- function(x, ...) {
  why <- ifelse(nzchar(x$facts$why), paste0(" (", x$facts$why, ")"), "")
  lines <- paste0(format(x$facts$what), "  ", x$facts$value, why)
  if (!nrow(x$problems)) return(c(lines, "", "Everything is in place."))
  found <- paste0(seq_len(nrow(x$problems)), ". ", x$problems$problem, "\n   Fix: ", x$problems$fix)
  c(lines, "", if (length(found) == 1L) "One problem:" else paste(length(found), "problems:"), found)
}

#' @export
print.espalier_sitrep <- function(x, ...) {
  writeLines(format(x, ...))
  invisible(x)
}
