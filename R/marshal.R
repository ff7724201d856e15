# What generated code converts with: arg_*() check an R argument and make it plain, for json_encode();
# result_*() read what came back. Both follow the type that the core's signature declares, so a vector of
# length 1 is a list where a list is declared, and NA is never taken for None. Only base R here.

# ---- arguments -------------------------------------------------------------------------------------

arg_string <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  if (is.factor(x) && length(x) == 1L) x <- as.character(x)
  check_string(x, arg, empty = TRUE)
  as.vector(x)
}

arg_int <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  check_count(x, arg, min = -2^53)
  as.vector(x)
}

#' A position: 1 is the first in R, 0 in Python
#' @noRd
arg_index <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  check_count(x, arg, min = 1)
  as.vector(x) - 1L
}

#' Positions, always sent as a list: whole numbers from 1, or a logical vector whose TRUEs they are
#' @noRd
arg_indices <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  if (is.logical(x) && !is.object(x)) {
    if (anyNA(x)) abort_argument(arg, "TRUE or FALSE throughout", x)
    x <- which(x)
  }
  arg_list(arg_index)(x, arg)
}

arg_number <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  # (NaN and infinities are numbers; NA is none)
  if (!is_nan(x)) check_number(x, arg)
  as.vector(x)
}

is_nan <- function(x) is.double(x) && !is.object(x) && length(x) == 1L && is.nan(x)

arg_flag <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  check_flag(x, arg)
  as.vector(x)
}

arg_choice <- function(choices) {
  function(x, arg) {
    if (missing(x)) abort_missing(arg)
    if (is.factor(x) && length(x) == 1L) x <- as.character(x)
    check_choice(x, choices, arg)
    as.vector(x)
  }
}

#' NULL, or what another converter takes
#' @noRd
arg_optional <- function(of) {
  function(x, arg) {
    if (missing(x)) abort_missing(arg)
    if (is.null(x)) NULL else of(x, arg)
  }
}

#' A vector or list of any length, always sent as a list; names are dropped
#' @noRd
arg_list <- function(of) {
  function(x, arg) {
    if (missing(x)) abort_missing(arg)
    if (is.factor(x)) x <- as.character(x)
    if (is.null(x) || inherits(x, "EspalierObject") || !(is.atomic(x) || is.list(x))) {
      abort_argument(arg, "a vector or a list", x)
    }
    items <- unname(as.list(x))
    lapply(seq_along(items), function(i) of(items[[i]], sprintf("%s[[%d]]", arg, i)))
  }
}

#' A named list (or vector), each name once
#' @noRd
arg_mapping <- function(of) {
  function(x, arg) {
    if (missing(x)) abort_missing(arg)
    if (inherits(x, "EspalierObject") || !(is.atomic(x) || is.list(x))) abort_argument(arg, "a named list", x)
    # (as.list() of a factor would give factors of length 1)
    x <- as.list(if (is.factor(x)) structure(as.character(x), names = names(x)) else x)
    if (!length(x)) return(empty_object())
    check_names_once(names(x), arg)
    for (name in names(x)) x[name] <- list(of(x[[name]], paste0(arg, "$", name)))
    x
  }
}

# (an empty list() would be written as [])
empty_object <- function() structure(list(), names = character())

check_names_once <- function(names, arg) {
  if (is.null(names) || anyNA(names) || !all(nzchar(names))) {
    espalier_abort("bad_argument", sprintf("Can't use `%s`: not all of its elements have names.", arg), argument = arg)
  }
  if (anyDuplicated(names)) {
    espalier_abort(
      "bad_argument", sprintf("Can't use `%s`: it has the name \"%s\" more than once.", arg, names[anyDuplicated(names)]),
      argument = arg
    )
  }
}

#' Anything made of lists, vectors and NULL
#'
#' A vector of length 1 is a value, any other an array; with names it is an object.
#' @noRd
arg_json <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  if (is.factor(x)) x <- structure(as.character(x), names = names(x))
  if (is.null(x)) return(NULL)
  if (is.object(x) && !inherits(x, "AsIs")) abort_argument(arg, "made of plain vectors and lists", x)
  if (!(is.list(x) || is.numeric(x) || is.character(x) || is.logical(x))) {
    abort_argument(arg, "made of plain vectors and lists", x)
  }
  if (is.null(names(x))) {
    if (!is.list(x)) return(x)
    return(lapply(seq_along(x), function(i) arg_json(x[[i]], sprintf("%s[[%d]]", arg, i))))
  }
  if (!length(x)) return(empty_object())
  check_names_once(names(x), arg)
  x <- as.list(x)
  for (name in names(x)) x[name] <- list(arg_json(x[[name]], paste0(arg, "$", name)))
  x
}

#' The named values of one of the core's records
#' @noRd
arg_record <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  if (!is.list(x) || inherits(x, "EspalierObject")) abort_argument(arg, "a named list", x)
  x <- arg_json(unclass(x), arg)
  if (length(x)) x else empty_object()
}

