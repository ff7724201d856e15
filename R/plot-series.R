# The panels of series that plot() and autoplot() draw: of one run, metrics that belong together; of several, the runs.

.roles <- c("train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing")

#' Names of metrics, those of one quantity together: `train_loss` beside `val_loss`, `loss` beside `val_loss`
#' @noRd
metric_groups <- function(names) {
  split <- lapply(names, split_role)
  base <- vapply(split, `[[`, "", "base")
  rank <- vapply(split, `[[`, 0L, "rank")
  lapply(unique(base), function(each) {
    of_base <- names[base == each]
    of_base[order(rank[base == each])]
  })
}

split_role <- function(name) {
  roles <- paste(.roles, collapse = "|")
  before <- sprintf("^(%s)[_./ -](.+)$", roles)
  after <- sprintf("^(.+)[_./ -](%s)$", roles)
  role <- ""
  if (grepl(before, name, ignore.case = TRUE)) {
    role <- sub(before, "\\1", name, ignore.case = TRUE)
    name <- sub(before, "\\2", name, ignore.case = TRUE)
  } else if (grepl(after, name, ignore.case = TRUE)) {
    role <- sub(after, "\\2", name, ignore.case = TRUE)
    name <- sub(after, "\\1", name, ignore.case = TRUE)
  }
  list(base = name, rank = match(tolower(role), .roles, 0L))
}

#' What a run logged more than once, by name: rows of its history with `at`, their order
#' @noRd
histories_of <- function(run, name = NULL) {
  history <- get_run_metric_history(run, name)
  history <- history[!is.na(history$value) | is.na(history$text), , drop = FALSE]
  split(history, factor(history$name, unique(history$name)))
}

#' A panel of several histories
#' @param histories Data frames of [get_run_metric_history()], named by their labels.
#' @noRd
series_panel <- function(name, histories, styles = seq_along(histories)) {
  ordered <- any(vapply(histories, function(history) anyNA(history$step), NA))
  series <- Map(function(history, label, style) {
    x <- if (ordered) seq_len(nrow(history)) else history$step
    sorted <- order(x)
    list(label = label, x = x[sorted], y = as.double(history$value)[sorted], style = style)
  }, histories, names(histories), styles)
  list(name = name, series = unname(series), xlab = if (ordered) "order of logging" else "step")
}

is_drawable <- function(history) any(is.finite(history$value))

#' The panels of a run
#'
#' @param metrics `NULL`, names, or a list of names, each element a panel.
#' @return A list of `panels` and `history`, the data frame drawn.
#' @noRd
panels_of_run <- function(run, metrics) {
  check_metrics(metrics)
  histories <- Filter(is_drawable, histories_of(run))
  wanted <- unlist(metrics)
  charts <- if (is.null(metrics) || !all(wanted %in% names(histories))) charts_of_run(run)
  known <- c(names(histories), names(charts))
  unknown <- setdiff(wanted, known)
  if (length(unknown)) refuse_metric(sprintf("Can't plot the run: it has no numeric metric \"%s\".", unknown[1L]), known)
  repeated <- names(histories)[vapply(histories, nrow, 0L) > 1L]
  groups <- if (is.list(metrics)) metrics else metric_groups(metrics %||% c(repeated, names(charts)))
  if (!length(groups)) {
    if (!length(known)) refuse_failed(run$get_status())
    refuse_metric("Can't plot the run: it has no metric that was logged more than once.", known)
  }
  panels <- lapply(seq_along(groups), function(at) {
    names <- groups[[at]]
    drawn <- intersect(names, names(charts))
    if (length(drawn)) return(lapply(drawn, function(name) list(name = name, chart = charts[[name]])))
    title <- names(groups)[at]
    if (!length(title) || !nzchar(title)) title <- if (length(names) > 1L) split_role(names[1L])$base else names
    list(series_panel(title, histories[names]))
  })
  panels <- unlist(panels, recursive = FALSE)
  shown <- unlist(lapply(groups, intersect, names(histories)))
  none <- data.frame(name = character(), step = double(), value = double(), time = .POSIXct(double()))
  history <- do.call(rbind, unname(histories[unique(shown)]))
  if (!is.null(history)) history <- history[is.finite(history$value), names(none), drop = FALSE]
  list(panels = panels, history = history %||% none)
}

check_metrics <- function(metrics) {
  names <- if (is.list(metrics)) unlist(metrics) else metrics
  each <- if (is.list(metrics)) all(vapply(metrics, is.character, NA)) else TRUE
  if (!is.null(metrics) && (!each || !is.character(names) || !length(names) || anyNA(names))) {
    abort_argument("metrics", "names of metrics, or a list of them", metrics)
  }
}

refuse_metric <- function(problem, known, argument = "metrics") {
  espalier_abort(
    "bad_argument", problem,
    if (length(known)) sprintf("Its metrics: %s; choose with %s =.", paste(known, collapse = ", "), argument)
    else "Log one in the script, several times: log_metric_to_run(\"loss\", loss, step = i)."
  )
}

#' Of runs that failed, and so have nothing to draw, show how to see why
#' @noRd
refuse_failed <- function(status) {
  failed <- sum(status == "Failed", na.rm = TRUE)
  if (!failed) return(invisible())
  if (length(status) == 1L) {
    espalier_abort("bad_argument", "Can't plot the run: it failed before it logged a metric.",
                   "print(run) shows the error, get_run_log(run) the log.")
  }
  espalier_abort(
    "bad_argument", sprintf("Can't plot these runs: none logged a numeric metric, and %d of %d failed.", failed, length(status)),
    "list_runs(x, status == \"Failed\") shows their errors, get_run_log(run) the log of one."
  )
}

#' The charts of a run, the last of each name
#' @noRd
charts_of_run <- function(run) {
  values <- lapply(get_run_metrics(run), function(value) {
    if (is.list(value) && !is.object(value) && length(value)) value[[length(value)]] else value
  })
  Filter(function(value) inherits(value, "espalier_chart"), values)
}

# So many runs are laid over one another at most: more lines are a tangle.
.most_overlaid <- 20L

#' The histories of a metric in several runs, by the runs' labels; `NULL` if none has logged it more than once
#' @noRd
histories_of_runs <- function(runs, labels, metric) {
  histories <- lapply(runs, function(run) {
    history <- tryCatch(get_run_metric_history(run, metric), espalier_error = function(e) NULL)
    if (length(history) && is_drawable(history)) history
  })
  names(histories) <- make.unique(labels, " ")
  if (any(vapply(histories, NROW, 0L) > 1L)) histories
}
