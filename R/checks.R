# Small argument checks. Each returns its argument invisibly, or aborts naming the argument, what
# was seen and what is wanted. Base R only.

#' What an argument is, in words: its type, length and (shortened) value
#' @noRd
describe_value <- function(x) {
  if (is.null(x)) return("NULL")
  if (is.function(x)) return("a function")
  if (is.call(x)) return("a call")
  if (inherits(x, "EspalierObject")) return(sprintf("%s <%s> object", article(class(x)[1L]), class(x)[1L]))
  kind <- if (is.object(x)) paste0("<", paste(setdiff(class(x), "espalier_value"), collapse = "/"), "> object") else
    switch(typeof(x), character = "string", double = "number", integer = "integer",
           logical = "logical", complex = "complex number", typeof(x))
  if (is.object(x) || !is.atomic(x)) {
    return(sprintf("%s %s of length %d", article(kind), kind, length(x)))
  }
  if (length(x) == 0L) return(sprintf("%s vector of length 0", typeof(x)))
  value <- describe_atoms(x)
  if (length(x) == 1L) return(sprintf("the %s %s", kind, value))
  sprintf("%s %s vector of length %d (%s)", article(typeof(x)), typeof(x), length(x), value)
}

article <- function(word) {
  if (tolower(substr(sub("^<", "", word), 1L, 1L)) %in% c("a", "e", "i", "o", "u")) "an" else "a"
}

describe_atoms <- function(x) {
  shown <- x[seq_len(min(3L, length(x)))]
  text <- if (is.character(shown)) {
    ok <- is.na(shown) | validUTF8(shown)
    long <- ok & !is.na(shown)
    long[long] <- nchar(shown[long], "chars") > 60L
    shown[!ok] <- "<invalid text>"
    shown[long] <- paste0(substr(shown[long], 1L, 57L), "...")
    encodeString(shown, quote = "\"", na.encode = TRUE)
  } else {
    vapply(shown, function(v) deparse(v)[1L], "")
  }
  paste0(paste(text, collapse = ", "), if (length(x) > 3L) ", ...")
}

#' Abort about one argument
#' @noRd
abort_argument <- function(arg, wanted, value, hint = NULL, code = "bad_argument") {
  espalier_abort(
    code, sprintf("`%s` must be %s, not %s.", arg, wanted, describe_value(value)), hint,
    argument = arg
  )
}

#' Abort about an argument that was not given, and name the verb: R would name the function that looked at it first
#'
#' `missing()` finds out also in a check that a verb's argument was passed on to.
#' @noRd
abort_missing <- function(arg, hint = NULL) {
  verb <- called_verb()
  of <- if (length(verb)) sprintf(" of %s()", verb) else ""
  espalier_abort("bad_argument", sprintf("The argument `%s`%s is missing.", arg, of),
                 hint %||% if (length(verb)) sprintf("For example: %s", example_call(verb, arg)), argument = arg)
}

#' A call of a verb with the arguments that it needs, by the names that help pages give their values
#' @noRd
example_call <- function(verb, arg) {
  formals <- as.list(formals(verb, topenv()))
  is_needed <- vapply(formals, identical, NA, quote(expr = ))
  needed <- setdiff(union(names(formals)[is_needed], arg), "...")
  usual <- c(workspace = "ws", x = "ws", experiment = "exp", config = "job", environment = "env", name = "\"name\"",
             metric = "\"AUC\"", run_id = "\"latest\"", path = "\"path\"", grid = "list(rate = c(0.1, 0.01))")
  values <- ifelse(needed %in% names(usual), usual[needed], needed)
  is_late <- !needed %in% names(formals)[is_needed]
  sprintf("%s(%s)", verb, paste0(ifelse(is_late, paste(needed, "= "), ""), values, collapse = ", "))
}

#' The name of the exported function that is being called, the innermost one; none where a method is
#' @noRd
called_verb <- function() {
  called <- vapply(rev(sys.calls()), verb_name, "")
  utils::head(intersect(called, getNamespaceExports(topenv())), 1L)
}

is_string <- function(x) {
  is.character(x) && length(x) == 1L && !is.na(x) && !is.object(x)
}

check_string <- function(x, arg = "x", null = FALSE, empty = FALSE) {
  if (missing(x)) abort_missing(arg)
  if (null && is.null(x)) return(invisible(x))
  if (!is_string(x)) abort_argument(arg, "one string", x)
  if (!empty && !nzchar(x)) abort_argument(arg, "a string that is not empty", x)
  invisible(x)
}

