# Data frames, vectors and nested lists on their way to Python and back: the part of marshalling that goes by memory,
# not by text. What crosses exactly, and how Python sees it, is the table in docs/data-between-r-and-python.md.

# ---- arguments -------------------------------------------------------------------------------------

#' A data frame
#' @noRd
arg_frame <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  x <- plain_table(x)
  if (!is.data.frame(x)) abort_argument(arg, "a data frame", x)
  data_leaf(x, arg)
}

#' Any data: a data frame, a vector, or nested lists of these
#'
#' A list is a list or, with names, a dict in Python; everything else crosses as data.
#' @noRd
arg_data <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  x <- plain_table(x)
  if (is.null(x)) return(NULL)
  if (!is_nesting(x)) return(data_leaf(x, arg))
  odd <- setdiff(names(attributes(x)), "names")
  if (length(odd)) {
    abort_unsupported(sprintf("a list with the attribute%s %s; unclass() and attributes(x) <- NULL drop them",
                              if (length(odd) > 1L) "s" else "", paste(odd, collapse = ", ")), arg)
  }
  keys <- names(x)
  if (!is.null(keys)) {
    check_names_once(keys, arg)
    items <- lapply(keys, function(key) arg_data(x[[key]], paste0(arg, "$", key)))
    return(list(names = I(as.list(keys)), list = items))
  }
  list(list = lapply(seq_along(x), function(i) arg_data(x[[i]], sprintf("%s[[%d]]", arg, i))))
}

#' Whether this is a list of things, not one thing
#' @noRd
is_nesting <- function(x) is.list(x) && !is.data.frame(x) && !inherits(x, "POSIXlt")

#' The addresses of what was exported as JSON, schema and array; the parcel hangs on them, so that it lives as long as
#' the request
#' @noRd
data_leaf <- function(x, arg) {
  parcel <- road_export(x, arg)
  addresses <- road_addresses(parcel)
  leaf <- paste0("{\"table\":[\"", addresses[1L], "\",\"", addresses[2L], "\"]}")
  attributes(leaf) <- list(class = "espalier_json", parcel = parcel)
  leaf
}

#' Tables of R's arrow and nanoarrow as data frames, by their own methods
#' @noRd
plain_table <- function(x) {
  foreign <- c("ArrowTabular", "RecordBatchReader", "nanoarrow_array", "nanoarrow_array_stream")
  if (inherits(x, foreign)) as.data.frame(x) else x
}

# ---- results ---------------------------------------------------------------------------------------

#' A frame of the core
#' @noRd
result_frame <- function(x) {
  if (is.null(x)) NULL else if (is.null(x$columns)) road_import(unlist(x$table)) else columns_frame(x$columns)
}

#' A frame as the runner of a job writes it: columns with their kinds
#' @noRd
columns_frame <- function(columns) {
  values <- lapply(columns, function(column) {
    value <- decode_column(column$values, column$kind)
    # (json_parse() gives every number as a double)
    small <- column$kind == "integer" && all(abs(value) <= .Machine$integer.max, na.rm = TRUE)
    if (small) as.integer(value) else value
  })
  names(values) <- vapply(columns, function(column) column$name, "")
  rows <- if (length(values)) length(values[[1L]]) else 0L
  structure(values, class = "data.frame", row.names = .set_row_names(rows))
}

#' Any data that Python returned
#' @noRd
result_data <- function(x) {
  if (is.null(x)) return(NULL)
  if (!is.null(x$list)) {
    items <- lapply(x$list, result_data)
    if (!is.null(x$names)) names(items) <- vapply(x$names, identity, "")
    return(items)
  }
  if (is.null(x$table)) return(result_scalar(x$value))
  data <- road_import(unlist(x$table))
  if (identical(x$shape, "vector") && is.data.frame(data) && length(data) == 1L) data <- data[[1L]]
  if (!is.null(x$dim)) dim(data) <- unlist(x$dim)
  data
}
