#' Get the best run
#'
#' Use this after several runs to get the one with the largest or smallest value of a metric. Runs without the metric,
#' or with a value that isn't a number, are left out. Of equal runs it returns the oldest.
#'
#' @param x A [workspace()] or an [experiment()]; a list of runs, as [submit_grid()] and [get_child_runs()] return it;
#'   or a run, for the best of the runs below it.
#' @param metric String: name of the metric.
#' @param maximize Logical. `TRUE`, the default, takes the largest value, `FALSE` the smallest, as of a loss.
#' @param which String: which value counts if a run logged the metric more than once. `"last"`, the default, is that of
#'   the finished model in most scripts. `"best"` is the largest (or smallest) it ever had, `"first"` the first.
#' @param status String: only runs in this state count. Default: `"Completed"`. `NULL`: all.
#' @param include_children Logical: whether runs with a parent count too, if `x` is a workspace or an experiment.
#'   Default: `FALSE`.
#' @param ... Not used. An argument that `best_run()` doesn't have is an error.
#' @return A `Run` object.
#' @section Errors:
#' * `espalier_error_run_missing`: none of the runs has a value.
#' * `espalier_error_bad_filter`: no run of the workspace has the metric, but some have others.
#' @seealso [list_runs()], which sorts and filters by metrics; [submit_grid()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' exp <- experiment(ws, "by-hand")
#' for (rate in c(0.1, 0.5)) {
#'   run <- start_logging_run(exp)
#'   for (i in 1:5) log_metric_to_run("loss", abs(3 - i) * rate)
#'   complete_run(run)
#' }
#' best_run(exp, "loss", maximize = FALSE)
#' best_run(ws, "loss", maximize = FALSE, which = "best")
#' @export
best_run <- function(x, metric, maximize = TRUE, which = "last", status = "Completed", include_children = FALSE, ...) {
  if (missing(x)) abort_missing("x")
  check_string(quoted_metric(metric, substitute(metric)), "metric")
  if ("goal" %in% names(list(...))) {
    espalier_abort("bad_argument", "best_run() has no argument `goal`.", "Use maximize = FALSE for the smallest value.", argument = "goal")
  }
  refuse_unknown_options(names(list(...)) %||% rep("", ...length()), setdiff(names(formals(best_run)), "..."))
  check_flag(maximize, "maximize")
  check_choice(which, c("last", "best", "first"), "which")
  check_string(status, "status", null = TRUE)
  check_flag(include_children, "include_children")
  best <- function(workspace, ...) workspace$runs$best(metric, maximize, which, include_children = include_children, status = status, ...)
  if (inherits(x, "Workspace")) return(best(x))
  if (inherits(x, "Experiment")) return(best(x$workspace, experiment = x$name))
  if (inherits(x, "Run")) return(best(workspace_of(x), parent = x$id))
  if (!is.list(x) || !length(x) || !all(vapply(unclass(x), inherits, NA, "Run"))) {
    abort_argument("x", "a workspace, an experiment, a run or a list of runs", x)
  }
  runs <- unclass(x)
  paths <- unique(vapply(runs, function(run) run$workspace_path, ""))
  if (length(paths) > 1L) espalier_abort("bad_argument", "Can't compare runs of several workspaces.", "Give `x` the runs of one.",
                                         argument = "x")
  best(workspace_of(runs[[1L]]), run_ids = as.list(vapply(runs, function(run) run$id, "")))
}

#' A metric's name; of a name without quotes an error that shows it in quotes
#' @noRd
quoted_metric <- function(metric, expression) {
  if (missing(metric)) abort_missing("metric")
  tryCatch(metric, error = function(e) {
    if (!is.name(expression) && is.null(filter_field(expression))) stop(e)
    name <- sub("^metrics?[._$]", "", gsub("`", "", deparse1(expression), fixed = TRUE))
    espalier_abort("bad_argument", sprintf("`metric` must be one string, and there is no object `%s`.", deparse1(expression)),
                   sprintf("Write the name in quotes: best_run(x, \"%s\").", name), argument = "metric")
  })
}

workspace_of <- function(run) Workspace$new(identity = c(path = run$workspace_path))