check_flag <- function(x, arg = "x", null = FALSE) {
  if (null && is.null(x)) return(invisible(x))
  if (!is.logical(x) || length(x) != 1L || is.na(x)) abort_argument(arg, "TRUE or FALSE", x)
  invisible(x)
}

check_number <- function(x, arg = "x", null = FALSE, min = -Inf, max = Inf) {
  if (null && is.null(x)) return(invisible(x))
  ok <- is.numeric(x) && !is.object(x) && length(x) == 1L && !is.na(x)
  if (!ok) abort_argument(arg, "one number", x)
  if (x < min || x > max) {
    abort_argument(arg, sprintf("a number %s", describe_range(min, max)), x)
  }
  invisible(x)
}

#' A whole number, as integer or double
#' @noRd
check_count <- function(x, arg = "x", null = FALSE, min = 0, max = 2^53) {
  if (null && is.null(x)) return(invisible(x))
  ok <- is.numeric(x) && !is.object(x) && length(x) == 1L && !is.na(x) && is.finite(x)
  if (!ok || x != trunc(x)) abort_argument(arg, "one whole number", x)
  if (x < min || x > max) {
    range <- if (max < 2^53) paste0(" ", describe_range(min, max)) else sprintf(", %.15g or more", min)
    abort_argument(arg, paste0("a whole number", range), x)
  }
  invisible(x)
}

describe_range <- function(min, max) {
  if (is.finite(min) && is.finite(max)) sprintf("from %.15g to %.15g", min, max)
  else if (is.finite(min)) sprintf("of at least %.15g", min)
  else sprintf("of at most %.15g", max)
}

#' One of several strings, compared exactly
#' @noRd
check_choice <- function(x, choices, arg = "x") {
  if (!is_string(x) || !x %in% choices) {
    abort_argument(arg, paste("one of", paste0("\"", choices, "\"", collapse = ", ")), x)
  }
  invisible(x)
}

#' The name of a workspace or an experiment
#' @noRd
check_name <- function(x, arg = "name") {
  if (missing(x)) abort_missing(arg)
  if (!is_string(x)) abort_argument(arg, "one string", x, code = "bad_name")
  if (!grepl("^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\\z", x, perl = TRUE, useBytes = TRUE)) {
    abort_argument(
      arg, "a valid name", x, code = "bad_name",
      hint = paste("A name has 1 to 128 of the ASCII letters, digits, `_`, `-` and `.`,",
                   "and begins with a letter or digit.")
    )
  }
  invisible(x)
}

.labels <- new.env(parent = emptyenv())

#' The name of a metric, parameter, tag or column: 1 to 255 characters, no control characters
#'
#' ASCII names that passed are remembered with their JSON form (logging checks one at each call).
#' @return The name as a JSON string, invisibly.
#' @noRd
check_label <- function(x, arg = "name") {
  json <- known_label(x)
  if (is.null(json)) check_label_slowly(x, arg) else invisible(json)
}

#' The JSON form of a name that passed before, or NULL
#' @noRd
known_label <- function(x) {
  # (names of an environment are translated to the locale, and shorter than 10,000 bytes)
  if (is.character(x) && length(x) == 1L && !is.na(x) && Encoding(x) == "unknown") {
    bytes <- nchar(x, "bytes")
    if (bytes > 0L && bytes < 1021L) .labels[[x]]
  }
}

check_label_slowly <- function(x, arg) {
  if (!is_string(x)) abort_argument(arg, "one string", x, code = "bad_name")
  rule <- "A name has 1 to 255 characters and no control characters (line breaks, tabs, ...)."
  text <- to_utf8(x, arg)
  if (!nzchar(text)) abort_argument(arg, "a name that is not empty", x, rule, "bad_name")
  if (nchar(text, "chars") > 255L) {
    abort_argument(arg, "a name of at most 255 characters", x, rule, "bad_name")
  }
  if (grepl("[\\x01-\\x1f\\x7f]|\\xc2[\\x80-\\x9f]", text, perl = TRUE, useBytes = TRUE)) {
    abort_argument(arg, "a name without control characters", x, rule, "bad_name")
  }
  json <- json_string(text)
  # ASCII alone is remembered; and names made in a loop are not, for ever
  if (Encoding(text) == "unknown" && length(.labels) < 10000L) .labels[[x]] <- json
  invisible(json)
}
