# What R holds, as the kinds and values of docs/protocol.md. Base R only.

#' A plain vector of one of the four kinds, or an error that names the argument
#'
#' Factors become strings, dates and times ISO 8601 strings (times in UTC).
#' @noRd
plain_values <- function(x, arg) {
  if (is.object(x)) x <- plain_object(x, arg)
  if (!typeof(x) %in% c("double", "integer", "logical", "character")) {
    abort_argument(arg, "numeric, logical, character, factor or a date", x,
                   if (is.complex(x)) "Log its Re() and Im(), or its Mod().")
  }
  if (is.null(attributes(x))) x else as.vector(x)
}

plain_object <- function(x, arg) {
  if (inherits(x, "POSIXt")) return(format_time(x))
  if (inherits(x, "Date")) return(format(x, "%Y-%m-%d"))
  if (is.factor(x)) return(as.character(x))
  if (inherits(x, "integer64")) {
    abort_argument(arg, "a plain number", x,
                   "Convert it first: as.double(x) is exact up to 2^53, as.character(x) always.")
  }
  if (inherits(x, "difftime")) {
    abort_argument(arg, "a plain number", x, "Say in which units: as.numeric(x, units = \"secs\").")
  }
  unclass(x)
}

format_time <- function(x) {
  x <- as.POSIXct(x)
  seconds <- as.double(x)
  whole <- all(is.na(seconds) | seconds == trunc(seconds))
  out <- format(x, "%Y-%m-%dT%H:%M:%S", tz = "UTC")
  if (!whole) {
    # floor to seconds, then the microseconds by integers: %OS follows options
    start <- floor(seconds)
    micros <- as.integer((seconds - start) * 1e6)
    out <- sprintf("%s.%06d", format(.POSIXct(start), "%Y-%m-%dT%H:%M:%S", tz = "UTC"), micros)
  }
  out <- paste0(out, "Z")
  out[is.na(seconds)] <- NA_character_
  out
}

kind_of <- function(x) {
  kind <- typeof(x)
  if (kind == "character") "string" else kind
}

#' One value: a vector of length 1
#' @noRd
plain_value <- function(x, arg) {
  if (is.object(x) || length(x) != 1L) {
    if (inherits(x, "POSIXlt")) x <- as.POSIXct(x)
    if (length(x) != 1L) {
      abort_argument(arg, "one value", x,
                     "For several values there are log_list_to_run() and log_table_to_run().")
    }
  }
  plain_values(x, arg)
}

#' A list of single values as one vector; whole numbers and doubles mix, other kinds do not
#' @noRd
plain_list <- function(x, arg) {
  if (!is.list(x) || is.object(x)) return(plain_values(x, arg))
  if (!length(x)) return(logical())
  items <- lapply(seq_along(x), function(i) plain_value(x[[i]], sprintf("%s[[%d]]", arg, i)))
  kinds <- vapply(items, kind_of, "")
  # a bare NA goes with every kind
  bare <- vapply(items, function(v) is.logical(v) && is.na(v), NA)
  seen <- unique(kinds[!bare])
  if (length(seen) > 1L && !all(seen %in% c("integer", "double"))) {
    espalier_abort(
      "bad_argument",
      sprintf("Can't log `%s`: it mixes values of kind %s, and a logged list has one kind.", arg,
              paste(seen, collapse = ", ")),
      "Convert them first, for instance with vapply(x, as.character, \"\").", argument = arg
    )
  }
  unlist(items, use.names = FALSE)
}

#' Named columns of equal length, each a plain vector
#' @noRd
plain_columns <- function(x, arg) {
  if (!is.list(x) || (is.object(x) && !is.data.frame(x))) {
    abort_argument(arg, "a data frame or a named list of vectors", x)
  }
  names <- names(x)
  if (!length(x) || is.null(names) || anyNA(names) || !all(nzchar(names)) || anyDuplicated(names)) {
    espalier_abort("bad_argument", sprintf("Can't use the columns of `%s`: each needs a name, and each name once.", arg),
                   if (!length(x)) "It has no columns.", argument = arg)
  }
  columns <- lapply(seq_along(x), function(i) {
    label <- paste0(arg, "$", names[i])
    if (length(dim(x[[i]])) > 1L) abort_argument(label, "a vector, one value a row", x[[i]])
    plain_values(x[[i]], label)
  })
  names(columns) <- names
  rows <- lengths(columns)
  if (length(unique(rows)) > 1L) {
    espalier_abort(
      "bad_argument",
      sprintf("The columns of `%s` must have equal lengths, not %s.", arg,
              paste(sprintf("%s: %d", names, rows), collapse = ", ")),
      argument = arg
    )
  }
  columns
}

#' The JSON object column -> kind
#' @noRd
json_kinds <- function(columns) {
  json_object(lapply(columns, function(x) paste0("\"", kind_of(x), "\"")))
}

#' `,"description":...`, or nothing for the empty one
#' @noRd
json_description <- function(description) {
  check_string(description, "description", null = TRUE, empty = TRUE)
  if (is.null(description) || !nzchar(description)) return("")
  text <- json_string(description, "description")
  if (nchar(text, "bytes") > 8192L) {
    abort_argument("description", "a text of at most 8,192 bytes", description)
  }
  paste0(",\"description\":", text)
}
