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
  text <- tryCatch(eval(expression, env), error = function(e) abort_untranslated(expression, conditionMessage(e)))
  if (is.null(text) || is_string(text)) return(text)
  # (what a variable holds is never read as code)
  hint <- if (is.language(text)) "A condition in a variable: do.call(list_runs, list(ws, condition))."
  abort_argument("filter", "a condition such as metrics.auc > 0.8, or its text", text, hint)
}

.filter_hint <- "Use &, |, !, ==, !=, <, <=, >, >=, %in%, is.na(), grepl(fixed = TRUE), startsWith() and endsWith()."

# What is written instead of some calls of R.
.filter_instead <- list(
  max = "Write max(metrics.NAME) > 0.8, or best_run(ws, \"NAME\") for the run with the largest value.",
  min = "Write min(metrics.NAME) < 0.1, or best_run(ws, \"NAME\", maximize = FALSE) for the run with the smallest value.",
  mean = "Of a metric there are first(), last(), min() and max().", median = "Of a metric there are first(), last(), min() and max().",
  xor = "Write (a | b) & !(a & b).",
  between = "Write x >= low & x <= high.",
  is.null = "Use is.na().", is.nan = "Use is.na().", isTRUE = "Write x == TRUE.", isFALSE = "Write x == FALSE.",
  grep = "Use grepl(fixed = TRUE), startsWith() or endsWith().", regexpr = "Use grepl(fixed = TRUE), startsWith() or endsWith().",
  match = "Use %in%.", identical = "Use ==."
)

#' Refuse what is neither a condition nor a text; it may still be about columns
#' @param problem R's message about it.
#' @noRd
abort_untranslated <- function(x, problem) {
  fields <- vapply(all.vars(x), function(name) name %in% .filter_groups || !is.null(filter_field(as.name(name))), NA)
  abort_filter(x, if (any(fields)) "this can't be translated" else problem, .filter_instead[[name_of_function(x)]] %||% .filter_hint)
}

.filter_signs <- c("==" = "=", "!=" = "!=", "<" = "<", "<=" = "<=", ">" = ">", ">=" = ">=")
.filter_flipped <- c("==" = "==", "!=" = "!=", "<" = ">", "<=" = ">=", ">" = "<", ">=" = "<=")
.filter_words <- c("&" = "AND", "&&" = "AND", "|" = "OR", "||" = "OR")
.filter_statistics <- c("first", "last", "min", "max")
.statistic_column <- sprintf("^(%s)\\((.+)\\)$", paste(.filter_statistics, collapse = "|"))
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
    parts <- vapply(joined_conditions(x, .filter_words[[name]]), filter_condition, "", env = env)
    return(sprintf("(%s)", paste(parts, collapse = sprintf(" %s ", .filter_words[[name]]))))
  }
  if (name %in% names(.filter_signs)) return(filter_comparison(x, env))
  field <- filter_field(x)
  if (!is.null(field) && !name %in% .filter_statistics) return(paste(field, "= true"))
  switch(name,
    "%in%" = filter_in(x, env),
    is.na = paste(filter_column(x[[2L]], x), "IS NULL"),
    grepl = filter_grepl(match.call(grepl, x), env),
    startsWith = filter_affix(match.call(function(x, prefix) NULL, x), "prefix", env),
    endsWith = filter_affix(match.call(function(x, suffix) NULL, x), "suffix", env),
    abort_untranslated(x, "this can't be translated")
  )
}

#' The conditions of a chain `a & b & c`. R nests one in another, and the core takes no more than 50 levels
#' @noRd
joined_conditions <- function(x, word) {
  found <- list()
  repeat {
    chain <- without_parentheses(x)
    if (!is_joined(chain, word)) return(c(list(x), found))
    last <- chain[[3L]]
    found <- c(if (is_joined(without_parentheses(last), word)) joined_conditions(last, word) else list(last), found)
    x <- chain[[2L]]
  }
}

without_parentheses <- function(x) {
  while (called_name(x) == "(") x <- x[[2L]]
  x
}

is_joined <- function(x, word) length(x) == 3L && identical(unname(.filter_words[called_name(x)]), word)

#' The function of a call without its package; "" where it isn't a name
#' @noRd
name_of_function <- function(x) if (is.call(x)) sub(".*::", "", deparse1(x[[1L]])) else ""

filter_affix <- function(x, which, env) {
  if (is.null(filter_field(x$x)) && !is.null(filter_field(x[[which]]))) {
    abort_filter(x, "the column comes first", sprintf("Write %s(%s, %s).", called_name(x), deparse1(x[[which]]), deparse1(x$x)))
  }
  if (which == "prefix") filter_like(x$x, x[[which]], "", "%", x, env) else filter_like(x$x, x[[which]], "%", "", x, env)
}

