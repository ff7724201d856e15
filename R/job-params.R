# Typed parameters of a script. Base R only.

#' Read the parameters of a script
#'
#' Use this at the top of a training script: it names the parameters with their defaults. Values of `script_params`, or
#' of the command line, take the place of the defaults and are recorded in the run. A script that is sourced by hand
#' gets its defaults.
#'
#' On the command line a parameter is `--name value` or `--name=value`. `-` and `_` in names are the same. The type is
#' that of the default:
#'
#' * integer, double, string or logical for a default of length 1. A logical alone (`--verbose`) is `TRUE`.
#' * `NULL` is an optional string.
#' * `Date` and `POSIXct` take ISO 8601: `2024-05-31`, `2024-05-31T08:00:00Z`. Times are in UTC, also without `Z`.
#' * A vector of another length takes several values: `--lr 0.1 0.2`.
#'
#' Arguments with other names are left alone. A string that begins like one of the parameters (`--trees`) must be given
#' as `--name=--trees`, as [estimator()] does.
#'
#' @param ... Named defaults. For several values of `script_params` the default must be a vector of another length than
#'   1.
#' @return A named list of class `espalier_job_params`.
#' @section Errors:
#' * `espalier_error_bad_argument`: a value doesn't have the type of the default, or a default has no name.
#' @seealso [estimator()]
#' @examples
#' p <- job_params(trees = 500L, lr = 0.1, verbose = FALSE, label = NULL)
#' p
#' p$trees
#' @export
job_params <- function(...) {
  values <- list(...)
  check_defaults(values)
  given <- given_params(commandArgs(trailingOnly = TRUE), values)
  for (name in names(given)) {
    values[name] <- list(convert_param(given[[name]], values[[name]], name))
  }
  dir <- current_run_dir()
  if (!is.null(dir)) record_params(dir, values)
  structure(values, class = "espalier_job_params")
}

#' @export
format.espalier_job_params <- function(x, ...) header("Job parameters", facts = if (!length(x)) "none")

#' @export
print.espalier_job_params <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  if (!length(x)) return(invisible(x))
  shown <- vapply(unclass(x), function(v) if (is.null(v)) "NULL" else describe_atoms(plain_values(v, "x")), "")
  cat(sprintf("  %s = %s\n", format(names(x)), shown), sep = "")
  invisible(x)
}

check_defaults <- function(values) {
  if (!length(values)) return(invisible())
  names <- names(values)
  if (is.null(names) || !all(nzchar(names)) || anyDuplicated(names)) {
    espalier_abort("bad_argument", "Can't use the defaults of job_params(): each needs a name, and each name once.",
                   "Example: job_params(trees = 500L, lr = 0.1).")
  }
  for (name in names) {
    check_label(name, "parameter name")
    value <- values[[name]]
    plain <- if (is.object(value)) inherits(value, c("Date", "POSIXct")) else is.numeric(value) || is.logical(value) || is.character(value)
    if (!is.null(value) && !plain) {
      abort_argument(name, "a number, integer, logical, string, date, time or NULL as the default of a parameter", value)
    }
  }
}

#' The texts given for each parameter; character() for a name alone, the last one of a name
#' @noRd
given_params <- function(args, values) {
  given <- list()
  if (!length(values)) return(given)
  known <- option_names(args, names(values))
  i <- 1L
  while (i <= length(args)) {
    name <- known[i]
    at <- i
    i <- i + 1L
    if (is.na(name)) next
    inline <- regexpr("=", args[at], fixed = TRUE)
    if (inline > 0L) {
      given[[name]] <- substring(args[at], inline + 1L)
      next
    }
    default <- values[[name]]
    limit <- if (is_single(default)) 1L else Inf
    texts <- character()
    while (length(texts) < limit && i <= length(args) && is.na(known[i]) && is_value(args[i], default)) {
      texts <- c(texts, args[i])
      i <- i + 1L
    }
    given[[name]] <- texts
    is_more <- is_single(default) && i <= length(args) && is.na(known[i]) && !startsWith(args[i], "--")
    if (is_more) refuse_rest(name, default, texts, args[i])
  }
  given
}

is_single <- function(default) is.null(default) || length(default) == 1L

#' Refuse what was submitted for a parameter with one value, if it is several, or no value of its type
#'
#' Only called where arguments follow that aren't taken. They may as well be arguments of their own.
#' @noRd
refuse_rest <- function(name, default, taken, rest) {
  count <- submitted_count(name)
  kind <- kind_of_param(default)
  if (count == 1L && !length(taken)) abort_param(name, kind, sprintf("\"%s\"", rest))
  if (count < 2L) return(invisible())
  wanted <- switch(kind, character = "string", integer = "whole number", double = "number", kind)
  several <- switch(
    kind, character = "c(\"a\", \"b\")", logical = "c(TRUE, FALSE)", integer = "c(1L, 2L)", double = "c(1, 2)",
    date = "as.Date(c(\"2024-05-31\", \"2024-06-30\"))",
    time = "as.POSIXct(c(\"2024-05-31\", \"2024-06-30\"), tz = \"UTC\")"
  )
  espalier_abort(
    "bad_argument", sprintf("The parameter `%s` must be one %s, but %d were given.", name, wanted, count),
    sprintf("To allow several, give it a vector as its default: job_params(%s = %s).", r_name(name), several),
    argument = name
  )
}

