# The log_*_to_run() verbs: what a run records about itself. Base R only, no Python: a scalar costs
# microseconds.

#' Log metrics to a run
#'
#' Use these in a script, or after [start_logging_run()], to record numbers and tables with the run. They take
#' microseconds and need no Python. Outside a run they record nothing, and one message reports it.
#'
#' * `log_metric_to_run()` logs a number, logical value or string. Logging a name again makes a series.
#' * `log_list_to_run()` logs several values at once, without their names. To keep the names, log `as.list(value)` with
#'   `log_table_to_run()`.
#' * `log_row_to_run()` appends a row to a table.
#' * `log_table_to_run()` logs a table, or appends its rows if the name was logged before. Row names that aren't numbers
#'   become the first column, `rowname`.
#'
#' `NaN`, `Inf`, `NA` and negative zero are kept. Factors become strings. Dates and times become ISO 8601 strings, times
#' in UTC. Forked processes (`parallel::mclapply()`) and finalizers may log too.
#'
#' Logging never ends a training. Inside a run, a value, step or name that can't be logged is recorded as text or left
#' out, with one warning for each kind. The same is true if the disk is full or the run's folder was deleted.
#'
#' @param name String: the metric's name, 1 to 255 characters without control characters.
#' @param value For `log_metric_to_run()`, one value. For `log_list_to_run()`, a vector, or a list of single values of
#'   one kind. For `log_table_to_run()`, a data frame, or a named list of vectors of equal length.
#' @param run The run to log to. By default the interactive run, else the run of this script.
#' @param step Number: the step (epoch, round) that the value belongs to. By default there is none.
#' @param description String: a text kept with the metric. By default empty.
#' @return `NULL`, invisibly.
#' @section Errors:
#' Inside a run, these are one warning, except for missing arguments:
#' * `espalier_error_bad_argument`: a value can't be logged.
#' * `espalier_error_bad_name`: the name isn't valid.
#' @seealso [get_run_metrics()], [log_confusion_matrix_to_run()], [log_image_to_run()], [plot()][plot.Run]
#' @name log_to_run
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "notes"))
#' log_metric_to_run("AUC", 0.91)
#' for (epoch in 1:3) log_metric_to_run("loss", 1 / epoch, step = epoch)
#' log_list_to_run("folds", c(0.90, 0.93, 0.89))
#' log_row_to_run("by_model", model = "glm", AUC = 0.91)
#' log_table_to_run("cars", head(cars))
#' complete_run(run)
#' get_run_metrics(run)
NULL

#' @rdname log_to_run
#' @export
log_metric_to_run <- function(name, value, run = NULL, step = NULL) {
  # (before values are checked: a value that can't be logged only gives a warning inside a run)
  if (missing(name)) abort_missing("name")
  if (missing(value)) abort_missing("value")
  label <- known_label(name)
  if (is.null(label)) label <- log_label(name, run)
  body <- if (is.double(value) && length(value) == 1L && is.null(attributes(value))) {
    paste0("\"kind\":\"double\",\"value\":", json_double_scalar(value))
  } else {
    or_else(run, "value", metric_body(value), metric_body(as_text(value)))
  }
  if (!is.null(step)) {
    # (no closure and no handler for a plain number: a line takes 30 microseconds)
    plain <- is.numeric(step) && length(step) == 1L && is.null(attributes(step)) && is.finite(step)
    body <- paste0(body, if (plain) paste0(",\"step\":", json_value(step)) else or_else(run, "step", json_step(step), ""))
  }
  dir <- log_target(run)
  if (!is.null(dir)) log_event(dir, "metric", label, body)
  invisible()
}

metric_body <- function(value) {
  if (length(value) != 1L || !is.null(attributes(value))) value <- plain_value(value, "value")
  switch(typeof(value),
    double = paste0("\"kind\":\"double\",\"value\":", json_double_scalar(value)),
    integer = paste0("\"kind\":\"integer\",\"value\":", json_value(value)),
    logical = paste0("\"kind\":\"logical\",\"value\":", json_value(value)),
    character = paste0("\"kind\":\"string\",\"value\":", json_metric_string(value)),
    plain_values(value, "value")
  )
}

#' `,"step":...` of a number or a string
#' @noRd
json_step <- function(step) {
  number <- step
  if (is.factor(step)) number <- as.character(step)
  if (is.character(number) || is.logical(number)) number <- suppressWarnings(as.double(number))
  if (!is.numeric(number) || is.object(number) || length(number) != 1L || !is.finite(number)) {
    abort_argument("step", "one finite number", step)
  }
  paste0(",\"step\":", json_value(number))
}

