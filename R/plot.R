#' Plot the metrics of a run
#'
#' One panel for each metric that was logged more than once, over its steps (or its order). Panels are arranged by the
#' size of the device; where there are too many for it, they go to further pages.
#'
#' @param x A run.
#' @param metrics Names of the metrics to draw; by default all that were logged more than once.
#' @param ... Passed to [plot()][graphics::plot.default]; `main` takes the place of the title, which names the run.
#' @return The data frame drawn, invisibly.
#' @section Errors: `espalier_error_bad_argument` when there is nothing to draw.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' for (i in 1:20) log_metric_to_run("loss", exp(-i / 5), step = i)
#' complete_run(run)
#' plot(run)
#' @export
plot.Run <- function(x, metrics = NULL, ...) {
  history <- get_run_metric_history(x)
  at <- seq_len(nrow(history))
  split(at, history$name) <- lapply(split(at, history$name), seq_along)
  history$at <- at
  history <- history[is.finite(history$value), , drop = FALSE]
  counts <- table(history$name)
  names <- metrics %||% names(counts)[counts > 1L]
  unknown <- setdiff(names, names(counts))
  if (length(unknown) || !length(names)) {
    espalier_abort(
      "bad_argument", if (length(unknown)) sprintf("The run has no numeric metric \"%s\".", unknown[[1]]) else
        "The run has no metric that was logged more than once.",
      if (length(counts)) paste0("Its metrics: ", paste(names(counts), collapse = ", "), "; choose with metrics =.")
      else "Log one in the script, several times: log_metric_to_run(\"loss\", loss, step = i)."
    )
  }
  panels <- lapply(names, function(name) {
    rows <- history[history$name == name, , drop = FALSE]
    ordered <- anyNA(rows$step)
    list(name = name, x = if (ordered) rows$at else rows$step, y = rows$value, xlab = if (ordered) "order of logging" else "step")
  })
  draw_panels(panels, paste("Run", identity_of(x)[["id"]]), list(...))
  invisible(history[history$name %in% names, c("name", "step", "value", "time"), drop = FALSE])
}

#' Compare a metric over runs
#'
#' A dot chart of one metric, a line for each run of [list_runs()], in the order of the table. Runs are labelled by the
#' first tag or parameter that differs for each run, else by all parameters that differ, if these do, else by the last 8
#' characters of their ids. Labels that would take more than a third of the width are
#' drawn shortened: names of parameters abbreviated, or their values alone. Runs without the
#' metric are left out.
#'
#' @param x What `list_runs()` returns, or some of its rows; or a list of runs of [submit_grid()] or
#'   [get_runs_in_experiment()].
#' @param metric Name of the metric, or of its column; by default the first one of numbers that isn't the same in all
#'   runs.
#' @param ... Passed to [dotchart()][graphics::dotchart]. `labels`, `groups`, `pch`, `pt.cex`, `bg`, `color` and `lcolor`
#'   may have a value for each row of `x`.
#' @return The data frame drawn, invisibly: `run_id`, `label` and `value`.
#' @section Errors: `espalier_error_bad_argument` when there is nothing to draw.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' for (loss in c(0.3, 0.1, 0.2)) {
#'   run <- start_logging_run(experiment(ws, "by-hand"))
#'   log_metric_to_run("loss", loss)
#'   complete_run(run)
#' }
#' plot(list_runs(ws), metric = "loss")
#' @export
plot.espalier_run_table <- function(x, metric = NULL, ...) {
  check_string(metric, "metric", null = TRUE)
  x <- drop_table_class(x)
  columns <- Filter(function(name) is.numeric(x[[name]]) && any(is.finite(x[[name]])), grep("^metric_", names(x), value = TRUE))
  metrics <- sub("^metric_", "", columns)
  differing <- vapply(x[columns], has_differences, NA)
  metric <- metric %||% c(metrics[differing], metrics)[1L]
  if (!metric %in% metrics && metric %in% columns) metric <- sub("^metric_", "", metric)
  if (!metric %in% metrics) {
    espalier_abort(
      "bad_argument", if (is.na(metric)) "These runs have no numeric metric." else
        sprintf("These runs have no numeric metric \"%s\".", metric),
      if (length(metrics)) paste0("Their metrics: ", paste(metrics, collapse = ", "), "; choose with metric =.")
      else "Log one in the script: log_metric_to_run(\"accuracy\", accuracy)."
    )
  }
  values <- x[[paste0("metric_", metric)]]
  shown <- is.finite(values)
  own <- values_drawn(list(...), shown)
  compared <- x[shown, , drop = FALSE]
  drawn <- data.frame(run_id = compared$run_id, label = run_labels(compared), value = values[shown])
  # (dotchart() draws from below)
  upwards <- rev(seq_len(nrow(drawn)))
  # (a line for each run, as long as it can be read)
  lines <- graphics::par("fin")[2L] / graphics::par("cin")[2L] - 4
  cex <- min(1, max(0.4, lines / nrow(drawn)))
  margins <- c(if (is.null(own$xlab)) 2 else 3.2, 0.5, 2, 0.8)
  old <- graphics::par(mar = margins, mgp = c(2, 0.6, 0))
  on.exit(graphics::par(old))
  labels <- if (is.null(own$labels)) fitted_labels(compared, drawn$label, 0.35 * graphics::par("fin")[1L], cex)[upwards]
  settings <- list(x = drawn$value[upwards], labels = labels, pch = 19, main = "", xlab = "", cex = cex)
  do.call(graphics::dotchart, utils::modifyList(settings, own))
  graphics::par(mar = margins) # (dotchart() puts back less than there was where it made the text small)
  if (is.null(own$main)) draw_title(metric, outer = FALSE)
  invisible(drawn)
}

