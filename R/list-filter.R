# Filters of list_runs(): an expression of R as text of the core's filter language. Names of columns stay names, and
# everything else is evaluated where the caller is, and becomes a value: no variable's content is read as a filter.

#' A filter as the core takes it; `NULL` for none
#'
#' @param expression What the caller wrote.
#' @param env Where its variables are.
#' @noRd
filter_text <- function(expression, env) {
  if (is.null(expression)) return(NULL)
  if (is_filter_call(expression) || !is.null(filter_field(expression))) return(filter_condition(expression, env))
  text <- eval(expression, env)
  if (is.null(text) || is_string(text)) return(text)
  abort_argument("filter", "a condition such as metrics.auc > 0.8, or its text", text)
}

.filter_signs <- c("==" = "=", "!=" = "!=", "<" = "<", "<=" = "<=", ">" = ">", ">=" = ">=")
.filter_flipped <- c("==" = "==", "!=" = "!=", "<" = ">", "<=" = ">=", ">" = "<", ">=" = "<=")
.filter_words <- c("&" = "AND", "&&" = "AND", "|" = "OR", "||" = "OR")
.filter_groups <- c("metrics", "metric", "params", "param", "parameters", "parameter", "tags", "tag", "properties",
                    "property", "attributes", "attribute", "attr", "run")

called_name <- function(x) if (is.call(x) && is.name(x[[1L]])) as.character(x[[1L]]) else ""

is_filter_call <- function(x) {
  called_name(x) %in% c(names(.filter_signs), names(.filter_words), "!", "(", "%in%", "is.na", "grepl", "startsWith", "endsWith")
}

filter_condition <- function(x, env) {
  name <- called_name(x)
  if (name == "(") return(sprintf("(%s)", filter_condition(x[[2L]], env)))
  if (name == "!") return(sprintf("NOT (%s)", filter_condition(x[[2L]], env)))
  if (name %in% names(.filter_words)) {
    parts <- vapply(as.list(x)[-1L], filter_condition, "", env = env)
    return(sprintf("(%s)", paste(parts, collapse = sprintf(" %s ", .filter_words[[name]]))))
  }
  if (name %in% names(.filter_signs)) return(filter_comparison(x, env))
  field <- filter_field(x)
  if (!is.null(field)) return(paste(field, "= true"))
  switch(name,
    "%in%" = filter_in(x, env),
    is.na = paste(filter_column(x[[2L]], x), "IS NULL"),
    grepl = filter_grepl(match.call(grepl, x), env),
    startsWith = filter_like(x[[2L]], x[[3L]], "", "%", x, env),
    endsWith = filter_like(x[[2L]], x[[3L]], "%", "", x, env),
    abort_filter(x, "this can't be translated", "Use &, |, !, ==, !=, <, <=, >, >=, %in%, is.na(), grepl(fixed = TRUE), startsWith() and endsWith().")
  )
}

filter_comparison <- function(x, env) {
  sign <- called_name(x)
  if (length(x) != 3L) abort_filter(x, "this can't be translated")
  left <- x[[2L]]
  right <- x[[3L]]
  if (is.null(filter_field(left)) && !is.null(filter_field(right))) {
    sign <- .filter_flipped[[sign]]
    left <- x[[3L]]
    right <- x[[2L]]
  }
  value <- filter_value(right, x, env)
  if (length(value) != 1L) abort_filter(x, sprintf("a column is compared with one value, not %d", length(value)), "Use %in% for several.")
  if (is.na(value)) abort_filter(x, "nothing is equal to NA", "Use is.na().")
  paste(filter_column(left, x), .filter_signs[[sign]], value)
}

filter_in <- function(x, env) {
  field <- filter_column(x[[2L]], x)
  values <- unique(filter_value(x[[3L]], x, env))
  known <- values[!is.na(values)]
  parts <- c(
    if (length(known)) sprintf("%s IN (%s)", field, paste(known, collapse = ", ")),
    if (anyNA(values)) paste(field, "IS NULL")
  )
  if (length(parts)) sprintf("(%s)", paste(parts, collapse = " OR ")) else "run_id IS NULL"
}

filter_grepl <- function(x, env) {
  fixed <- isTRUE(eval(x$fixed, env))
  pattern <- eval(x$pattern, env)
  if (!fixed && is_string(pattern) && grepl("[][\\\\.^$*+?(){}|]", pattern)) {
    abort_filter(x, "regular expressions aren't supported", "Use grepl(fixed = TRUE), startsWith() or endsWith().")
  }
  filter_like(x$x, x$pattern, "%", "%", x, env, if (isTRUE(eval(x$ignore.case, env))) "ILIKE" else "LIKE")
}

