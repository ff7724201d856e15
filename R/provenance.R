#' Get the provenance of a run
#'
#' Use it to see what a result was made with: the code and its uncommitted changes, the user, and the versions of R,
#' Python and packages.
#'
#' The job records the versions when it ends, also after an error. For R scripts these are all loaded namespaces. For
#' Python scripts that called `Run.get_context()` these are the packages of the loaded modules. A killed or running job
#' has none.
#'
#' @section The uncommitted diff:
#' If the job's folder lies in a git repository, [submit_experiment()] keeps the changes since the last commit as a
#' patch, up to 256 KB. It covers only files of the snapshot. Lines that look like keys, tokens or passwords are masked,
#' but some may not be recognised. To record no diff, set `record_diff = FALSE` of a job, the option
#' `espalier.record_diff`, or the variable `ESPALIER_RECORD_DIFF=no`.
#' @param run A run.
#' @return A list of class `espalier_run_provenance`:
#' * `run_id`, `user`, `host`, `client`, `source_directory`, `snapshot`, `command`, `python` (the program behind a shim
#'   such as pyenv's, else `NULL`) and `seed` (`NULL` if none was given);
#' * `git`: a list of `commit`, `branch`, `dirty` and `remote`, or `NULL` outside a repository;
#' * `diff`: the path of the uncommitted diff, or `NULL`. `diff_notes` reports what was cut or masked in it;
#' * `sessions`: a data frame with a row for each R or Python process of the job, in the order of their ends. Its
#'   columns are `session`, `language`, `version`, `interpreter`, `platform`, `system`, `host`, `command`, `rng`,
#'   `blas`, `locale` and `ended`;
#' * `packages`: a data frame with `session` (a row of `sessions`), `language`, `package`, `version`, `attached` and
#'   `library`.
#' @section Errors:
#' * `espalier_error_run_missing`: the run doesn't exist.
#' @seealso [get_run_details()], [compare_snapshots()]
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' dir.create(folder)
#' writeLines("print(sample(3))", file.path(folder, "train.R"))
#' ws <- workspace("example", path = tempfile())
#' job <- estimator(folder, entry_script = "train.R", seed = 1)
#' run <- submit_experiment(experiment(ws, "first"), job)
#' wait_for_run_completion(run, show_output = FALSE)
#' get_run_provenance(run)
#' get_run_provenance(run)$packages
#' @export
get_run_provenance <- function(run) {
  check_object(run, "Run", "run")
  details <- run$get_details()
  spec <- details$runDefinition
  sessions <- details$provenance$sessions
  facts <- list(
    run_id = details$runId, user = spec$user, host = spec$host, client = spec$client,
    source_directory = spec$source_directory, snapshot = spec$snapshot$id, command = as.character(unlist(spec$command)),
    python = spec$environment$python$executable,
    seed = spec$seed, git = spec$git, diff = details$provenance$diff,
    diff_notes = as.character(unlist(details$provenance$diffNotes)),
    sessions = session_table(sessions), packages = package_table(sessions)
  )
  structure(facts, class = "espalier_run_provenance")
}

session_table <- function(sessions) {
  text <- function(field) {
    vapply(sessions, function(session) paste(c(unlist(session[[field]]), NA_character_)[1L]), "")
  }
  joined <- function(field) vapply(sessions, function(session) paste(unlist(session[[field]]), collapse = " "), "")
  known <- function(x) replace(x, x %in% c("NA", ""), NA_character_)
  data.frame(
    session = seq_along(sessions), language = text("language"), version = known(text("version")),
    interpreter = known(text("interpreter")), platform = known(text("platform")), system = known(text("system")), host = known(text("host")),
    command = joined("command"), rng = known(joined("rng")), blas = known(text("blas")), locale = known(text("locale")),
    ended = .POSIXct(vapply(sessions, function(session) as.double(session$time), 0)), stringsAsFactors = FALSE
  )
}

package_table <- function(sessions) {
  tables <- lapply(seq_along(sessions), function(i) {
    columns <- sessions[[i]]$packages
    n <- length(columns$package)
    data.frame(
      session = rep(i, n), language = rep(sessions[[i]]$language, n), package = as.character(unlist(columns$package)),
      version = as.character(unlist(columns$version)), attached = as.logical(unlist(columns$attached)),
      library = as.character(unlist(columns$library)), stringsAsFactors = FALSE
    )
  })
  none <- data.frame(
    session = integer(), language = character(), package = character(), version = character(), attached = logical(),
    library = character(), stringsAsFactors = FALSE
  )
  do.call(rbind, c(list(none), tables))
}

#' @export
format.espalier_run_provenance <- function(x, ...) header("Run provenance", x$run_id)

#' @export
print.espalier_run_provenance <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  line <- function(label, value) {
    if (length(value) && !anyNA(value)) cat(sprintf("  %-9s %s\n", label, safe_line(value)))
  }
  line("by", paste0(x$user, " on ", x$host, ", ", x$client))
  line("folder", x$source_directory)
  line("snapshot", x$snapshot)
  if (nzchar(git_text(x$git))) line("git", paste(c(git_text(x$git), x$git$remote), collapse = ", "))
  line("diff", x$diff)
  for (note in x$diff_notes[-1L]) line("", note)
  line("command", paste(encodeString(x$command), collapse = " "))
  line("Python", x$python)
  line("seed", if (length(x$seed)) format(x$seed))
  for (i in x$sessions$session) print_session(x$sessions[i, ], x$packages[x$packages$session == i, ], line)
  if (!nrow(x$sessions)) cat("  No process of the job has recorded its versions.\n")
  invisible(x)
}

print_session <- function(session, packages, line) {
  known <- Filter(Negate(is.na), c(session$version, session$platform, session$host))
  cat("\n  ", safe_line(paste(known, collapse = ", ")), "\n", sep = "")
  line(if (session$language == "r") "R home" else "Python", session$interpreter)
  line("system", session$system)
  line("random", session$rng)
  line("BLAS", session$blas)
  named <- safe_line(paste(packages$package, packages$version))
  base <- session$language == "r" & packages$package %in% r_base_packages
  shown <- function(label, which) {
    if (!any(which)) return(invisible())
    first <- sprintf("  %-9s ", label)
    cat(strwrap(toString(named[which]), 80L, initial = first, prefix = strrep(" ", nchar(first))), sep = "\n")
  }
  shown("attached", packages$attached & !base)
  shown("loaded", !packages$attached & !base)
}

# Of R itself: their version is R's.
r_base_packages <- c(
  "base", "compiler", "datasets", "graphics", "grDevices", "grid", "methods", "parallel", "splines", "stats", "stats4",
  "tcltk", "tools", "utils"
)
