# Parts of a run: many small pieces of work, one line each (docs/protocol.md, "parts"). Base R only, no Python.

#' Record the parts of a run
#'
#' Use these for many small pieces of work that don't need a run each: groups of many models, folds, batches, tasks of a
#' loop. A run may have a million parts, recorded by several processes. [list_parts()] returns them as a data frame.
#'
#' `run_part()` does a piece of work and records its time, and its error, which doesn't end the script.
#' `log_part_to_run()` records one finished part, `log_parts_to_run()` those of a data frame. A later record of a key
#' replaces earlier ones. Without a run nothing is recorded, and one message reports it.
#'
#' @param key String: identifies the part. It has 1 to 255 characters and no control characters.
#' @param status String: `"Completed"`, `"Failed"` or `"Canceled"`. By default `"Failed"` if there is an error, else
#'   `"Completed"`.
#' @param error String or condition: the part's error. By default there is none.
#' @param metrics Named list or vector of single values. For `run_part()`, a function that gets the value of `expr` and
#'   returns these. The names `key`, `status`, `error`, `seconds` and `digest` are reserved.
#' @param seconds Number: the seconds that the part took.
#' @param digest String: a digest of the part's result.
#' @inheritParams log_to_run
#' @return `NULL`, invisibly. `run_part()` returns the value of `expr`, or the condition of its error, invisibly.
#' @section Errors:
#' Inside a run, these are one warning:
#' * `espalier_error_bad_argument`: a value can't be recorded.
#' * `espalier_error_bad_name`: a key or name isn't valid.
#' @seealso [list_parts()], [log_metric_to_run()]
#' @name log_part_to_run
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "notes"))
#' for (species in levels(iris$Species)) {
#'   run_part(species, {
#'     lm(Sepal.Length ~ Sepal.Width, iris[iris$Species == species, ])
#'   }, metrics = function(fit) list(sigma = sigma(fit)))
#' }
#' log_part_to_run("store-17", metrics = list(rmse = 0.31, n = 120L), seconds = 1.5)
#' log_part_to_run("store-18", error = "no data")
#' complete_run(run)
#' list_parts(run)
NULL

part_states <- c("Completed", "Failed", "Canceled")
part_columns <- c("key", "status", "error", "seconds", "digest")

#' @rdname log_part_to_run
#' @export
log_part_to_run <- function(key, status = if (is.null(error)) "Completed" else "Failed", error = NULL,
                            metrics = list(), seconds = NULL, digest = NULL, run = NULL) {
  if (missing(key)) abort_missing("key")
  writer <- open_part_writer(run)
  seq <- NULL
  if (!is.null(writer$file) && !writer$busy) {
    list(key, status, seconds, digest, error, metrics) # (evaluated before: they may log too)
    writer$busy <- TRUE
    routine <- .road$routines$log_part
    seq <- .Call(routine, writer$file, writer$seq, key, status, seconds, digest, error, metrics, .part_shape$compiled)
    if (!is.null(seq)) writer$seq <- seq
    writer$busy <- FALSE
  }
  if (is.null(seq)) log_any_part(key, status, error, metrics, seconds, digest, run)
  invisible()
}

#' The writer to which this process has written parts of the run before, or NULL
#' @noRd
open_part_writer <- function(run) {
  dir <- log_dir(run)
  # (log_any_part() reports a run that has ended)
  if (is.null(dir) || is.null(.writers$parts[[dir]])) return(NULL)
  dir <- log_folder(dir)
  if (!is.null(dir)) .writers$parts[[dir]]
}