#' How many values this job's `script_params` have for a parameter; 0 for a flag, or where that isn't known
#' @noRd
submitted_count <- function(name) {
  dir <- job_dir()
  if (is.null(dir)) return(0L)
  params <- tryCatch(json_parse(readLines(file.path(dir, "spec.json"), warn = FALSE))$params, error = function(e) NULL)
  value <- params[match(loose_name(name), loose_name(names(params)), 0L)]
  if (!length(value)) return(0L)
  value <- value[[1L]]
  if (is.null(names(value))) length(value) else as.integer(!identical(value$kind, "logical"))
}

loose_name <- function(names) gsub("[.-]", "_", names)

#' A name as R code
#' @noRd
r_name <- function(name) {
  if (identical(make.names(name), name)) name else encodeString(name, quote = "`")
}

#' Which parameter each argument names, or NA
#' @noRd
option_names <- function(args, names) {
  option <- ifelse(startsWith(args, "--"), sub("=.*$", "", substring(args, 3L)), NA)
  at <- match(option, names)
  loose <- match(gsub("-", "_", option, fixed = TRUE), loose_name(names))
  names[ifelse(is.na(at), loose, at)]
}

#' Whether an argument that names no parameter may be the value of the one before it
#' @noRd
is_value <- function(text, default) {
  if (is.logical(default)) return(!is.na(as_flag(text)) || length(default) != 1L && !startsWith(text, "--"))
  if (is.null(default) || (is.character(default) && length(default) == 1L)) return(TRUE)
  !startsWith(text, "--")
}

as_flag <- function(text) {
  word <- tolower(text)
  ifelse(word %in% c("true", "t", "yes", "on", "1"), TRUE,
         ifelse(word %in% c("false", "f", "no", "off", "0"), FALSE, NA))
}

convert_param <- function(texts, default, name) {
  kind <- kind_of_param(default)
  single <- is_single(default)
  if (!length(texts)) {
    if (kind == "logical" && single) return(TRUE)
    abort_param(name, kind, "no value")
  }
  out <- switch(kind,
    character = texts,
    logical = as_flag(texts),
    date = as.Date(as_time(texts, "^$")),
    time = as_time(texts),
    suppressWarnings(as.double(texts))
  )
  bad <- is.na(out) & !(kind == "double" & texts == "NaN")
  if (kind == "integer") bad <- bad | is.infinite(out) | out != trunc(out) | abs(out) > .Machine$integer.max
  if (kind != "character" && any(bad)) {
    abort_param(name, kind, sprintf("\"%s\"", texts[which(bad)[1L]]))
  }
  if (kind == "integer") as.integer(out) else out
}

kind_of_param <- function(default) {
  if (is.null(default)) return("character")
  if (inherits(default, "Date")) "date" else if (inherits(default, "POSIXct")) "time" else typeof(default)
}

#' Times in UTC from ISO 8601, which may end with the date, the minute, the second or a fraction of it; else NA
#'
#' @param clock Pattern of what may follow the date.
#' @noRd
as_time <- function(texts, clock = "^([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?Z?)?$") {
  date <- substr(texts, 1L, 10L)
  rest <- substring(texts, 11L)
  good <- grepl("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", date) & grepl(clock, rest)
  clock <- ifelse(nzchar(rest), gsub("[T Z]", "", rest), "00:00")
  clock <- paste0(clock, ifelse(nchar(clock) == 5L, ":00", ""))
  times <- as.POSIXct(strptime(paste(date, clock), "%Y-%m-%d %H:%M:%OS", tz = "UTC"))
  times[!good] <- NA
  times
}

abort_param <- function(name, kind, seen) {
  is_fraction <- !is.na(suppressWarnings(as.double(gsub("\"", "", seen, fixed = TRUE))))
  wanted <- switch(kind, character = "a string", logical = "TRUE or FALSE", integer = "a whole number",
                   double = "a number", date = "a date such as 2024-05-31", time = "a time such as 2024-05-31T08:00:00Z")
  espalier_abort(
    "bad_argument",
    sprintf("The parameter `%s` must be %s, but %s was given.", name, wanted, seen),
    switch(kind,
      integer = if (is_fraction) sprintf("To allow fractions, make its default a double: job_params(%s = 1).", r_name(name)),
      character = sprintf(
        "\"\" in `script_params` makes a flag. To give an empty string, use arguments = \"--%s=\" of script_run_config().", name
      )
    ),
    argument = name
  )
}

#' One `param` event a parameter, once a process for each value
#' @noRd
record_params <- function(dir, values) {
  for (name in names(values)) {
    value <- values[[name]]
    value <- if (is.null(value)) NA_character_ else origin_of_input(plain_values(value, name))
    json <- json_value(as.vector(value), name)
    if (length(value) != 1L) json <- json_array(json)
    body <- paste0("\"kind\":\"", kind_of(value), "\",\"value\":", json)
    label <- check_label(name)
    at <- match(paste0(dir, "\n", label), .recorded$keys, length(.recorded$keys) + 1L)
    if (identical(.recorded$bodies[at], body)) next
    log_event(dir, "param", label, body)
    .recorded$keys[at] <- paste0(dir, "\n", label)
    .recorded$bodies[at] <- body
  }
}

#' For the path of an input's private copy, which is gone after the run: where the input was taken from
#' @noRd
origin_of_input <- function(value) {
  if (!is.character(value) || length(value) != 1L || is.na(value)) return(value)
  variables <- Sys.getenv()
  inputs <- variables[startsWith(names(variables), "ESPALIER_INPUT_")]
  at <- match(value, inputs)
  if (is.na(at)) return(value)
  Sys.getenv(sub("_INPUT_", "_ORIGIN_", names(inputs)[at], fixed = TRUE), value)
}

.recorded <- new.env(parent = emptyenv())
.recorded$keys <- character()
.recorded$bodies <- character()
