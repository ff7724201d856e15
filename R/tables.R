# Data frames with a class of ours print themselves. What users make of them (filters, new columns, a part of the
# columns) is printed as it is, under its real names.

#' A result of the core as a data frame that prints itself
#'
#' @param class Its class.
#' @param ... Attributes.
#' @noRd
returned_table <- function(frame, class, ...) {
  structure(frame, class = c(class, "data.frame"), returned_rows = nrow(frame), ...)
}

#' Whether a table has the columns it was returned with, and rows, unless it never had any
#' @noRd
is_as_returned <- function(x, columns) {
  setequal(names(x), columns) && !anyDuplicated(names(x)) && (nrow(x) > 0L || was_empty(x))
}

was_empty <- function(x) identical(attr(x, "returned_rows"), 0L)

#' Print rows as any data frame's, the columns that fit side by side, and name the others
#'
#' @param n Of how many rows at most.
#' @param aside Names of further columns that aren't in `x`.
#' @param first Names of the columns that come first where not all fit.
#' @noRd
print_plain <- function(x, n = Inf, ..., right = FALSE, row.names = is.character(attr(x, "row.names")), aside = character(),
                        first = character()) {
  x <- utils::head(drop_table_class(x), n)
  if (length(first) && columns_that_fit(x, row.names) < length(x)) {
    x <- x[order(match(names(x), first, nomatch = length(first) + 1L))]
  }
  fit <- seq_len(columns_that_fit(x, row.names))
  shown <- x[fit]
  names(shown) <- names(x)[fit] # (of equal names all are kept)
  # (row names that somebody gave are shown; ours are only numbers)
  print.data.frame(shown, right = right, row.names = row.names, ...)
  more <- c(setdiff(seq_along(x), fit), length(x) + seq_along(aside))
  if (!length(more)) return(invisible(x))
  text <- sprintf("... and %d more column%s: %s", length(more), if (length(more) > 1L) "s" else "", toString(c(names(x), aside)[more]))
  cat(strwrap(text, getOption("width"), exdent = 2L), sep = "\n")
  invisible(x)
}

#' How many columns, from the first, fit into the width of the console; one at least
#' @noRd
columns_that_fit <- function(x, row.names) {
  if (!nrow(x) || !length(x)) return(length(x))
  cells <- as.matrix(format.data.frame(x, na.encode = FALSE))
  cells[is.na(cells)] <- "<NA>"
  widths <- vapply(seq_along(x), function(i) max(nchar(c(names(x)[i], cells[, i]), "width")), 0L)
  first <- if (isFALSE(row.names)) 0L else max(nchar(rownames(x), "width"))
  # (R wraps a table that is as wide as the console)
  max(1L, sum(first + cumsum(widths + 1L) < getOption("width")))
}

drop_table_class <- function(x) {
  class(x) <- "data.frame"
  attr(x, "returned_rows") <- NULL
  x
}