#' An object of one of our classes; its identity is what is sent
#' @noRd
arg_object <- function(class) {
  function(x, arg) {
    if (missing(x)) abort_missing(arg)
    if (!inherits(x, class)) abort_argument(arg, sprintf("a <%s> object", class), x)
    as.list(identity_of(x))
  }
}

#' The arguments a user gave, as the JSON object of a request; their names are the signature's
#' @noRd
args_json <- function(args) {
  if (!length(args)) return("{}")
  names <- names(args)
  fragments <- names
  for (i in seq_along(args)) fragments[i] <- json_encode(args[[i]], names[i])
  paste0("{\"", paste0(names, "\":", fragments, collapse = ",\""), "}")
}

# ---- results ---------------------------------------------------------------------------------------

.tags <- list("!NA" = NA, "!NaN" = NaN, "!Inf" = Inf, "!-Inf" = -Inf)

result_none <- function(x) invisible(NULL)

#' One value of any kind, the protocol's tags read
#' @noRd
result_scalar <- function(x) {
  if (!is.character(x) || !startsWith(x, "!")) return(x)
  if (startsWith(x, "!!")) substring(x, 2L) else .tags[[x]]
}

result_string <- function(x) if (is.null(x)) NULL else as.character(result_scalar(x))
result_number <- function(x) if (is.null(x)) NULL else as.double(result_scalar(x))
result_flag <- function(x) if (is.null(x)) NULL else as.logical(result_scalar(x))

#' A whole number: integer where R has one so large, else double
#' @noRd
result_int <- function(x) if (is.null(x)) NULL else result_scalar(x)

result_index <- function(x) if (is.null(x)) NULL else x + 1L
result_indices <- function(x) if (is.null(x)) NULL else decode_column(x, "integer") + 1L

result_strings <- function(x) if (is.null(x)) NULL else decode_column(x, "string")
result_numbers <- function(x) if (is.null(x)) NULL else decode_column(x, "double")
result_flags <- function(x) if (is.null(x)) NULL else decode_column(x, "logical")
result_ints <- function(x) if (is.null(x)) NULL else decode_column(x, "integer")

result_optional <- function(of) function(x) if (is.null(x)) NULL else of(x)
result_list <- function(of) function(x) if (is.null(x)) NULL else lapply(unname(x), of)
result_mapping <- function(of) function(x) if (is.null(x)) NULL else lapply(x, of)

#' An identity as an R6 object of ours
#' @noRd
result_object <- function(class) {
  function(x) if (is.null(x)) NULL else get(class, mode = "environment")$new(identity = unlist(x))
}

#' Any JSON value: objects become named lists, arrays of values of one kind vectors, null NULL
#' @noRd
result_json <- function(x) {
  if (!is.list(x)) return(result_scalar(x))
  if (!is.null(names(x)) || !length(x)) return(lapply(x, result_json))
  simple <- lengths(x) == 1L & !vapply(x, is.list, NA)
  if (!all(simple)) return(lapply(x, result_json))
  kind <- common_kind(x)
  if (is.na(kind)) lapply(x, result_scalar) else decode_column(x, kind)
}

#' The one kind of a list of JSON values, or NA where they have none in common
#' @noRd
common_kind <- function(x) {
  text <- vapply(x, is.character, NA)
  tagged <- text
  tagged[text] <- unlist(x[text]) %in% names(.tags)
  kinds <- unique(vapply(x[!tagged], typeof, ""))
  numbers <- tagged & !vapply(x, identical, NA, "!NA")
  if (any(numbers)) kinds <- unique(c(kinds, "double"))
  if (!length(kinds)) return("logical")
  if (all(kinds %in% c("integer", "double"))) return(if ("double" %in% kinds) "double" else "integer")
  if (length(kinds) > 1L) return(NA_character_)
  if (kinds == "character") "string" else kinds
}

#' A list of JSON values (NULL is NA) as one vector
#' @noRd
decode_column <- function(x, kind) {
  mode <- switch(kind, string = "character", logical = "logical", integer = "integer", "double")
  empty <- lengths(x) == 0L
  if (any(empty)) x[empty] <- list(NA)
  if (kind != "string") {
    text <- which(vapply(x, is.character, NA))
    # (never by as.double() of strings: numbers keep every bit by staying numbers)
    if (length(text)) x[text] <- .tags[unlist(x[text])]
  }
  values <- unlist(x, use.names = FALSE)
  if (is.null(values)) return(vector(mode, 0L))
  if (kind == "string") return(decode_strings(as.character(values)))
  if (mode == "integer" && is.double(values)) mode <- "double"
  storage.mode(values) <- mode
  values
}

decode_strings <- function(x) {
  marked <- which(startsWith(x, "!"))
  if (!length(marked)) return(x)
  x[marked] <- ifelse(x[marked] == "!NA", NA_character_, substring(x[marked], 2L))
  x
}
