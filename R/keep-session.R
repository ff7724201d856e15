# What a call of espalier leaves in the session as it was. reticulate, when it starts Python, puts that Python's folder on
# the PATH, sets VIRTUAL_ENV, PYTHONPATH, LD_LIBRARY_PATH and more: jobs, and what the user starts, would find our Python.

#' Evaluate code, and put the variables of the environment and R's random numbers back as they were
#'
#' Signals that Python ignores from its start on are not ignored in the programs that the session starts.
#' @noRd
keeping_session <- function(code) {
  before <- all_variables()
  ignored <- .Call(road_routine("signals_ignored"))
  on.exit({
    put_variables_back(before)
    .Call(road_routine("signals_catch"), ignored)
  })
  keeping_seed(code)
}

#' Evaluate code after which R's generator is as it was
#'
#' Rcpp, by which reticulate calls Python, makes a seed where there is none yet.
#' @noRd
keeping_seed <- function(code) {
  if (!has_seed()) on.exit(remove_seed())
  code
}

#' Evaluate code that adds a callback which R calls after each top-level call, and have that keep R's generator too
#'
#' reticulate adds one when it is loaded: it flushes Python's output, which is a call of Python.
#' @noRd
keeping_seed_at_top_level <- function(code) {
  if (isNamespaceLoaded("reticulate")) return(code)
  had <- TRUE
  addTaskCallback(function(...) {
    had <<- has_seed()
    TRUE
  })
  force(code)
  addTaskCallback(function(...) {
    if (!had) remove_seed()
    TRUE
  })
}

has_seed <- function() exists(".Random.seed", globalenv(), inherits = FALSE)

remove_seed <- function() suppressWarnings(rm(".Random.seed", envir = globalenv()))

# (Sys.getenv() of all fails if one of them is no text in this locale)
all_variables <- function() {
  unclass(tryCatch(suppressWarnings(Sys.getenv()), error = function(e) Sys.getenv(python_variables, NA, names = TRUE)))
}

python_variables <- c(
  "PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONIOENCODING", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT",
  "R_SESSION_INITIALIZED"
)

put_variables_back <- function(before) {
  changed <- changed_variables(before)
  Sys.unsetenv(names(changed)[is.na(changed)])
  changed <- changed[!is.na(changed)]
  if (length(changed)) do.call(Sys.setenv, as.list(changed))
}

#' What variables were whose values have changed: text, NA for those that there were not
#' @noRd
changed_variables <- function(before) {
  now <- all_variables()
  names <- union(names(before), names(now))
  old <- before[names]
  same <- (is.na(old) & is.na(now[names])) | (old == now[names]) %in% TRUE
  structure(old, names = names)[!same]
}

#' The variables that Python has to have again, as a JSON object
#' @noRd
variables_json <- function(before) {
  # (those that reticulate has put back already Python may have as they were in between)
  known <- before[python_variables]
  names(known) <- python_variables
  changed <- changed_variables(before)
  wanted <- c(changed, known[setdiff(python_variables, names(changed))])
  keys <- json_string(names(wanted))
  values <- ifelse(is.na(wanted), "null", json_string(replace(wanted, is.na(wanted), "")))
  paste0("{", paste0(keys, ":", values, collapse = ","), "}")
}
