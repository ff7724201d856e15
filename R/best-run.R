#' Get the best run
#'
#' Finds the run with the largest or smallest value of a metric. Of several with the same value the one that was made first
#' is returned. Runs without the metric, or whose value is `NA`, `NaN` or text, are left out. The answer comes from the index of
#' runs, as that of [list_runs()], so it is fast for many runs.
#'
#' @param x A [workspace()] or an [experiment()]; a list of runs, as [get_runs_in_experiment()], [submit_grid()] and
#'   [get_child_runs()] return it; or a run, for the best of the runs below it.
#' @param metric Name of the metric.
#' @param maximize Whether the largest value is the best one. `FALSE` for the smallest, as of a loss.
#' @param which Which value counts of a metric that a run logged more than once: `"last"`, which is that of the finished
#'   model in most scripts, `"best"`, the largest (or smallest) it ever had, or `"first"`.
#' @param status Only runs in this state. By default only completed runs count; `NULL` for all.
#' @param include_children Of a workspace or an experiment also runs that have a parent.
#' @return A `Run` object.
#' @section Errors: `espalier_error_run_missing` if none of the runs has a value; `espalier_error_bad_filter` if no run of the
#'   workspace has the metric, but others.
#' @seealso [list_runs()], which sorts and filters by metrics.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' exp <- experiment(ws, "by-hand")
#' for (rate in c(0.1, 0.5)) {
#'   run <- start_logging_run(exp)
#'   for (i in 1:5) log_metric_to_run("loss", abs(3 - i) * rate)
#'   complete_run(run)
#' }
#' get_run_metrics(best_run(exp, "loss", maximize = FALSE))
#' best_run(ws, "loss", maximize = FALSE, which = "best")
#' best_run(get_runs_in_experiment(exp), "loss", maximize = FALSE, which = "first")
#' @export
best_run <- function(x, metric, maximize = TRUE, which = "last", status = "Completed", include_children = FALSE) {
  if (missing(x)) abort_missing("x")
  check_string(metric, "metric")
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
  if (length(paths) > 1L) espalier_abort("bad_argument", "The runs of `x` are of several workspaces.", "Give those of one.", argument = "x")
  best(workspace_of(runs[[1L]]), run_ids = as.list(vapply(runs, function(run) run$id, "")))
}

workspace_of <- function(run) Workspace$new(identity = c(path = run$workspace_path))