filter_comparison <- function(x, env) {
  sign <- called_name(x)
  if (length(x) != 3L) abort_filter(x, "this can't be translated", .filter_hint)
  left <- x[[2L]]
  right <- x[[3L]]
  # (a name that isn't a column is one to the core, which knows what is near)
  if (is.null(filter_field(left)) && (!is.null(filter_field(right)) || !is.name(left) && is.name(right))) {
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
  if (is.null(filter_field(x[[2L]])) && !is.null(filter_field(x[[3L]]))) {
    abort_filter(x, "the column comes first", sprintf("Write %s %%in%% %s.", deparse1(x[[3L]]), deparse1(x[[2L]])))
  }
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
  fixed <- isTRUE(filter_eval(x$fixed, x, env))
  pattern <- filter_eval(x$pattern, x, env)
  if (!fixed && is_string(pattern) && grepl("[][\\\\.^$*+?(){}|]", pattern)) {
    abort_filter(x, "regular expressions aren't supported", "Use grepl(fixed = TRUE), startsWith() or endsWith().")
  }
  filter_like(x$x, x$pattern, "%", "%", x, env, if (isTRUE(filter_eval(x$ignore.case, x, env))) "ILIKE" else "LIKE")
}

filter_like <- function(field, pattern, before, after, whole, env, word = "LIKE") {
  text <- filter_eval(pattern, whole, env)
  if (!is_string(text)) abort_filter(whole, "the pattern must be one string")
  text <- gsub("([\\\\%_])", "\\\\\\1", enc2utf8(text))
  paste(filter_column(field, whole), word, filter_literal(paste0(before, text, after), whole))
}

#' A column as the core takes it; `NULL` for what is none
#'
#' `metrics.AUC`, `metrics$AUC`, `metrics[["AUC"]]`, `metric_AUC`, `status`; `min(metrics.AUC)`.
#' @noRd
filter_field <- function(x) {
  if (called_name(x) %in% .filter_statistics && length(x) == 2L) {
    field <- filter_field(x[[2L]])
    return(if (!is.null(field)) sprintf("%s(%s)", called_name(x), field))
  }
  if (called_name(x) %in% c("$", "[[") && length(x) == 3L && is.name(x[[2L]]) && as.character(x[[2L]]) %in% .filter_groups) {
    key <- x[[3L]]
    if (is.name(key) && called_name(x) == "$") key <- as.character(key)
    return(if (is_string(key)) filter_key(as.character(x[[2L]]), key))
  }
  if (!is.name(x)) return(NULL)
  name <- as.character(x)
  column <- regmatches(name, regexec(.statistic_column, name))[[1L]]
  if (length(column)) { # (as the column of a table is called, and as `sort` has it)
    field <- filter_field(as.name(column[[3L]]))
    return(if (!is.null(field)) sprintf("%s(%s)", column[[2L]], field))
  }
  group <- sub("[.].*", "", name)
  if (group != name && group %in% .filter_groups) return(filter_key(group, substr(name, nchar(group) + 2L, nchar(name))))
  if (name %in% c(.run_columns, "archived_at") || grepl("^(metric|param|tag)_.", name)) filter_quoted(name)
}

#' The column of a table that a field's name, `metrics.AUC`, stands for
#' @noRd
column_of_field <- function(name) sub("^(metric|param|tag)(eter)?s?[.]", "\\1_", name)

#' Refuse arguments that aren't there; `params.lr = 0.3` is meant as a condition
#' @noRd
refuse_assignments <- function(...) {
  given <- as.list(substitute(list(...)))[-1L]
  if (!length(given)) return(invisible())
  names <- names(given) %||% ""
  if (nzchar(names[1L]) && !is.null(filter_field(as.name(names[1L])))) {
    espalier_abort(
      "bad_filter", sprintf("Can't filter the runs: `%s = ` isn't a condition.", names[1L]),
      sprintf("Write == for a comparison: %s == %s.", names[1L], deparse1(given[[1L]]))
    )
  }
  refuse_unknown_options(names[1L], character())
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
filter_value <- function(x, whole, env) filter_literal(filter_eval(x, whole, env), whole)

filter_eval <- function(x, whole, env) {
  tryCatch(eval(x, env), error = function(e) {
    if (is.name(x) && !is.null(filter_field(x))) abort_filter(whole, "two columns can't be compared")
    columns <- Filter(function(name) !is.null(filter_field(as.name(name))), all.vars(x))
    if (!length(columns)) abort_filter(whole, conditionMessage(e))
    abort_filter(
      whole, sprintf("%s isn't a value: columns of all runs can't be summarised in a filter, and two columns can't be compared", deparse1(x)),
      sprintf("Compute it before: best <- max(list_runs(ws)[[\"%s\"]], na.rm = TRUE).", column_of_field(columns[[1L]]))
    )
  })
}

filter_literal <- function(value, whole) {
  if (is.factor(value)) value <- as.character(value)
  if (inherits(value, "POSIXlt")) value <- as.POSIXct(value)
  if (inherits(value, "POSIXct")) value <- as.numeric(value) # (seconds since 1970, exact)
  if (inherits(value, "Date")) value <- format(value)
  if (is.object(value) || !(is.character(value) || is.numeric(value) || is.logical(value))) {
    abort_filter(whole, sprintf("a column can't be compared with %s", describe_value(value)), if (is.null(value)) "Use is.na().")
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
#'
#' @param expression What the caller wrote.
#' @noRd
order_text <- function(expression, env) {
  sort <- tryCatch(eval(expression, env), error = function(e) {
    is_column <- is.name(expression) || called_name(expression) %in% c("-", "$")
    hint <- if (is_column) sprintf("Write it in quotes: sort = \"%s\".", gsub("[[:space:]]", "", deparse1(expression)))
    espalier_abort("bad_argument", sprintf("Can't evaluate `sort`: %s.", conditionMessage(e)), hint, argument = "sort")
  })
  if (is.null(sort)) return(NULL)
  if (!is.character(sort) || anyNA(sort)) abort_argument("sort", "names of columns, with `-` before those to sort from the largest", sort)
  as.list(vapply(sort, function(entry) {
    name <- sub("^-", "", entry)
    field <- if (!grepl("[`\"]|[ ]+(asc|desc)$", name, ignore.case = TRUE)) filter_field(as.name(if (nzchar(name)) name else " "))
    if (is.null(field)) entry else paste0(if (startsWith(entry, "-")) "-", field)
  }, "", USE.NAMES = FALSE))
}
