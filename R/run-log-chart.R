# Charts that a run logs: confusion matrices, accuracy tables, predictions, residuals. Base R only, no Python.

#' Log the quality of a model
#'
#' Use these in a training script to keep more of a model's quality than a number. [get_run_metrics()] returns the
#' values, and [plot()][plot.Run] draws them.
#'
#' * `log_confusion_matrix_to_run()`: how often each true class was predicted as each class.
#' * `log_accuracy_table_to_run()`: the counts behind ROC, precision-recall and lift curves, at 101 thresholds.
#' * `log_predictions_to_run()`: mean and standard deviation of a regression's predictions, in bins of the true values.
#' * `log_residuals_to_run()`: a histogram of a regression's residuals.
#'
#' Rows with `NA` are left out. Python's `run.log_confusion_matrix()` and its relatives read and write the same.
#'
#' @inheritParams log_to_run
#' @param value One of:
#'   * the true values, a factor or a vector of strings, logical values or numbers, with the predictions in `predicted`;
#'   * for `log_confusion_matrix_to_run()`, a table or a square matrix with the true classes in its rows. It is
#'     transposed if the names of its dimnames show that the predictions are in the rows, as in those of caret and
#'     yardstick;
#'   * for `log_residuals_to_run()`, the residuals, without `predicted`;
#'   * a list of `schema_type`, `schema_version` and `data` as for azuremlsdk, its JSON as a string, or the path of a
#'     JSON file.
#' @param predicted The predictions, of the same length as `value`. Residuals are `value - predicted`. For
#'   `log_accuracy_table_to_run()` these are probabilities. Of two classes, give a numeric vector for the second one.
#'   Else give a matrix or data frame with a column for each class. In the place of `description` they are taken as well.
#' @return `NULL`, invisibly.
#' @section Errors:
#' Inside a run, these are one warning:
#' * `espalier_error_bad_argument`: a value can't be logged.
#' * `espalier_error_bad_name`: the name isn't valid.
#' @seealso [log_metric_to_run()], [log_table_to_run()]
#' @name log_confusion_matrix_to_run
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "cars"))
#' fit <- glm(am ~ wt, binomial, mtcars)
#' probability <- predict(fit, type = "response")
#' guess <- as.integer(probability > 0.5)
#' log_confusion_matrix_to_run("confusion", mtcars$am, predicted = guess)
#' log_accuracy_table_to_run("roc", mtcars$am, predicted = probability)
#' fuel <- lm(mpg ~ wt, mtcars)
#' log_predictions_to_run("fuel", mtcars$mpg, predicted = fitted(fuel))
#' log_residuals_to_run("residuals", residuals(fuel))
#' complete_run(run)
#' get_run_metrics(run)$confusion
#' plot(run)
NULL

#' @rdname log_confusion_matrix_to_run
#' @export
log_confusion_matrix_to_run <- function(name, value, description = "", run = NULL, predicted = NULL) {
  if (missing(name)) abort_missing("name")
  if (missing(value)) abort_missing("value")
  log_chart("confusion_matrix", name, value, predicted, description, run, confusion_counts)
}

#' @rdname log_confusion_matrix_to_run
#' @export
log_accuracy_table_to_run <- function(name, value, description = "", run = NULL, predicted = NULL) {
  if (missing(name)) abort_missing("name")
  if (missing(value)) abort_missing("value")
  log_chart("accuracy_table", name, value, predicted, description, run, accuracy_counts)
}

#' @rdname log_confusion_matrix_to_run
#' @export
log_predictions_to_run <- function(name, value, description = "", run = NULL, predicted = NULL) {
  if (missing(name)) abort_missing("name")
  if (missing(value)) abort_missing("value")
  log_chart("predictions", name, value, predicted, description, run, binned_predictions)
}

#' @rdname log_confusion_matrix_to_run
#' @export
log_residuals_to_run <- function(name, value, description = "", run = NULL, predicted = NULL) {
  if (missing(name)) abort_missing("name")
  if (missing(value)) abort_missing("value")
  log_chart("residuals", name, value, predicted, description, run, binned_residuals)
}

#' @param count Makes the payload's `data` of true and predicted values.
#' @noRd
log_chart <- function(type, name, value, predicted, description, run, count) {
  label <- log_label(name, run)
  # (the third place is the description's, as in azuremlsdk; predictions written there are no text)
  if (is.null(predicted) && is_predictions(description)) {
    predicted <- description
    description <- ""
  }
  body <- or_else(run, "chart", tryCatch(
    chart_body(type, value, predicted, count),
    # (no value of a script ends it by being logged)
    error = function(e) if (inherits(e, "espalier_error")) stop(e) else refuse_payload(conditionMessage(e))
  ), NULL)
  body <- c(body, log_description(description, run))
  dir <- log_target(run)
  if (!is.null(dir) && length(body) > 1L) log_event(dir, "chart", label, body)
  invisible()
}

is_predictions <- function(x) is.data.frame(x) || is.atomic(x) && length(x) > 0L && !is_string(x)

