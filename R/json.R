# The only place of the R package that writes JSON. The rules of a *value* are those of
# docs/protocol.md. Results depend on neither locale nor options (OutDec, scipen, digits).
# Base R only; fragments are character vectors in ASCII or UTF-8.

#' Strings of any encoding in UTF-8
#'
#' Where the locale is UTF-8 or C, text of unknown encoding must be valid UTF-8.
#' @noRd
to_utf8 <- function(x, arg = "x") {
  odd <- which(grepl("[^ -~]", x, perl = TRUE, useBytes = TRUE))
  if (!length(odd)) return(x)
  part <- x[odd]
  refused <- Encoding(part) == "bytes"
  unknown <- !refused & Encoding(part) == "unknown"
  if (any(unknown) && (l10n_info()[["UTF-8"]] || Sys.getlocale("LC_CTYPE") %in% c("C", "POSIX"))) {
    # (enc2utf8() would write the bytes it does not understand as <e9>)
    valid <- validUTF8(part)
    Encoding(part)[unknown & valid] <- "UTF-8"
    refused <- refused | (unknown & !valid)
  }
  part[!refused] <- enc2utf8(part[!refused])
  refused <- refused | !validUTF8(part)
  if (any(refused)) {
    at <- odd[which(refused)[1L]]
    espalier_abort(
      "bad_argument",
      sprintf("Can't use `%s`: it has text that is neither UTF-8 nor marked with its encoding%s: %s", arg,
              if (length(x) > 1L) sprintf(" (element %d)", at) else "", escape_bytes(x[at])),
      "Convert it: iconv(x, \"latin1\", \"UTF-8\").",
      argument = arg
    )
  }
  x[odd] <- part
  x
}

#' The beginning of a string with every byte that is not printable ASCII as `\xhh`
#' @noRd
escape_bytes <- function(x) {
  bytes <- charToRaw(x)
  bytes <- bytes[seq_len(min(40L, length(bytes)))]
  plain <- bytes >= as.raw(0x20) & bytes < as.raw(0x7f)
  out <- sprintf("\\x%02x", as.integer(bytes))
  out[plain] <- strsplit(rawToChar(bytes[plain]), "")[[1L]]
  paste(out, collapse = "")
}

#' JSON strings, one an element; no NA
#' @noRd
json_string <- function(x, arg = "x") {
  if (!length(x)) return(character())
  if (anyNA(x)) espalier_abort("internal", sprintf("`%s` must not be NA.", arg))
  special <- grepl("[^ !#-\\[\\]-~]", x, perl = TRUE, useBytes = TRUE)
  if (any(special)) {
    x <- to_utf8(x, arg)
    x[special] <- json_escape(x[special])
  }
  paste0("\"", x, "\"")
}

json_escape <- function(x) {
  x <- gsub("\\", "\\\\", x, fixed = TRUE)
  x <- gsub("\"", "\\\"", x, fixed = TRUE)
  if (!any(grepl("[\\x01-\\x1f]", x, perl = TRUE, useBytes = TRUE))) return(x)
  short <- c(`8` = "\\b", `9` = "\\t", `10` = "\\n", `12` = "\\f", `13` = "\\r")
  for (code in 1:31) {
    to <- short[as.character(code)]
    if (is.na(to)) to <- sprintf("\\u%04x", code)
    x <- gsub(rawToChar(as.raw(code)), to, x, fixed = TRUE)
  }
  x
}

#' Values of docs/protocol.md, one an element of a plain atomic vector
#' @noRd
json_value <- function(x, arg = "x") {
  if (!length(x)) return(character())
  switch(typeof(x),
    double = json_double(x),
    integer = {
      out <- sprintf("%d", x)
      if (anyNA(x)) out[is.na(x)] <- "\"!NA\""
      out
    },
    logical = {
      out <- rep_len("false", length(x))
      out[which(x)] <- "true"
      out[is.na(x)] <- "\"!NA\""
      out
    },
    character = {
      missing <- is.na(x)
      tagged <- which(!missing & startsWith(x, "!"))
      x[tagged] <- paste0("!", x[tagged])
      x[missing] <- "!NA"
      json_string(x, arg)
    },
    abort_argument(arg, "numeric, logical or character", x)
  )
}

json_double <- function(x) {
  x <- as.double(x)
  if (length(x) == 1L) return(json_double_scalar(x))
  out <- character(length(x))
  finite <- is.finite(x)
  if (!all(finite)) {
    out[!finite] <- "\"!NaN\""
    out[is.na(x) & !is.nan(x)] <- "\"!NA\""
    out[which(x == Inf)] <- "\"!Inf\""
    out[which(x == -Inf)] <- "\"!-Inf\""
  }
  # (finite & short) whole numbers need no search for the shortest form
  whole <- finite & abs(x) < 1e15 & x == trunc(x)
  out[whole] <- sprintf("%.0f", x[whole])
  zero <- which(whole & x == 0)
  if (length(zero)) out[zero] <- ifelse(1 / x[zero] < 0, "-0.0", "0")
  rest <- which(finite & !whole)
  if (length(rest)) out[rest] <- shortest_decimal(x[rest])
  out
}