#' Log a part without the compiled code (src/log.c): the first part of a process, values that aren't plain or must be
#' refused, and every part if the compiled code can't be loaded
#' @noRd
log_any_part <- function(key, status, error, metrics, seconds, digest, run) {
  label <- or_else(run, "key", check_part_key(key), check_label(as_label(key)))
  status <- or_else(run, "status", check_choice(status, part_states, "status"), if (is.null(error)) "Completed" else "Failed")
  body <- c(
    "\"status\":\"", status, "\"",
    if (!is.null(seconds)) or_else(run, "seconds", c(",\"seconds\":", json_seconds(seconds)), NULL),
    if (!is.null(digest)) c(",\"digest\":", or_else(run, "digest", json_digest(digest), check_label(as_label(digest)))),
    if (!is.null(error)) c(",\"error\":", or_else(run, "error", json_part_error(error), json_string(as_text(error)))),
    if (length(metrics)) or_else(run, "metrics", json_part_metrics(metrics), json_part_metrics(as_values(metrics, part_columns)))
  )
  dir <- log_target(run)
  if (!is.null(dir)) log_event(dir, "part", label, body, "parts")
}

.byte <- list(control = as.raw(0x1f), delete = as.raw(0x7f), quote = as.raw(0x22), backslash = as.raw(0x5c))

#' check_label() for keys. A run can have a million, so none is cached
#' @noRd
check_part_key <- function(key) {
  # (bytes, because a regular expression would be compiled at each call)
  bytes <- if (is.character(key) && length(key) == 1L && !is.na(key)) charToRaw(key)
  plain <- length(bytes) && length(bytes) < 256L &&
    all(bytes > .byte$control & bytes < .byte$delete & bytes != .byte$quote & bytes != .byte$backslash)
  if (plain) paste0("\"", key, "\"") else check_label_slowly(key, "key")
}

json_seconds <- function(seconds) {
  if (!is.numeric(seconds) || length(seconds) != 1L || is.object(seconds) || !isTRUE(seconds >= 0 && seconds < 1e15)) {
    abort_argument("seconds", "one number of seconds", seconds)
  }
  decimal_point(sprintf("%.6f", seconds))
}

json_digest <- function(digest) {
  plain <- is_string(digest) && grepl("^[0-9A-Za-z:.-]{1,255}$", digest, perl = TRUE, useBytes = TRUE)
  if (plain) paste0("\"", digest, "\"") else check_label_slowly(digest, "digest")
}

json_part_error <- function(error) {
  if (inherits(error, "condition")) error <- conditionMessage(error)
  check_string(error, "error", empty = TRUE)
  json_string(error, "error")
}

# The shape of the last part's metrics: names, types and their JSON. The next part mostly has the same.
.part_shape <- new.env(parent = emptyenv())

#' `,"kinds":{...},"metrics":{...}`, in pieces
#' @noRd
json_part_metrics <- function(metrics) {
  names <- names(metrics)
  types <- plain_types(metrics)
  if (!identical(names, .part_shape$names) || !identical(types, .part_shape$types)) new_part_shape(metrics, types)
  numbers <- if (.part_shape$numbers) unlist(metrics, use.names = FALSE)
  if (length(numbers) != length(types) || !all(is.finite(numbers)) ||
      (any(numbers == 0) && any(1 / numbers == -Inf))) {
    return(json_odd_metrics(metrics))
  }
  # (17 digits always read back to the same double; one string, because each string costs garbage collection)
  if (length(.part_shape$format) && is_point_decimal()) {
    return(do.call(sprintf, c(.part_shape$format, as.list(numbers))))
  }
  c(.part_shape$head, paste0(.part_shape$labels, decimal_point(sprintf("%.17g", numbers)), collapse = ","), "}")
}

#' typeof() of each value; `object` for a value with a class or with another length than 1
#' @noRd
plain_types <- function(metrics) {
  types <- character(length(metrics))
  # (a loop, because vapply() calls a function for each value)
  for (i in seq_along(types)) {
    value <- metrics[[i]]
    types[[i]] <- if (is.object(value) || length(value) != 1L) "object" else typeof(value)
  }
  types
}