filter_like <- function(field, pattern, before, after, whole, env, word = "LIKE") {
  text <- eval(pattern, env)
  if (!is_string(text)) abort_filter(whole, "the pattern must be one string")
  text <- gsub("([\\\\%_])", "\\\\\\1", enc2utf8(text))
  paste(filter_column(field, whole), word, filter_literal(paste0(before, text, after), whole))
}

#' A column as the core takes it; `NULL` for what is none
#'
#' `metrics.AUC`, `metrics$AUC`, `metrics[["AUC"]]`, `metric_AUC`, `status`.
#' @noRd
filter_field <- function(x) {
  if (called_name(x) %in% c("$", "[[") && length(x) == 3L && is.name(x[[2L]]) && as.character(x[[2L]]) %in% .filter_groups) {
    key <- x[[3L]]
    if (is.name(key) && called_name(x) == "$") key <- as.character(key)
    return(if (is_string(key)) filter_key(as.character(x[[2L]]), key))
  }
  if (!is.name(x)) return(NULL)
  name <- as.character(x)
  group <- sub("[.].*", "", name)
  if (group != name && group %in% .filter_groups) return(filter_key(group, substr(name, nchar(group) + 2L, nchar(name))))
  if (name %in% .run_columns || grepl("^(metric|param|tag)_.", name)) filter_quoted(name)
}

filter_key <- function(group, key) paste0(group, ".", filter_quoted(key))

filter_quoted <- function(name) sprintf("`%s`", gsub("`", "``", enc2utf8(name), fixed = TRUE))

filter_column <- function(x, whole) {
  field <- filter_field(x)
  if (!is.null(field)) return(field)
  # the core knows the nearest name
  if (is.name(x)) return(filter_quoted(as.character(x)))
  abort_filter(whole, sprintf("%s isn't a column", deparse1(x)), "Write metrics.NAME, params.NAME, tags.NAME, or a column of list_runs().")
}

#' The values that an expression has where the caller is, as the core reads them; `NA` stays
#' @noRd
filter_value <- function(x, whole, env) {
  value <- tryCatch(eval(x, env), error = function(e) {
    if (!is.null(filter_field(x))) abort_filter(whole, "two columns can't be compared")
    abort_filter(whole, conditionMessage(e))
  })
  filter_literal(value, whole)
}

filter_literal <- function(value, whole) {
  if (is.factor(value)) value <- as.character(value)
  if (inherits(value, "POSIXlt")) value <- as.POSIXct(value)
  if (inherits(value, "POSIXct")) value <- as.numeric(value) # (seconds since 1970, exact)
  if (inherits(value, "Date")) value <- format(value)
  if (is.object(value) || !(is.character(value) || is.numeric(value) || is.logical(value))) {
    abort_filter(whole, sprintf("a column can't be compared with %s", describe_value(value)))
  }
  missing <- is.na(value)
  text <- if (is.character(value)) {
    value <- enc2utf8(value)
    if (!all(validUTF8(value[!missing]))) abort_filter(whole, "the text isn't valid UTF-8")
    sprintf("'%s'", gsub("'", "''", value, fixed = TRUE))
  } else if (is.logical(value)) {
    tolower(as.character(value))
  } else {
    ifelse(is.infinite(value), ifelse(value > 0, "1e999", "-1e999"), sprintf("%.17g", value))
  }
  text[missing] <- NA_character_
  text
}

abort_filter <- function(piece, problem, hint = NULL) {
  shown <- paste(deparse(piece, width.cutoff = 60L, nlines = 2L), collapse = " ")
  espalier_abort("bad_filter", c(sprintf("Can't filter the runs: %s.", problem), paste("At:", shown)), hint, piece = shown)
}

#' What to sort by as the core takes it: each a column, `-` before it for the largest first
#' @noRd
order_text <- function(sort) {
  if (is.null(sort)) return(NULL)
  if (!is.character(sort) || anyNA(sort)) abort_argument("sort", "names of columns, with `-` before those to sort from the largest", sort)
  as.list(vapply(sort, function(entry) {
    name <- sub("^-", "", entry)
    field <- if (!grepl("[`\"]|[ ]+(asc|desc)$", name, ignore.case = TRUE)) filter_field(as.name(if (nzchar(name)) name else " "))
    if (is.null(field)) entry else paste0(if (startsWith(entry, "-")) "-", field)
  }, "", USE.NAMES = FALSE))
}