json_metric_string <- function(value) {
  text <- json_value(value, "value")
  if (nchar(text, "bytes") > 16384L) {
    abort_argument("value", "a string of at most 16,384 bytes", value,
                   "Write longer texts to a file under outputs/.")
  }
  text
}

#' @rdname log_to_run
#' @export
log_list_to_run <- function(name, value, description = "", run = NULL) {
  if (missing(name)) abort_missing("name")
  if (missing(value)) abort_missing("value")
  label <- log_label(name, run)
  body <- or_else(run, "value", list_body(plain_list(value, "value")), list_body(as_texts(value)))
  body <- paste0(body, log_description(description, run))
  dir <- log_target(run)
  if (!is.null(dir)) log_event(dir, "list", label, body)
  invisible()
}

list_body <- function(values) {
  paste0("\"kind\":\"", kind_of(values), "\",\"values\":", json_array(json_value(values, "value")))
}

log_description <- function(description, run) {
  or_else(run, "description", json_description(description), json_description(as_text(description)))
}

#' @rdname log_to_run
#' @param ... For `log_row_to_run()`, named single values, one for each column. No column can be called `name`,
#'   `description` or `run`.
#' @export
log_row_to_run <- function(name, description = "", run = NULL, ...) {
  # (partial matching would take a column `n` or `d` for `name` or `description`)
  call <- sys.call()
  call[[1L]] <- function(...) list(...)
  args <- row_arguments(eval(call, parent.frame()))
  run <- args$run
  label <- log_label(args$name, run)
  row <- args$row
  if (!length(row)) {
    espalier_abort("bad_argument", "Can't log a row without columns.",
                   "Give them as named arguments: log_row_to_run(\"scores\", model = \"glm\", AUC = 0.9).")
  }
  body <- or_else(run, "row", row_body(plain_columns(Map(plain_value, row, names(row)), "...")), row_body(as_values(row)))
  body <- paste0(body, log_description(args$description, run))
  dir <- log_target(run)
  if (!is.null(dir)) log_event(dir, "row", label, body)
  invisible()
}

row_body <- function(row) {
  paste0("\"kinds\":", json_kinds(check_columns(row)), ",\"row\":", json_object(Map(json_value, row, names(row))))
}

#' The arguments of log_row_to_run() by R's rules, but without partial matching
#' @noRd
row_arguments <- function(args) {
  known <- c("name", "description", "run")
  names <- names(args)
  if (is.null(names)) names <- character(length(args))
  free <- setdiff(known, names)
  at <- which(!nzchar(names))
  if (length(at) > length(free)) {
    espalier_abort("bad_argument", "Can't log a row with unnamed columns.",
                   "Name them: log_row_to_run(\"scores\", model = \"glm\", AUC = 0.9).")
  }
  names[at] <- free[seq_along(at)]
  names(args) <- names
  if (!"name" %in% names) abort_missing("name")
  list(name = args$name, description = args[["description"]], run = args[["run"]],
       row = args[!names %in% known])
}

#' @rdname log_to_run
#' @export
log_table_to_run <- function(name, value, description = "", run = NULL) {
  if (missing(name)) abort_missing("name")
  if (missing(value)) abort_missing("value")
  label <- log_label(name, run)
  value <- with_row_names(value)
  body <- or_else(run, "table", table_body(plain_columns(value, "value")), table_body(as_columns(value)))
  body <- paste0(body, log_description(description, run))
  dir <- log_target(run)
  if (!is.null(dir)) log_event(dir, "table", label, body)
  invisible()
}

#' The columns of a data frame, with its row names as the first, `rowname`, if it has any; other values unchanged
#' @noRd
with_row_names <- function(x) {
  rows <- attr(x, "row.names")
  # (R's automatic row names are numbers)
  if (!is.data.frame(x) || !is.character(rows)) return(x)
  name <- rev(make.unique(c(names(x), "rowname"), "_"))[1L]
  structure(c(list(rows), as.list(x)), names = c(name, names(x)))
}

table_body <- function(columns) {
  values <- Map(function(x, arg) json_array(json_value(x, arg)), check_columns(columns), names(columns))
  paste0("\"kinds\":", json_kinds(columns), ",\"columns\":", json_object(values))
}

check_columns <- function(columns) {
  for (column in names(columns)) check_label(column, "column name")
  columns
}
