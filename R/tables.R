# Data frames with a class of ours print themselves. What users make of them (filters, new columns, a part of the
# columns) is printed as it is, under its real names.

#' A result of the core as a data frame that prints itself
#'
#' @param class Its class.
#' @param ... Attributes.
#' @noRd
returned_table <- function(frame, class, ...) {
  structure(frame, class = c(class, "data.frame"), returned_rows = nrow(frame), returned_columns = names(frame), ...)
}

#' Whether a table has the columns it was returned with, and rows, unless it never had any
#' @noRd
is_as_returned <- function(x, columns) {
  setequal(names(x), columns) && !anyDuplicated(names(x)) && (nrow(x) > 0L || was_empty(x))
}

was_empty <- function(x) identical(attr(x, "returned_rows"), 0L)

#' Columns that a user chose: those added to a table that has all it was returned with, else each of a part of them
#' @noRd
chosen_columns <- function(x, returned) if (all(returned %in% names(x))) setdiff(names(x), returned) else names(x)

#' Print rows as any data frame's, the columns that fit side by side, and name the others
#'
#' @param n Of how many rows at most.
#' @param aside Names of further columns that aren't in `x`.
#' @param first,last,always See `fitted_columns()`.
#' @noRd
print_plain <- function(x, n = Inf, ..., right = FALSE, row.names = is.character(attr(x, "row.names")), aside = character(),
                        first = character(), last = character(), always = character()) {
  x <- utils::head(drop_table_class(x), n)
  fitted <- fitted_columns(x, row.names, first, last, always)
  # (row names that a user gave are shown; ours are only numbers)
  print.data.frame(fitted$shown, right = right, row.names = row.names, ...)
  more <- more_columns_text(c(fitted$more, aside))
  if (length(more)) cat(strwrap(more, getOption("width"), exdent = 2L), sep = "\n")
  invisible(x)
}

#' The columns that are shown, and the names of the others
#'
#' @param first Names of the columns that come first where not all fit.
#' @param last Names of the columns that come last where not all fit, in this order.
#' @param always Names of the columns that are shown even if rows wrap.
#' @noRd
fitted_columns <- function(x, row.names, first = character(), last = character(), always = character()) {
  always <- names(x) %in% always
  fit <- columns_that_fit(x, row.names, always)
  if (length(c(first, last)) && !all(fit)) {
    order <- order(match(names(x), first, nomatch = length(first) + 1L), match(names(x), last, nomatch = 0L))
    x <- x[order]
    always <- always[order]
    fit <- columns_that_fit(x, row.names, always)
  }
  shown <- x[fit]
  names(shown) <- names(x)[fit] # (of equal names all are kept)
  list(shown = shown, more = names(x)[!fit])
}

#' Which columns aren't shown, in words; nothing where all are
#' @noRd
more_columns_text <- function(names) {
  if (length(names)) sprintf("... and %d more column%s: %s", length(names), if (length(names) > 1L) "s" else "", toString(names))
}

#' Which columns are shown: those of `always`, and from the first as many as fit into the console beside them; one at least
#' @noRd
columns_that_fit <- function(x, row.names, always = rep(FALSE, length(x))) {
  if (!nrow(x) || !length(x)) return(rep(TRUE, length(x)))
  widths <- vapply(seq_along(x), function(i) width_of_column(x[i]), 0L) + 1L
  beside <- sum(widths[always]) + if (isFALSE(row.names)) 0L else max(nchar(rownames(x), "width"))
  # (R wraps a table that is as wide as the console)
  fit <- always | beside + cumsum(widths * !always) < getOption("width")
  fit[1L] <- fit[1L] || !any(fit)
  fit
}

# (a column that is a matrix or a data frame is as wide as its own columns together)
width_of_column <- function(x) {
  cells <- as.matrix(format.data.frame(x, na.encode = FALSE))
  cells[is.na(cells)] <- "<NA>"
  names <- if (ncol(cells) == 1L) names(x) else colnames(cells)
  widths <- vapply(seq_len(ncol(cells)), function(i) max(nchar(c(names[i], cells[, i]), "width")), 0L)
  sum(widths) + max(length(widths) - 1L, 0L)
}

#' Numbers as text, with as many digits as tell different ones apart, and whole ones in full (15 digits at most)
#' @noRd
format_numbers <- function(x, digits = getOption("digits"), ...) {
  values <- unique(x[is.finite(x)])
  whole <- values[values == trunc(values) & abs(values) < 1e15]
  enough <- function(digits) !anyDuplicated(signif(values, digits)) && all(signif(whole, digits) == whole)
  while (digits < 15L && !enough(digits)) digits <- digits + 1L
  # (to a reader 5000000.25 isn't 5e+06)
  are_large <- all(abs(values[values != 0]) >= 1e-4)
  format(x, digits = digits, scientific = max(getOption("scipen"), 5L * are_large), ...)
}

drop_table_class <- function(x) {
  class(x) <- "data.frame"
  attr(x, "returned_rows") <- attr(x, "returned_columns") <- attr(x, "asked") <- NULL
  x
}
