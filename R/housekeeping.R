# What becomes of ended runs: deleted, archived, chosen by rules, exported and imported.

#' Delete runs or an experiment
#'
#' Use these to free disk space: they delete ended runs for good, with the runs below them. `dry_run = TRUE` lists them
#' first. An interactive session asks before it deletes more than one run. An explicit `dry_run = FALSE` deletes without a
#' question, as a script does.
#'
#' A run that hasn't ended is refused, and so is a run that it needs. The files of snapshots stay until
#' [collect_garbage()], because other runs may share them. If R is killed meanwhile, each run is there whole or not at
#' all.
#'
#' @param run A run, or a list of runs of one workspace. With `workspace` also ids, or a table that [list_runs()]
#'   returned.
#' @param experiment An [experiment()]. Its archived runs are deleted too.
#' @param dry_run Logical: whether to list the runs only. Default: `FALSE`.
#' @param workspace The [workspace()] of the runs, if they are given by ids or as a table. Default: that of the runs.
#' @param x The result of one of these functions.
#' @param n Number of rows to print. Default: 10.
#' @param ... Not used.
#' @return A data frame of class `espalier_deletion`, invisibly unless `dry_run`. Columns: `run_id`, `experiment`,
#'   `status`, `size` in bytes, `why` it goes, `needed_by` (ended runs that stay and have read its outputs or depended
#'   on it), and whether it was `deleted`.
#' @section Errors: Nothing is deleted then.
#' * `espalier_error_run_in_use`: a run hasn't ended, or one that hasn't ended needs it.
#' * `espalier_error_run_missing`: the workspace doesn't have a run.
#' * `espalier_error_newer_format`: a newer version of espalier wrote a run.
#' * `espalier_error_workspace_read_only`: the workspace can't be written.
#' @seealso [archive_run()] hides runs and keeps them; [prune_runs()] chooses runs by rules; [export_runs()],
#'   [delete_workspace()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "first"))
#' complete_run(run)
#' delete_run(run, dry_run = TRUE)
#' delete_run(run)
#' complete_run(start_logging_run(experiment(ws, "first")))
#' delete_experiment(experiment(ws, "first"))
#' @export
delete_run <- function(run, workspace = NULL, dry_run = FALSE) {
  chosen <- runs_of_one_workspace(run, "run", workspace)
  check_flag(dry_run, "dry_run")
  delete <- function(dry_run) deletion(chosen$housekeeping$delete_runs(chosen$ids, dry_run), dry_run)
  if (missing(dry_run)) delete_if_agreed(delete) else delete(dry_run)
}

#' @rdname delete_run
#' @export
delete_experiment <- function(experiment, dry_run = FALSE) {
  check_object(experiment, "Experiment", "experiment")
  check_flag(dry_run, "dry_run")
  delete <- function(dry_run) {
    deletion(experiment$workspace$housekeeping$delete_experiment(experiment$name, dry_run), dry_run)
  }
  of <- sprintf(" of experiment \"%s\"", experiment$name)
  if (missing(dry_run)) delete_if_agreed(delete, of) else delete(dry_run)
}

#' Delete runs; where a user sits before the session and several go, only with their consent
#'
#' @param delete Deletes them, or lists them only.
#' @param of Whose runs they are, in the question.
#' @noRd
delete_if_agreed <- function(delete, of = "") {
  if (!interactive()) return(delete(FALSE))
  found <- delete(TRUE)
  if (nrow(found) < 2L) return(delete(FALSE))
  print(found)
  if (agrees(sprintf("Delete %s%s?", number_of(nrow(found), "run"), of), default = FALSE)) return(delete(FALSE))
  invisible(found)
}

#' Archive and restore runs
#'
#' Use these to hide old runs without deleting them. Archived runs, and the runs below them, are left out by
#' [list_runs()] and [get_runs_in_experiment()] unless `include_archived = TRUE`. They can be read, compared and used as
#' inputs as before.
#'
#' @inheritParams delete_run
#' @return The ids of the runs that changed, invisibly: a character vector.
#' @section Errors:
#' * `espalier_error_run_in_use`: a run hasn't ended.
#' * `espalier_error_run_missing`: the workspace doesn't have a run.
#' * `espalier_error_workspace_read_only`: the workspace can't be written.
#' @seealso [delete_run()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "first"))
#' complete_run(run)
#' archive_run(run)
#' list_runs(ws)
#' list_runs(ws, include_archived = TRUE)$archived_at
#' restore_run(run)
#' @export
archive_run <- function(run, workspace = NULL) {
  chosen <- runs_of_one_workspace(run, "run", workspace)
  changed <- as.character(unlist(chosen$housekeeping$archive_runs(chosen$ids)))
  say("Archived {.val {length(changed)}} run{?s}. list_runs(include_archived = TRUE) shows them.")
  invisible(changed)
}