#' The same for one number, without the cost of vectors: what every logged metric goes through.
#' For the idea see shortest_decimal()
#' @noRd
json_double_scalar <- function(x) {
  if (!is.finite(x)) {
    if (is.nan(x)) return("\"!NaN\"")
    if (is.na(x)) return("\"!NA\"")
    return(if (x > 0) "\"!Inf\"" else "\"!-Inf\"")
  }
  if (x == trunc(x) && abs(x) < 1e15) {
    if (x != 0) return(sprintf("%.0f", x))
    return(if (1 / x < 0) "-0.0" else "0")
  }
  size <- abs(x)
  exact <- sprintf("%.24e", size)
  # (a script may have set LC_NUMERIC; tiny numbers have no half distance to compare with)
  if (substr(exact, 2L, 2L) != "." || size < 1e-290) return(shortest_decimal(x))
  scale <- 10^(as.integer(substr(exact, 28L, 32L)) - 14L)
  limit <- 0.999 * 2^(floor(log2(size) - 1e-9) - 53)
  tail <- as.double(substr(exact, 17L, 26L)) / 1e10
  if ((0.5 - abs(tail - 0.5)) * scale < limit) return(sprintf("%.15g", x))
  tail <- (tail * 10) %% 1
  if ((0.5 - abs(tail - 0.5)) * scale < 10 * limit) sprintf("%.16g", x) else sprintf("%.17g", x)
}

#' The shortest of 15, 16 or 17 digits that a correct parser reads back to the same double
#'
#' R's own parser is not always correct in the last bit, so nothing is read back: the digits after
#' the 15th (16th) say how far the rounded decimal lies from x, and half the distance to the next
#' double says how far it may. Near the limit the longer form is taken.
#' @noRd
shortest_decimal <- function(x) {
  exact <- decimal_point(sprintf("%.24e", abs(x)))
  exponent <- as.integer(substring(exact, 28L))
  half_ulp <- 2^(floor(log2(abs(x)) - 1e-9) - 53)
  out <- sprintf("%.17g", x)
  for (digits in 16:15) {
    tail <- as.double(substr(exact, digits + 2L, 26L)) / 10^(25L - digits)
    off <- (0.5 - abs(tail - 0.5)) * 10^(exponent - digits + 1)
    near <- which(off < 0.999 * half_ulp & abs(x) > 1e-290)
    if (length(near)) out[near] <- sprintf(if (digits == 16L) "%.16g" else "%.15g", x[near])
  }
  decimal_point(out)
}

#' sprintf() follows LC_NUMERIC if a script sets it; JSON does not
#' @noRd
decimal_point <- function(text) {
  if (is_point_decimal()) return(text)
  half <- sprintf("%.1f", 0.5)
  gsub(substr(half, 2L, nchar(half) - 1L), ".", text, fixed = TRUE)
}

# (always, but after Sys.setlocale("LC_NUMERIC", ...))
is_point_decimal <- function() sprintf("%.1f", 0.5) == "0.5"

#' A JSON array of fragments
#' @noRd
json_array <- function(fragments) {
  paste0("[", paste(fragments, collapse = ","), "]")
}

#' A JSON object from a named list (or vector) of fragments; NULL elements are left out
#' @noRd
json_object <- function(fragments) {
  fragments <- fragments[lengths(fragments) > 0L]
  if (!length(fragments)) return("{}")
  keys <- json_string(names(fragments), "names")
  paste0("{", paste0(keys, ":", unlist(fragments, use.names = FALSE), collapse = ","), "}")
}

#' JSON of plain nested lists: what is sent to the core
#'
#' A named list becomes an object, an unnamed one an array; an atomic vector of length 1 a value,
#' any other (or one in `I()`) an array of values; NULL becomes null; a factor is its strings. Whole doubles are
#' written with a point (`200.0`), integers without. What is JSON already, of class `espalier_json`, stays as it is.
#' @param path Where we are, for the error message.
#' @noRd
json_encode <- function(x, path = "x") {
  if (is.null(x)) return("null")
  if (inherits(x, "espalier_json")) return(as.vector(x))
  boxed <- inherits(x, "AsIs")
  if (boxed) oldClass(x) <- oldClass(x)[oldClass(x) != "AsIs"]
  if (is.factor(x)) x <- as.character(x)
  if (is.object(x) || !(is.list(x) || typeof(x) %in% c("double", "integer", "logical", "character"))) {
    abort_argument(path, "made of lists, numbers, strings, logicals and NULL", x)
  }
  if (!is.list(x)) {
    values <- json_value(as.vector(x), path)
    # (no kind is written beside them here: a double must not look like an integer)
    if (is.double(x)) values <- sub("^(-?[0-9]+)$", "\\1.0", values)
    return(if (length(x) == 1L && !boxed) values else json_array(values))
  }
  keys <- names(x)
  if (is.null(keys)) {
    return(json_array(vapply(seq_along(x), function(i) {
      json_encode(x[[i]], sprintf("%s[[%d]]", path, i))
    }, "")))
  }
  if (anyNA(keys) || !all(nzchar(keys)) || anyDuplicated(keys)) {
    espalier_abort("bad_argument", sprintf("The elements of `%s` must all be named, each name once.", path),
                   argument = path)
  }
  fragments <- vapply(seq_along(x), function(i) json_encode(x[[i]], paste0(path, "$", keys[i])), "")
  paste0("{", paste0(json_string(keys, path), ":", fragments, recycle0 = TRUE, collapse = ","), "}")
}