new_part_shape <- function(metrics, types) {
  names <- names(metrics)
  if (is.null(names) || anyDuplicated(names) || any(names %in% part_columns)) refuse_part_metrics(metrics)
  labels <- vapply(names, check_label, "", arg = "name of a metric", USE.NAMES = FALSE)
  .part_shape$names <- names
  .part_shape$types <- types
  .part_shape$numbers <- all(types %in% c("double", "integer"))
  .part_shape$labels <- paste0(labels, ":")
  .part_shape$head <- paste0(",\"kinds\":{", paste0(labels, ":\"", types, "\"", collapse = ","), "},\"metrics\":{")
  .part_shape$format <- part_format(.part_shape$head, .part_shape$labels)
  # (the form that src/log.c takes)
  .part_shape$compiled <- if (.part_shape$numbers) list(names, types, .part_shape$head, .part_shape$labels)
}

#' The shape as a format for sprintf(), which takes at most 100 arguments and 8192 bytes; `NULL` if it is larger
#' @noRd
part_format <- function(head, labels) {
  fields <- paste0(gsub("%", "%%", labels, fixed = TRUE), "%.17g", collapse = ",")
  format <- paste0(gsub("%", "%%", head, fixed = TRUE), fields, "}")
  if (length(labels) < 90L && nchar(format, "bytes") < 8000L) format
}

#' The JSON of metrics that aren't all plain numbers
#' @noRd
json_odd_metrics <- function(metrics) {
  labels <- .part_shape$labels
  plain <- lapply(seq_along(metrics), function(i) plain_value(metrics[[i]], names(metrics)[i]))
  values <- vapply(plain, function(value) {
    if (is.character(value)) json_metric_string(value) else json_value(value)
  }, "")
  paste0(",\"kinds\":{", paste0(labels, "\"", vapply(plain, kind_of, ""), "\"", collapse = ","), "},\"metrics\":{",
         paste0(labels, values, collapse = ","), "}")
}

refuse_part_metrics <- function(metrics) {
  taken <- intersect(names(metrics), part_columns)
  if (length(taken)) {
    espalier_abort("bad_name", sprintf("Can't log a part's metric called `%s`.", taken[1L]),
                   sprintf("list_parts() uses the names %s.", paste0("`", part_columns, "`", collapse = ", ")),
                   argument = "metrics")
  }
  abort_argument("metrics", "a list of named values with unique names", metrics)
}

#' @rdname log_part_to_run
#' @param parts A data frame like the one of [list_parts()]: a column `key`, and optionally `status`, `error`, `seconds`
#'   and `digest`. Every other column is a metric. A metric that is `NA` is recorded as `NA`.
#' @export
log_parts_to_run <- function(parts, run = NULL) {
  if (missing(parts)) abort_missing("parts")
  if (!is.data.frame(parts) || is.null(parts$key)) abort_argument("parts", "a data frame with a column `key`", parts)
  columns <- lapply(parts, function(column) if (is.factor(column)) as.character(column) else column)
  given <- function(name, i) {
    value <- columns[[name]][[i]]
    if (!is.null(value) && !is.na(value)) value
  }
  metrics <- columns[setdiff(names(columns), part_columns)]
  for (i in seq_len(nrow(parts))) {
    error <- given("error", i)
    status <- given("status", i)
    if (is.null(status)) status <- if (is.null(error)) "Completed" else "Failed"
    log_part_to_run(columns$key[[i]], status, error, lapply(metrics, `[`, i), given("seconds", i), given("digest", i),
                    run)
  }
  invisible()
}

#' @rdname log_part_to_run
#' @param expr An expression: the work.
#' @export
run_part <- function(key, expr, metrics = NULL, digest = NULL, run = NULL) {
  if (missing(key)) abort_missing("key")
  if (missing(expr)) abort_missing("expr")
  or_else(run, "key", check_part_key(key), NULL)
  start <- proc.time()[["elapsed"]]
  problem <- NULL
  found <- list()
  value <- tryCatch({
    value <- expr
    if (!is.null(metrics)) found <- as.list(metrics(value))
    value
  }, error = function(e) problem <<- e)
  seconds <- max(0, proc.time()[["elapsed"]] - start)
  if (is.null(problem)) {
    log_part_to_run(key, metrics = found, seconds = seconds, digest = digest, run = run)
  } else {
    log_part_to_run(key, error = problem, seconds = seconds, run = run)
  }
  invisible(value)
}