#' @rdname archive_run
#' @export
restore_run <- function(run, workspace = NULL) {
  chosen <- runs_of_one_workspace(run, "run", workspace)
  changed <- as.character(unlist(chosen$housekeeping$restore_runs(chosen$ids)))
  say("Restored {.val {length(changed)}} run{?s}.")
  invisible(changed)
}

#' Prune old runs by rules
#'
#' Use this to free disk space by rules: it lists the ended runs that may go, with the runs below them, their sizes and
#' the reasons. With `dry_run = FALSE` it deletes them, as [delete_run()] does.
#'
#' A run goes if all conditions (`older_than`, `status`, `larger_than`, `filter`) hold for it, and no rule (`keep_last`,
#' `keep_best`, `keep_tagged`) keeps it or a run below it. It also stays while a run that stays depends on it or has
#' read its outputs. At least one rule besides `keep_tagged` is needed. If all runs stay, a warning gives the reasons.
#'
#' @param x A [workspace()] or an [experiment()].
#' @param older_than Only runs that ended before that time: `"90 days"`, a `difftime`, a date or a time. Default: all.
#' @param status Character vector: only runs that ended so, `"Completed"`, `"Failed"`, `"Canceled"` or `"Damaged"`.
#'   Default: all.
#' @param larger_than Only runs that take more space with the runs below them: `"1 GB"`, or a number of bytes. Default:
#'   all.
#' @param filter Condition that the runs must meet, as in [list_runs()]. Default: all runs.
#' @param keep_last Number of runs to keep of each experiment: the newest that have ended and aren't archived. Default:
#'   none.
#' @param keep_best Metric by which the best runs of each experiment are kept: `"AUC"`, or `c(metric = "loss", n = 3,
#'   goal = "min")`. By default `n` is 1 and `goal` is `"max"`. Both the best of all ended runs and those that
#'   [best_run()] chooses from are kept. Values that aren't numbers don't count.
#' @param keep_tagged Logical: whether runs with tags are kept. Default: `TRUE`.
#' @param dry_run Logical: `TRUE`, the default, lists the runs only. `FALSE` deletes them.
#' @return A data frame of class `espalier_deletion`, see [delete_run()], invisibly with `dry_run = FALSE`.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument is wrong, or no rule is given.
#' * `espalier_error_bad_filter`: `filter` can't be read.
#' * `espalier_error_run_in_use`: a run came into use meanwhile.
#' * `espalier_error_workspace_read_only`: the workspace can't be written.
#' @seealso [collect_garbage()] frees the snapshots of deleted runs.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' for (auc in c(0.7, 0.9, 0.8)) {
#'   run <- start_logging_run(experiment(ws, "first"))
#'   log_metric_to_run("AUC", auc)
#'   complete_run(run)
#' }
#' prune_runs(ws, keep_last = 1, keep_best = "AUC")
#' prune_runs(ws, keep_last = 1, keep_best = "AUC", dry_run = FALSE)
#' @export
prune_runs <- function(x, older_than = NULL, status = NULL, larger_than = NULL, filter = NULL, keep_last = NULL,
                            keep_best = NULL, keep_tagged = TRUE, dry_run = TRUE) {
  if (missing(x)) abort_missing("x")
  if (!inherits(x, c("Experiment", "Workspace"))) abort_argument("x", "a workspace or an experiment", x)
  filter <- filter_text(substitute(filter), parent.frame())
  of_experiment <- inherits(x, "Experiment")
  workspace <- if (of_experiment) x$workspace else x
  keep_best <- best_rule(keep_best)
  found <- workspace$housekeeping$prune_runs(
    experiment = if (of_experiment) x$name, status = status %||% character(),
    older_than = time_text(older_than, "older_than"), larger_than = byte_text(larger_than, "larger_than"),
    filter = filter, keep_last = keep_last, keep_best = keep_best,
    keep_tagged = keep_tagged, dry_run = check_flag(dry_run, "dry_run")
  )
  if (dry_run && nrow(found)) attr(found, "judged") <- metric_of_runs(workspace, keep_best$metric, found$run_id)
  deletion(found, dry_run)
}

