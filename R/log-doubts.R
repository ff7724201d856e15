# What is logged in place of what cannot be logged. Inside a run no value ends the script: it becomes text or is left
# out, with one warning a kind. Outside a run, where scripts are written, the same value is an error. Base R only.

#' What code gives; where it refuses what a script logs, something else
#'
#' @param run As the log functions have it.
#' @param what Kind of the doubt: it is warned about once.
#' @param code Refuses by `bad_argument` or `bad_name`.
#' @param instead Evaluated where it does.
#' @noRd
or_else <- function(run, what, code, instead) {
  doubt <- function(e) {
    dir <- log_dir(run)
    if (is.null(dir)) stop(e)
    # (to a run that has ended nothing is logged, whatever it is)
    if (is.null(log_folder(dir))) return(instead)
    warn_of_doubt(what, conditionMessage(e))
    instead
  }
  tryCatch(code, espalier_error_bad_argument = doubt, espalier_error_bad_name = doubt)
}

warn_of_doubt <- function(what, message) {
  if (!first_time(paste0("not_logged_", what))) return(invisible())
  espalier_warn_gently(
    paste0(message, "\nThe script goes on. What can't be recorded as it is becomes text or is left out."),
    "espalier_warning_not_logged"
  )
}

#' As check_label(), but names are put right
#' @noRd
log_label <- function(name, run, arg = "name") {
  json <- known_label(name)
  if (is.null(json)) or_else(run, arg, check_label(name, arg), check_label(as_label(name), arg)) else json
}

#' Any value as one string that is not too long
#' @noRd
as_text <- function(x) {
  text <- tryCatch({
    text <- if (is.object(x) && is.atomic(x)) format(x) else if (is.atomic(x)) as.character(x) else deparse(x, nlines = 20L)
    text <- iconv(enc2utf8(paste(text, collapse = " ")), "UTF-8", "UTF-8", sub = "byte")
    substr(text, 1L, 2700L)
  }, error = function(e) NA_character_)
  if (is_string(text)) text else paste(class(x), collapse = "/")
}

as_texts <- function(x) {
  vapply(tryCatch(as.list(x), error = function(e) list(x)), as_text, "", USE.NAMES = FALSE)
}

#' A name of 1 to 255 characters without control characters
#' @noRd
as_label <- function(x) {
  text <- substr(gsub("[[:cntrl:]]", "?", as_text(x)), 1L, 255L)
  if (nzchar(text)) text else "unnamed"
}

#' Named columns of one length from anything given for a table
#' @noRd
as_columns <- function(x) {
  x <- if (is.list(x) && (!is.object(x) || is.data.frame(x))) as.list(x) else list(value = x)
  columns <- lapply(x, function(column) {
    tryCatch({
      plain <- plain_values(if (length(dim(column)) > 1L) as.vector(column) else column, "value")
      json_value(plain)
      plain
    }, error = function(e) as_texts(column))
  })
  height <- max(0L, lengths(columns))
  columns <- lapply(columns, function(column) {
    length(column) <- height
    column
  })
  names(columns) <- as_labels(x)
  columns
}

#' Names that differ, of anything given as a list
#' @noRd
as_labels <- function(x, taken = character()) {
  given <- names(x)
  if (is.null(given)) given <- character(length(x))
  labels <- vapply(given, as_label, "", USE.NAMES = FALSE)
  labels <- paste0(labels, ifelse(labels %in% taken, "_", ""))
  make.unique(substr(labels, 1L, 250L), "_")
}

#' A list of single values from anything given
#' @noRd
as_values <- function(x, taken = character()) {
  values <- lapply(as.list(x), function(value) {
    tryCatch({
      plain <- plain_value(value, "value")
      if (is.character(plain)) json_metric_string(plain)
      plain
    }, error = function(e) as_text(value))
  })
  names(values) <- as_labels(x, taken)
  values
}