#' @rdname plot.espalier_run_table
#' @export
plot.espalier_runs <- function(x, metric = NULL, ...) plot(as.data.frame(x), metric = metric, ...)

# Arguments of dotchart() that may have a value for each run. (`col` is completed to `color`.)
.settings_of_runs <- c("labels", "groups", "pch", "pt.cex", "bg", "col", "color", "lcolor")

#' A user's settings as dotchart() takes them: those with a value for each row lose the rows that aren't drawn, and go
#' upwards as the rows do
#' @noRd
values_drawn <- function(settings, shown) {
  upwards <- rev(which(shown))
  for (name in intersect(.settings_of_runs, names(settings))) {
    values <- settings[[name]]
    if (is.factor(values) && name != "groups") values <- as.character(values)
    if (length(values) == length(shown)) values <- values[upwards]
    if (is.factor(values)) values <- droplevels(values)
    if (!is.null(values)) settings[[name]] <- values
  }
  settings
}

#' What tells runs apart: the first tag or parameter with another value for each, else all parameters that differ, else
#' the end of their ids
#' @param name,sign Change the names of parameters, and what stands before a value; a name may be empty.
#' @noRd
run_labels <- function(x, name = identity, sign = " = ") {
  columns <- unclass(x)[grep("^(tag|param)_", names(x))]
  columns <- columns[vapply(columns, function(values) is.atomic(values) && !anyNA(values) && has_differences(values), NA)]
  params <- columns[startsWith(as.character(names(columns)), "param_")]
  for (differing in c(lapply(seq_along(columns), function(at) columns[at]), list(params))) {
    shown <- name(sub("^(tag|param)_", "", names(differing)))
    labels <- do.call(paste, c(unname(Map(paste0, shown, sign, lapply(differing, format_label))), sep = ", "))
    if (length(labels) && !anyDuplicated(labels)) return(labels)
  }
  substring(x$run_id, pmax(nchar(x$run_id) - 7L, 1L))
}

#' Labels in no more than so many inches: with names of parameters abbreviated, then their values alone, and those cut
#'
#' It begins the figure, because labels can be measured only then.
#' @noRd
fitted_labels <- function(x, labels, inches, cex) {
  graphics::plot.new()
  graphics::par(new = TRUE)
  inches <- inches / cex
  fits <- function(labels) max(graphics::strwidth(labels, "inches")) <= inches
  initials <- function(names) abbreviate(gsub("[._]", " ", names), 2L, named = FALSE)
  if (!fits(labels)) labels <- run_labels(x, initials, "=")
  if (!fits(labels)) labels <- run_labels(x, function(names) "", "")
  vapply(labels, fitted_text, "", inches = inches, USE.NAMES = FALSE)
}

format_label <- function(values) {
  text <- if (is.numeric(values)) format_numbers(values, 6L, trim = TRUE, drop0trailing = TRUE) else as.character(values)
  ifelse(nchar(text) > 24L, paste0(substr(text, 1L, 21L), "..."), text)
}
