# What becomes of ended runs: deleted, archived, chosen by rules, exported and imported.

#' Delete runs or an experiment
#'
#' Deletes ended runs for good, with the runs below them. Use `dry_run = TRUE` to see first what goes, or [archive_run()]
#' to hide runs and keep them. [prune_runs()] chooses runs by age, state and size.
#'
#' An interactive session asks first if more than one run goes. `dry_run = FALSE`, given by name, deletes without a question,
#' as a script does.
#'
#' A run that is queued or running is refused, and so is a run that it needs. The files of snapshots go when
#' [collect_garbage()] is called, because other runs may share them. If R is killed meanwhile, each run is there whole or
#' not at all.
#'
#' @param run A run, or a list of runs of one workspace. With `workspace` also ids, or a table that [list_runs()] returned.
#' @param experiment An [experiment()]. Its archived runs go too.
#' @param dry_run `TRUE` only lists what would go, `FALSE` deletes it.
#' @param workspace The workspace of the runs; needed for ids and tables.
#' @param x What one of these functions returned.
#' @param n How many rows to show.
#' @param ... Nothing.
#' @return A data frame of class `espalier_deletion`, invisibly unless `dry_run`: `run_id`, `experiment`, `status`, `size`
#'   in bytes, `why` it goes, `needed_by` (ended runs that stay, and have read its outputs or depended on it), and whether
#'   it was `deleted`.
#' @section Errors: `espalier_error_run_in_use` when a run has not ended, or is needed by one that has not;
#'   `espalier_error_run_missing`, `espalier_error_newer_format`, `espalier_error_workspace_read_only`. Nothing was deleted
#'   then.
#' @seealso [delete_workspace()], [export_runs()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "first"))
#' complete_run(run)
#' delete_run(run, dry_run = TRUE)
#' delete_run(list_runs(ws), workspace = ws)
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
#' An archived run, and the runs below it, leave the results of [list_runs()] and [get_runs_in_experiment()] unless these
#' are called with `include_archived = TRUE`. Nothing else changes: the run can be read, compared and used as an input.
#'
#' @inheritParams delete_run
#' @return The ids of the runs that changed, invisibly.
#' @section Errors: `espalier_error_run_in_use` when a run has not ended; `espalier_error_run_missing`,
#'   `espalier_error_workspace_read_only`.
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
#' Lists the ended runs of a workspace or an experiment that some rules let go, with the runs below them, their sizes and
#' the reasons. With `dry_run = FALSE` they are deleted as by [delete_run()].
#'
#' A run goes if all conditions (`older_than`, `status`, `larger_than`, `filter`) hold for it, and no rule (`keep_last`,
#' `keep_best`, `keep_tagged`) keeps it or a run below it. It also stays while a run that stays depends on it or has read
#' its outputs. At least one rule besides `keep_tagged` is needed. If all runs stay, a warning gives the reasons.
#'
#' @param x A [workspace()] or an [experiment()].
#' @param older_than Only runs that ended before then: `"90 days"`, a `difftime`, a date or a time.
#' @param status Only runs that ended so: `"Completed"`, `"Failed"`, `"Canceled"`, `"Damaged"`.
#' @param larger_than Only runs that take more space with the runs below them: `"1 GB"`, or a number of bytes.
#' @param filter Only runs for which this holds: a condition as in [list_runs()].
#' @param keep_last How many runs of each experiment are kept: the newest that have ended and aren't archived.
#' @param keep_best Which runs of each experiment are kept by a metric: `"AUC"`, or `c(metric = "AUC")`. `n` is their
#'   number (1), and `goal` is `"max"` (the default) or `"min"`. Kept are the best of all ended runs, and of those that
#'   [best_run()] chooses from. Values that aren't numbers don't count.
#' @param keep_tagged Whether runs with tags are kept.
#' @param dry_run `TRUE` only lists the runs, `FALSE` deletes them.
#' @return A data frame of class `espalier_deletion`, see [delete_run()]; invisibly with `dry_run = FALSE`.
#' @section Errors: `espalier_error_bad_argument`, also without any rule; `espalier_error_bad_filter`,
#'   `espalier_error_run_in_use`, `espalier_error_workspace_read_only`.
#' @seealso [collect_garbage()], which frees what snapshots of deleted runs took.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' for (auc in c(0.7, 0.9, 0.8)) {
#'   run <- start_logging_run(experiment(ws, "first"))
#'   log_metric_to_run("AUC", auc)
#'   complete_run(run)
#' }
#' prune_runs(ws, older_than = "90 days", status = "Failed")
#' prune_runs(ws, keep_last = 1, keep_best = c(metric = "AUC"))
#' prune_runs(ws, keep_last = 1, keep_best = c(metric = "AUC"), dry_run = FALSE)
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
#' `export_runs()` writes ended runs to one zip file, with the runs below them, the snapshots they refer to, and a list of
#' digests. `import_runs()` brings them into another workspace, on this machine or another, under their ids.
#'
#' The file holds records, logs, metrics and artifacts. It holds neither secrets nor the job's variables, nor working copies
#' (`keep_workdir`). Links, pipes, and names that can't lie side by side on every file system are left out, with a warning.
#'
#' An import checks the whole file before it writes anything, and then each run appears whole or not at all. A run that the
#' workspace has already with equal content is left as it is; with other content the import is refused. The details of an
#' imported run ([get_run_details()], `imported`) name the workspace that it is from.
#'
#' @param runs A run, or a list of runs of one workspace. With `workspace` also ids, or a table that [list_runs()] returned.
#' @param path The zip file.
#' @param overwrite Whether the file may exist already. Links, devices and folders are never replaced.
#' @param workspace The workspace that gets the runs. For `export_runs()` that of the runs; needed for ids and tables.
#' @param max_size What the file may unpack to: `"5 GB"`, or a number of bytes. Default: 1 GB, or 100 times its own size.
#' @return `export_runs()`: a data frame, invisibly: `run_id`, `experiment`, `files`, `size` in bytes, and how many are
#'   `left_out`. `import_runs()`: a data frame, invisibly: `run_id`, `experiment`, `status`, `files`, `size`, and whether
#'   the run was `imported` or was there.
#' @section Errors: `espalier_error_run_in_use` when a run has not ended; `espalier_error_file_exists`;
#'   `espalier_error_snapshot_damaged`. Of an import `espalier_error_archive_invalid` when the file was changed, or was made
#'   to do harm; `espalier_error_run_exists`; `espalier_error_newer_format`. Nothing was imported then.
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
