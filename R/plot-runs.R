# Several runs: curves over one another, or a dot chart of last values.

#' Compare a metric over runs
#'
#' Use it to compare the runs of a sweep. The curves of a metric that was logged more than once, such as a loss, are
#' laid over one another. Any other metric becomes a dot chart of its last values, a line for each run.
#'
#' Runs are labelled by the first tag or parameter that differs for each run. If there is none, they are labelled by all
#' parameters that differ, or by the last 8 characters of their ids. Runs with the same parameters also have the end of
#' their ids, as in `lr = 0.2 (f159)`. Long labels are shortened. Runs without the metric are left out. Curves are drawn of at most 20 runs, the first of the table, and a message counts the others.
#'
#' @param x A table of [list_runs()] or some of its rows, or a list of runs of [submit_grid()] or
#'   [get_runs_in_experiment()].
#' @param metric String: name of the metric, or of its column. By default the first numeric one that differs between the
#'   runs. For curves, a character vector gives a panel for each metric.
#' @param curves `TRUE` draws curves, `FALSE` dots. By default curves if a run logged the metric more than once, and the
#'   table is one of [list_runs()].
#' @param ... For curves, passed to [plot()][graphics::plot.default]. For dots, passed to
#'   [dotchart()][graphics::dotchart]. There `labels`, `groups`, `pch`, `pt.cex`, `bg`, `color` and `lcolor` may have a
#'   value for each row of `x`.
#' @return The data frame drawn, invisibly: `run_id`, `label` and `value`, and for curves `name`, `step` and `time`.
#' @section Errors:
#' * `espalier_error_bad_argument`: there is nothing to draw.
#' @seealso [plot()][plot.Run] of one run, [best_run()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' for (rate in c(0.3, 0.1, 0.2)) {
#'   run <- start_logging_run(experiment(ws, "by-hand"))
#'   set_run_tags(run, list(rate = rate))
#'   for (i in 1:20) log_metric_to_run("loss", exp(-i * rate), step = i)
#'   complete_run(run)
#' }
#' plot(list_runs(ws), "loss")
#' plot(list_runs(ws), "loss", curves = FALSE)
#' @export
plot.espalier_run_table <- function(x, metric = NULL, curves = NULL, ...) {
  found <- compared_runs(x, metric, curves)
  if (is.null(found$panels)) return(draw_dots(found, list(...)))
  draw_panels(found$panels, paste(found$metric, collapse = ", "), list(...), found$keys)
  invisible(found$drawn)
}

#' @rdname plot.espalier_run_table
#' @export
plot.espalier_runs <- function(x, metric = NULL, curves = NULL, ...) {
  plot(table_of_runs(x), metric = metric, curves = curves, ...)
}

table_of_runs <- function(x) {
  if (!length(x)) abort_argument("x", "at least one run", x)
  structure(as.data.frame(x), workspace = unclass(x)[[1L]]$workspace_path)
}

#' What is drawn of several runs
#'
#' @return A list of `metric`, `drawn` (a data frame) and, for curves, `panels` and `keys`, lists of labels, else `table`, the rows drawn,
#'   and `shown`, which these are.
#' @noRd
compared_runs <- function(x, metric, curves) {
  if (!is.null(metric) && (!is.character(metric) || !length(metric) || anyNA(metric))) {
    abort_argument("metric", "names of metrics", metric)
  }
  check_flag(curves, "curves", null = TRUE)
  workspace <- attr(x, "workspace", exact = TRUE)
  x <- drop_table_class(x)
  columns <- Filter(function(name) is.numeric(x[[name]]) && any(is.finite(x[[name]])), grep("^metric_", names(x), value = TRUE))
  metrics <- sub("^metric_", "", columns)
  differing <- vapply(x[columns], has_differences, NA)
  if (is.null(metric)) metric <- c(metrics[differing], metrics, NA)[1L]
  in_full <- !metric %in% metrics & metric %in% columns
  metric[in_full] <- sub("^metric_", "", metric[in_full])
  unknown <- metric[!metric %in% metrics]
  if (length(unknown)) {
    if (!length(metrics)) refuse_failed(as.character(x$status))
    espalier_abort(
      "bad_argument", if (is.na(unknown[1L])) "Can't plot the runs: they have no numeric metric." else
        sprintf("Can't plot the runs: they have no numeric metric \"%s\".", unknown[1L]),
      if (length(metrics)) paste0("Their metrics: ", paste(metrics, collapse = ", "), "; choose with metric =.")
      else "Log one in the script: log_metric_to_run(\"accuracy\", accuracy)."
    )
  }
  if (is.null(curves) || curves) {
    found <- curves_of_runs(x, metric, workspace)
    if (!is.null(found)) return(found)
    if (isTRUE(curves)) {
      refuse_curves(if (is.null(workspace)) "the table doesn't come from list_runs()" else sprintf("no run logged \"%s\" more than once", metric[1L]))
    }
  }
  if (length(metric) > 1L) refuse_curves(sprintf("dots show one metric, and no run logged \"%s\" more than once", metric[1L]))
  shown <- is.finite(x[[paste0("metric_", metric)]])
  table <- x[shown, , drop = FALSE]
  drawn <- data.frame(run_id = table$run_id, label = run_labels(table), value = table[[paste0("metric_", metric)]])
  list(metric = metric, drawn = drawn, table = table, shown = shown)
}