#' Export runs to a file and import them
#'
#' Use these to move runs to another workspace or machine, or to keep a copy. `export_runs()` writes ended runs to one
#' zip file, with the runs below them and their snapshots. `import_runs()` reads it, and the runs keep their ids.
#'
#' The file holds records, logs, metrics and artifacts. Secrets, the job's variables and working copies (`keep_workdir`)
#' stay out. So do links, pipes, and names that can't lie side by side on every file system, with a warning.
#'
#' An import checks the whole file before it writes anything. Each run then appears whole or not at all. If the
#' workspace has a run already, it is left as it is with equal content, and the import is refused with other content.
#' `get_run_details(run)$imported` names the workspace that a run is from.
#'
#' @param runs A run, or a list of runs of one workspace. With `workspace` also ids, or a table that [list_runs()]
#'   returned.
#' @param path String: path of the zip file.
#' @param overwrite Logical: whether an existing file is replaced. Links, devices and folders never are. Default:
#'   `FALSE`.
#' @param workspace The [workspace()] that gets the runs. For `export_runs()` that of the runs, if they are given by ids
#'   or as a table.
#' @param max_size Size that the file may unpack to: `"5 GB"`, or a number of bytes. Default: 1 GB, or 100 times the
#'   file's own size if that is more.
#' @return A data frame with a row for each run, invisibly. `export_runs()`: `run_id`, `experiment`, `files`, `size` in
#'   bytes, and the number of files `left_out`. `import_runs()`: `run_id`, `experiment`, `status`, `files`, `size`, and
#'   whether the run was `imported`, or `FALSE` if it was there.
#' @section Errors: Nothing is imported then.
#' * `espalier_error_run_in_use`: a run hasn't ended.
#' * `espalier_error_file_exists`: the file exists.
#' * `espalier_error_snapshot_damaged`: a snapshot of a run is damaged.
#' * `espalier_error_archive_invalid`: the file was changed, or was made to do harm.
#' * `espalier_error_run_exists`: the workspace has a run of that id with other content.
#' * `espalier_error_newer_format`: a newer version of espalier wrote the file.
#' @seealso [delete_run()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "first"))
#' log_metric_to_run("AUC", 0.9)
#' complete_run(run)
#' file <- tempfile(fileext = ".zip")
#' export_runs(run, file)
#' other <- workspace("other", path = tempfile())
#' import_runs(other, file)
#' get_run_metrics(get_run(other, run$id))
#' @export
export_runs <- function(runs, path, workspace = NULL, overwrite = FALSE) {
  chosen <- runs_of_one_workspace(runs, "runs", workspace)
  path <- path_argument(check_string(path, "path"))
  table <- chosen$housekeeping$export_runs(chosen$ids, path, check_flag(overwrite, "overwrite"))
  say("Exported {number_of(nrow(table), 'run')} to {.path {path}}, {format_bytes(file.size(path))}.")
  left <- sum(table$left_out)
  if (left) {
    why <- "links, pipes, or names that can't lie side by side on every file system."
    say_warning(sprintf("Left out %s: %s", number_of(left, "file"), why))
  }
  invisible(table)
}

#' @rdname export_runs
#' @export
import_runs <- function(workspace, path, max_size = NULL) {
  check_object(workspace, "Workspace", "workspace")
  path <- path_argument(check_string(path, "path"))
  table <- workspace$housekeeping$import_runs(path, byte_text(max_size, "max_size"))
  there <- sum(!table$imported)
  say(c(
    "Imported {number_of(sum(table$imported), 'run')} into {.path {workspace$path}}.",
    i = if (there) "Already there, with equal content: {number_of(there, 'run')}."
  ))
  invisible(table)
}