# The shape of each field, as tracking/charts.py of the core has it: `C` classes, `T` and `P` thresholds, `N` bins.
.chart_shapes <- list(
  confusion_matrix = c(class_labels = "C", matrix = "CC"),
  accuracy_table = c(
    class_labels = "C", probability_thresholds = "T", percentile_thresholds = "P", probability_tables = "CT4",
    percentile_tables = "CP4"
  ),
  residuals = c(bin_edges = "E", bin_counts = "N"),
  predictions = c(bin_averages = "N", bin_errors = "N", bin_counts = "N", bin_edges = "E")
)
.chart_versions <- c(confusion_matrix = "1.0.0", accuracy_table = "1.0.1", residuals = "1.0.0", predictions = "1.0.0")

#' The fields of the event
#' @noRd
chart_body <- function(type, value, predicted, count) {
  payload <- as_payload(value)
  version <- .chart_versions[[type]]
  if (is.null(payload)) {
    data <- count(value, predicted)
  } else {
    given <- payload$schema_type
    if (!is.null(given) && !identical(as.character(given), type)) {
      refuse_payload(sprintf("its `schema_type` is %s", as_text(given)), sprintf("It must be \"%s\".", type))
    }
    if (is_string(payload$schema_version)) version <- payload$schema_version
    data <- payload$data
  }
  shapes <- .chart_shapes[[type]]
  absent <- setdiff(names(shapes), names(data))
  if (length(absent)) refuse_payload(sprintf("its `data` lacks `%s`", absent[1L]))
  sizes <- new.env(parent = emptyenv())
  assign("4", 4L, envir = sizes)
  fields <- Map(function(field, shape) json_nested(data[[field]], shape, field, sizes), names(shapes), shapes)
  if (!is.null(sizes$E) && sizes$E != sizes$N + 1L) {
    refuse_payload(sprintf("it has %d bins and %d edges", sizes$N, sizes$E), sprintf("%d edges are needed.", sizes$N + 1L))
  }
  sprintf("\"schema_type\":\"%s\",\"schema_version\":%s,\"data\":%s", type, json_value(version), json_object(fields))
}

#' A payload of the ancestor's, as a list; NULL for anything else
#' @noRd
as_payload <- function(value) {
  if (is_string(value)) {
    text <- if (grepl("^\\s*[{]", value)) value else if (file.exists(value) && !dir.exists(value)) readLines(value, warn = FALSE)
    if (is.null(text)) refuse_payload(sprintf("there is no file \"%s\"", value))
    value <- tryCatch(json_parse(text), error = function(e) refuse_payload("it isn't JSON"))
    if (!is.list(value$data)) refuse_payload("it has no `data`")
  }
  if (is.list(value) && (!is.object(value) || inherits(value, "espalier_chart")) && is.list(value$data)) value
}

refuse_payload <- function(problem, hint = NULL) {
  espalier_abort("bad_argument", sprintf("Can't log `value` as a chart: %s.", problem), hint, argument = "value")
}

#' Arrays in arrays, each of the size that its letter of the shape stands for; the first of a letter decides
#' @noRd
json_nested <- function(x, shape, field, sizes) {
  letter <- substr(shape, 1L, 1L)
  rest <- substring(shape, 2L)
  items <- if (nzchar(rest)) slices(x) else unlist(x, use.names = FALSE)
  if (!length(items)) refuse_payload(sprintf("its `%s` is empty", field))
  if (letter == "C") check_class_count(length(items))
  if (is.null(sizes[[letter]])) assign(letter, length(items), envir = sizes)
  if (length(items) != sizes[[letter]]) {
    refuse_payload(sprintf("its `%s` has %d elements where %d are needed", field, length(items), sizes[[letter]]))
  }
  if (nzchar(rest)) return(json_array(vapply(items, json_nested, "", rest, field, sizes)))
  if (field == "class_labels") return(json_array(json_value(as.character(items), field)))
  if (!is.numeric(items) || is.object(items)) refuse_payload(sprintf("its `%s` isn't made of numbers", field))
  absent <- is.na(items) & field %in% c("bin_averages", "bin_errors")
  if (!all(is.finite(items) | absent)) refuse_payload(sprintf("its `%s` isn't finite", field))
  if (grepl("^matrix|counts$|tables$", field) && any(items < 0, na.rm = TRUE)) refuse_payload(sprintf("its `%s` has negative counts", field))
  if (field == "bin_edges" && any(diff(items) <= 0)) refuse_payload("its `bin_edges` don't increase")
  items[absent] <- NaN
  json_array(json_value(items, field))
}

#' The rows of a matrix or of an array; the elements of a list
#' @noRd
slices <- function(x) {
  size <- dim(x)
  if (is.data.frame(x) || length(size) < 2L) return(as.list(x))
  if (length(size) == 2L) return(lapply(seq_len(size[1L]), function(at) x[at, ]))
  lapply(split(as.vector(x), rep_len(seq_len(size[1L]), length(x))), array, size[-1L])
}