refuse_curves <- function(problem) {
  espalier_abort("bad_argument", paste0("Can't draw curves: ", problem, "."), "Give one metric, and curves = FALSE.")
}

#' The curves of runs; `NULL` where there are none
#' @noRd
curves_of_runs <- function(x, metric, workspace) {
  if (is.null(workspace) || is.null(x$run_id)) return(NULL)
  has_any <- Reduce(`|`, lapply(metric, function(name) !is.na(x[[paste0("metric_", name)]])))
  table <- x[has_any, , drop = FALSE]
  first <- utils::head(table, .most_overlaid)
  runs <- lapply(first$run_id, function(id) Run$new(identity = c(workspace = workspace, id = id)))
  labels <- run_labels(first)
  histories <- lapply(metric, function(name) histories_of_runs(runs, labels, name))
  if (all(vapply(histories, is.null, NA))) return(NULL)
  if (nrow(table) > nrow(first)) {
    say(c(i = "The curves of {nrow(first)} of {nrow(table)} runs are drawn, the first of the table."))
  }
  panels <- Map(function(name, of_runs) {
    given <- which(lengths(of_runs) > 0L)
    series_panel(name, of_runs[given], given)
  }, metric, histories)
  drawn <- do.call(rbind, unlist(lapply(histories, function(of_runs) {
    lapply(which(lengths(of_runs) > 0L), function(at) {
      cbind(run_id = first$run_id[at], label = labels[at], of_runs[[at]][c("value", "name", "step", "time")])
    })
  }), recursive = FALSE))
  rownames(drawn) <- NULL
  list(metric = metric, panels = unname(panels), keys = c(list(labels), short_labels(first)), drawn = drawn)
}

#' A dot chart of the last values
#' @noRd
draw_dots <- function(found, settings) {
  drawn <- found$drawn
  own <- values_drawn(settings, found$shown)
  # (dotchart() draws from below)
  upwards <- rev(seq_len(nrow(drawn)))
  # (a line for each run, as long as it can be read)
  lines <- graphics::par("fin")[2L] / graphics::par("cin")[2L] - 4
  cex <- min(1, max(0.4, lines / nrow(drawn)))
  margins <- c(if (identical(own$xlab, "")) 2 else 3.2, 0.5, 2, 0.8)
  old <- graphics::par(mar = margins, mgp = c(2, 0.6, 0))
  on.exit(graphics::par(old))
  labels <- if (is.null(own$labels)) {
    fitted_labels(found$table, drawn$label, 0.35 * graphics::par("fin")[1L], cex)[upwards]
  }
  usual <- list(
    x = drawn$value[upwards], labels = labels, pch = 19, lcolor = "grey80", main = "",
    xlab = "last value", cex = cex
  )
  do.call(graphics::dotchart, utils::modifyList(usual, own))
  graphics::par(mar = margins) # (dotchart() puts back less than there was where it made the text small)
  if (is.null(own$main)) draw_title(found$metric, outer = FALSE)
  invisible(drawn)
}

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
  end_of_id <- function(count) substring(x$run_id, pmax(nchar(x$run_id) - count + 1L, 1L))
  if (!length(params)) return(end_of_id(8L))
  # (of all parameters: only what is still the same needs an id)
  repeated <- labels %in% labels[duplicated(labels)]
  labels[repeated] <- sprintf("%s (%s)", labels, end_of_id(if (anyDuplicated(end_of_id(4L))) 8L else 4L))[repeated]
  labels
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
  for (labels in c(list(labels), short_labels(x))) if (fits(labels)) break
  fitted_texts(labels, inches)
}

#' Labels with the names of parameters shorter and shorter, and the values alone
#' @noRd
short_labels <- function(x) {
  initials <- function(names) abbreviate(gsub("[._]", " ", names), 2L, named = FALSE)
  # (the words of a name cut first: `learn_rate` is still read, `lr` has to be known)
  shorter <- lapply(c(6L, 5L, 4L, 3L), function(count) {
    run_labels(x, function(names) gsub(sprintf("([[:alnum:]]{%d})[[:alnum:]]+", count), "\\1", names), "=")
  })
  c(shorter, list(run_labels(x, initials, "="), run_labels(x, function(names) "", "")))
}

format_label <- function(values) {
  text <- if (is.numeric(values)) format_numbers(values, 6L, trim = TRUE, drop0trailing = TRUE) else as.character(values)
  ifelse(nchar(text) > 24L, paste0(substr(text, 1L, 21L), "..."), text)
}