#' @rdname delete_run
#' @export
print.espalier_deletion <- function(x, n = 10L, ...) {
  columns <- c("run_id", "experiment", "status", "size", "why", "needed_by", "deleted")
  if (!is_as_returned(x, columns)) {
    print_plain(x, ..., always = chosen_columns(x, columns))
    return(invisible(x))
  }
  does <- if (any(x$deleted)) "deleted" else "may go"
  cat(header("Deletion", facts = if (nrow(x)) c(paste(number_of(nrow(x), "run"), does), format_bytes(sum(x$size))) else "no run may go"), "\n", sep = "")
  if (!nrow(x)) return(invisible(x))
  shown <- utils::head(as.data.frame(x), n)
  judged <- attr(x, "judged")[shown$run_id]
  metric <- if (length(judged)) paste0(format(ifelse(is.na(judged), "", judged)), "  ") else ""
  cat(sprintf("  %s  %s  %s  %s%s\n", format(shown$run_id), format(shown$status),
              format(format_bytes(shown$size), justify = "right"), shown_path(metric), shown_path(shown$why)), sep = "")
  if (nrow(x) > n) cat(sprintf("  ... and %d more; as.data.frame() has all.\n", nrow(x) - as.integer(n)))
  needed <- sum(!is.na(x$needed_by))
  if (needed) cat(sprintf("Runs that stay have read %s of these; see `needed_by`.\n", number_of(needed, "run")))
  if (!any(x$deleted)) cat("Nothing was deleted; dry_run = FALSE does it.\n")
  invisible(x)
}

#' @export
as.data.frame.espalier_deletion <- function(x, ...) plain_frame(x)

#' The table of a deletion, shown where it was only a look
#' @noRd
deletion <- function(table, dry_run) {
  table <- returned_table(table, "espalier_deletion")
  if (dry_run) return(table)
  say("Deleted {number_of(nrow(table), 'run')}, {format_bytes(sum(table$size))}.")
  invisible(table)
}

#' The ids of runs, and the housekeeping of their workspace
#' @noRd
runs_of_one_workspace <- function(runs, arg, workspace) {
  if (missing(runs)) abort_missing(arg)
  if (!is.null(workspace)) check_object(workspace, "Workspace", "workspace")
  if (is.data.frame(runs) && !is.null(runs$run_id)) runs <- as.character(runs$run_id)
  if (is.character(runs)) {
    hint <- "Ids need their workspace: workspace = ws."
    if (is.null(workspace)) abort_argument(arg, "a run or a list of runs", runs, hint = hint)
    return(list(housekeeping = workspace$housekeeping, ids = check_strings(runs, arg)))
  }
  found <- group_runs(check_runs(runs, arg))
  if (length(found$groups) != 1L) abort_argument(arg, "a run or a list of runs of one workspace", runs)
  list(housekeeping = found$groups[[1L]]$workspace$housekeeping, ids = found$ids)
}

#' The values of the metric by which runs were chosen, as text by their ids
#' @noRd
metric_of_runs <- function(workspace, metric, ids) {
  if (is.null(metric)) return(NULL)
  table <- workspace$runs$list(include_children = TRUE, include_archived = TRUE, run_ids = as.list(ids))
  values <- table[[paste0("metric_", metric)]]
  if (is.null(values)) return(NULL)
  text <- paste(metric, vapply(values, function(value) format(value, digits = 4L), ""))
  stats::setNames(ifelse(is.na(values), paste("no", metric), text), table$run_id)
}

#' Which runs are kept by a metric, as the core has it; a bare text is the name of the metric
#' @noRd
best_rule <- function(x) {
  if (!is.null(x) && is.null(names(x)) && !is_string(x)) {
    abort_argument("keep_best", "a metric with the number of runs", x, hint = "For example: keep_best = c(metric = \"AUC\", n = 2)")
  }
  if (is_string(x) && is.null(names(x))) x <- c(metric = x)
  if (!is.null(x)) lapply(as.list(x), as.character)
}

#' A time before now as the core's filters write it
#' @noRd
time_text <- function(x, arg) {
  if (inherits(x, "difftime")) return(sprintf("%.0f seconds", check_number(as.numeric(x, units = "secs"), arg, min = 0)))
  if (inherits(x, c("Date", "POSIXt"))) return(format(as.POSIXct(x), "%Y-%m-%dT%H:%M:%SZ", tz = "UTC"))
  check_string(x, arg, null = TRUE)
}

#' A size as text: what the user wrote, or bytes
#' @noRd
byte_text <- function(x, arg) {
  if (is.numeric(x)) return(sprintf("%.0f", check_number(x, arg, min = 0)))
  check_string(x, arg, null = TRUE)
}
