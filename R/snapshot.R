# Snapshots outside of runs: previewed, taken and kept, written out again; and what nobody needs any more.

#' Preview a snapshot
#'
#' Use it before a submit, to see which files of a folder [submit_experiment()] or [take_snapshot()] would store. It
#' lists them, and the files that stay out with the rule for it. It writes nothing and reads no content.
#'
#' @section Files that stay out:
#' The rules are in two files at the top of the folder: `.gitignore` (or `.amlignore` in its place), then
#' `.espalierignore`. Patterns are git's, and the last one that matches decides. A line `!/data/` in `.espalierignore`
#' takes in what `.gitignore` leaves out, and changes nothing for git.
#'
#' The built-in excludes come before these rules: `.git`, `.Rproj.user`, `.RData`, `.Rhistory`, libraries of renv and
#' packrat, virtual environments, caches, workspaces, `outputs/` and `logs/` at the top, and files with names of
#' secrets, such as `.Renviron`, `.env` and `*.pem`. `vignette("secrets")` lists more of them. The contents of files
#' aren't searched.
#'
#' A line `!name` takes one of these in again. `default_excludes = FALSE` switches off all built-in excludes and the
#' rules of `.gitignore` for one call. A first line `!*` in `.espalierignore` does the same for every verb. The lines
#' below it still apply. Write `/.espalier/` there if the workspace is in the folder.
#'
#' @section Links:
#' A link that stays inside the folder is stored as a link. `outside_links` decides about a link that leads out of it,
#' or has an absolute path:
#'
#' * `"refuse"` is an error with the name of the link.
#' * `"keep"` stores the link. The job follows it to the original, and may write there. A relative link leads elsewhere
#'   from the job's copy of the folder. A note names these.
#' * `"copy"` stores the file or folder that it leads to. The ignore rules apply to it, by the names of the link and of
#'   the original. A link to a folder that contains the link is refused.
#'
#' @param path Path of the folder.
#' @param default_excludes `TRUE` (the default) applies the built-in excludes.
#' @param outside_links String: what happens to links that lead out of the folder, `"refuse"` (the default), `"keep"` or
#'   `"copy"`, see [preview_snapshot()]. The option `espalier.outside_links` changes the default.
#' @param x,object A preview of `preview_snapshot()`.
#' @param n Number of files and rules to show.
#' @param ... Ignored.
#' @return A data frame of class `espalier_snapshot_preview` with the columns `path`, `size` in bytes (`NA` for
#'   folders), `included`, and `rule` with the place where it is written. A folder that stays out is one row, with a `/`
#'   at its end. Printing it, or `summary()`, shows the sums, the largest files, and the files that stay out.
#' @section Errors:
#' * `espalier_error_source_missing`: the folder doesn't exist.
#' * `espalier_error_source_unreadable`: a file can't be read, or no snapshot can hold it.
#' @seealso [take_snapshot()]
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' dir.create(folder)
#' writeLines("print(1)", file.path(folder, "train.R"))
#' writeLines("TOKEN=abc", file.path(folder, ".env"))
#' preview <- preview_snapshot(folder)
#' preview
#' preview$path[preview$included]
#' @export
preview_snapshot <- function(path, default_excludes = TRUE, outside_links = getOption("espalier.outside_links", "refuse")) {
  path <- path_argument(check_string(path, "path"))
  found <- Snapshots__preview(
    path, check_flag(default_excludes, "default_excludes"), check_string(outside_links, "outside_links")
  )
  returned_table(found, "espalier_snapshot_preview", dir = path)
}

#' @rdname preview_snapshot
#' @export
summary.espalier_snapshot_preview <- function(object, n = 5L, ...) {
  included <- as.data.frame(object)[object$included, c("path", "size")]
  largest <- utils::head(included[order(-included$size), ], n)
  rownames(largest) <- NULL
  structure(
    list(dir = attr(object, "dir"), files = nrow(included), bytes = sum(included$size), largest = largest,
         left_out = left_out_by_rule(object[!object$included, ])),
    class = "summary.espalier_snapshot_preview"
  )
}

# A row a rule: how many paths it leaves out, and the first of them.
left_out_by_rule <- function(x) {
  groups <- split(x$path, factor(x$rule, unique(x$rule)))
  data.frame(
    rule = names(groups), paths = lengths(groups, use.names = FALSE),
    first = vapply(groups, function(paths) paths[[1L]], "", USE.NAMES = FALSE), stringsAsFactors = FALSE
  )
}

#' @export
print.summary.espalier_snapshot_preview <- function(x, n = 10L, ...) {
  cat(header("Snapshot preview", shown_path(x$dir), c(number_of(x$files, "file"), format_bytes(x$bytes))), "\n", sep = "")
  if (nrow(x$largest)) {
    cat("  largest:\n")
    cat(sprintf("    %s  %s\n", format(format_bytes(x$largest$size), justify = "right"), shown_path(x$largest$path)), sep = "")
  }
  if (nrow(x$left_out)) {
    shown <- utils::head(x$left_out, n)
    more <- ifelse(shown$paths > 1L, sprintf(" and %d more", shown$paths - 1L), "")
    cat("  left out:\n")
    cat(sprintf("    %s  by %s\n", format(paste0(shown_path(shown$first), more)), shown_path(shown$rule)), sep = "")
    if (nrow(x$left_out) > n) cat(sprintf("    ... and by %s\n", number_of(nrow(x$left_out) - n, "more rule")))
  }
  invisible(x)
}

#' @rdname preview_snapshot
#' @export
print.espalier_snapshot_preview <- function(x, n = 10L, ...) {
  columns <- c("path", "size", "included", "rule")
  if (!is_as_returned(x, columns)) {
    print_plain(x, ..., always = chosen_columns(x, columns))
    return(invisible(x))
  }
  print(summary(x, n = min(n, 5L)), n = n)
  invisible(x)
}

#' @export
as.data.frame.espalier_snapshot_preview <- function(x, ...) plain_frame(x)

# Without a class of ours and what hangs on it.
plain_frame <- function(x) {
  attr(x, "row.names") <- .set_row_names(nrow(x))
  attributes(x) <- attributes(x)[c("names", "row.names")]
  class(x) <- "data.frame"
  x
}

#' Take a snapshot
#'
#' Use it to keep a folder as it is now, without a run. `list_snapshots()` lists the kept snapshots, and
#' `delete_snapshot()` gives one up. The next [collect_garbage()] then removes the files that no run has.
#'
#' @param workspace A [workspace()].
#' @inheritParams preview_snapshot
#' @param snapshot String: the id of a snapshot.
#' @return `take_snapshot()` returns the snapshot's id, `"sha256:..."`, invisibly. It is a digest of names and contents,
#'   so equal folders have equal ids. `list_snapshots()` returns a data frame with `id`, `taken_at`, `source_directory`,
#'   `files` and `bytes`. `delete_snapshot()` returns whether the snapshot was kept, invisibly.
#' @section Errors:
#' * `espalier_error_source_missing`, `espalier_error_source_unreadable`: as in [preview_snapshot()].
#' * `espalier_error_source_changed`: a file kept changing meanwhile.
#' * `espalier_error_workspace_read_only`: the workspace can't be written.
#' * `espalier_error_bad_argument`: `snapshot` isn't an id.
#' @seealso [preview_snapshot()], [compare_snapshots()], [download_snapshot()]
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' dir.create(folder)
#' writeLines("print(1)", file.path(folder, "train.R"))
#' ws <- workspace("example", path = tempfile())
#' before <- take_snapshot(ws, folder)
#' list_snapshots(ws)[c("id", "files", "bytes")]
#' delete_snapshot(ws, before)
#' @export
take_snapshot <- function(workspace, path, default_excludes = TRUE,
                          outside_links = getOption("espalier.outside_links", "refuse")) {
  check_object(workspace, "Workspace", "workspace")
  path <- path_argument(check_string(path, "path"))
  result <- workspace$snapshots$take_values(
    path, check_flag(default_excludes, "default_excludes"), check_string(outside_links, "outside_links")
  )
  for (note in unlist(result$notes)) inform_once(note, note, "note")
  files <- number_of(result$files, "file")
  size <- format_bytes(result$bytes)
  say("Snapshot of {.path {result$source_directory}}: {files}, {size}, {result$id}")
  invisible(result$id)
}

#' @rdname take_snapshot
#' @export
list_snapshots <- function(workspace) {
  check_object(workspace, "Workspace", "workspace")
  workspace$snapshots$list()
}

#' @rdname take_snapshot
#' @export
delete_snapshot <- function(workspace, snapshot) {
  check_object(workspace, "Workspace", "workspace")
  invisible(workspace$snapshots$delete(check_string(snapshot, "snapshot")))
}

#' Download a snapshot
#'
#' Use it to get the code of a run back. Each file is verified by its digest. The folder appears whole or not at all,
#' and nothing is overwritten.
#'
#' @param snapshot A run, or the id of a snapshot as a string.
#' @param path Path of the new folder. It may exist if it is empty.
#' @param workspace The [workspace()] of an id. A run needs none.
#' @return The path of the folder, invisibly.
#' @section Errors:
#' * `espalier_error_file_exists`: the folder isn't empty.
#' * `espalier_error_snapshot_missing`: the run has no snapshot, or the workspace doesn't have this one.
#' * `espalier_error_snapshot_damaged`: a stored file doesn't match its digest.
#' * `espalier_error_bad_argument`: `snapshot` isn't an id, or the folder can't be written.
#' @seealso [take_snapshot()], [compare_snapshots()]
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' dir.create(folder)
#' writeLines("print(1)", file.path(folder, "train.R"))
#' ws <- workspace("example", path = tempfile())
#' run <- submit_experiment(experiment(ws, "first"), estimator(folder, entry_script = "train.R"))
#' wait_for_run_completion(run, show_output = FALSE)
#' list.files(download_snapshot(run, tempfile()))
#' @export
download_snapshot <- function(snapshot, path, workspace = NULL) {
  path <- path_argument(check_string(path, "path"))
  side <- stored_side(snapshot, "snapshot", workspace)
  invisible(Workspace$new(identity = c(path = side$workspace))$snapshots$download(side$snapshot, path))
}

# Where a snapshot is and what it is called there.
stored_side <- function(x, arg, workspace) {
  if (missing(x)) abort_missing(arg)
  if (inherits(x, "Run")) {
    check_object(x, "Run", arg)
    return(list(workspace = x$workspace_path, snapshot = x$id))
  }
  if (!is_string(x)) abort_argument(arg, "a run or the id of a snapshot", x)
  if (is.null(workspace)) {
    espalier_abort("bad_argument", sprintf("Can't find the snapshot of `%s`: an id needs its workspace.", arg),
                   "Give it as workspace =.", argument = arg)
  }
  check_object(workspace, "Workspace", "workspace")
  list(workspace = workspace$path, snapshot = x)
}

#' Remove unused stored files
#'
#' Use it to free disk space after you deleted runs or snapshots. It lists stored files that no run and no kept snapshot
#' needs, and half-written files of killed processes that are a day old. `dry_run = FALSE` deletes them. Other sessions
#' may submit meanwhile.
#'
#' @param workspace A [workspace()].
#' @param dry_run `TRUE` (the default) only lists. `FALSE` deletes.
#' @param x A table of `collect_garbage()`.
#' @param n Number of rows to show.
#' @param ... Ignored.
#' @return A data frame of class `espalier_garbage` with the columns `what`, `path` in the workspace, `size`, `why` and
#'   `deleted`. `size` is the number of bytes that deleting it frees.
#' @section Errors:
#' * `espalier_error_snapshot_damaged`, `espalier_error_damaged`, `espalier_error_newer_format`: the needs of a run or
#'   snapshot can't be read. Nothing is deleted.
#' * `espalier_error_workspace_read_only`: the workspace can't be written.
#' * `espalier_error_not_supported`: the file system has no locks.
#' @seealso [delete_snapshot()], [delete_workspace()]
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' dir.create(folder)
#' writeLines("print(1)", file.path(folder, "train.R"))
#' ws <- workspace("example", path = tempfile())
#' delete_snapshot(ws, take_snapshot(ws, folder))
#' collect_garbage(ws)
#' collect_garbage(ws, dry_run = FALSE)
#' @export
collect_garbage <- function(workspace, dry_run = TRUE) {
  check_object(workspace, "Workspace", "workspace")
  found <- workspace$snapshots$collect_garbage(check_flag(dry_run, "dry_run"))
  returned_table(found, "espalier_garbage", dry_run = dry_run)
}

#' @rdname collect_garbage
#' @export
print.espalier_garbage <- function(x, n = 10L, ...) {
  columns <- c("what", "path", "size", "why", "deleted")
  if (!is_as_returned(x, columns)) {
    print_plain(x, ..., always = chosen_columns(x, columns))
    return(invisible(x))
  }
  if (!nrow(x)) {
    cat(header("Garbage", facts = "none, everything stored is in use"), "\n", sep = "")
    return(invisible(x))
  }
  amount <- function(rows) paste0(number_of(sum(rows), "item"), ", ", format_bytes(sum(x$size[rows])))
  dry <- isTRUE(attr(x, "dry_run"))
  left <- !x$deleted
  facts <- c(if (any(x$deleted)) paste("deleted", amount(x$deleted)), if (any(left)) paste0(if (!dry) "not deleted ", amount(left)))
  cat(header("Garbage", facts = facts), "\n", sep = "")
  shown <- utils::head(as.data.frame(x), n)
  cat(sprintf("  %s  %s  %s\n", format(shown$what), format(format_bytes(shown$size), justify = "right"),
              gsub("([0-9a-f]{12})[0-9a-f]{20,}", "\\1...", shown_path(shown$path))), sep = "")
  if (nrow(x) > n) cat(sprintf("  ... and %d more; as.data.frame() has all, and why.\n", nrow(x) - n))
  if (dry) cat("Nothing was deleted; dry_run = FALSE does it.\n")
  invisible(x)
}

#' @export
as.data.frame.espalier_garbage <- function(x, ...) plain_frame(x)

# ---- how sizes, numbers and names are shown ---------------------------------------------------------

format_bytes <- function(x) {
  power <- pmin(floor(log(pmax(x, 1, na.rm = TRUE), 1024)), 4)
  digits <- ifelse(power == 0, 0L, 1L)
  text <- sprintf("%.*f %s", digits, x / 1024^power, c("B", "kB", "MB", "GB", "TB")[power + 1])
  text[is.na(x)] <- ""
  text
}

number_of <- function(n, noun) sprintf("%s %s%s", format(n, big.mark = ",", scientific = FALSE), noun, if (n == 1) "" else "s")

# A path for people: control characters, and those that turn the text around, do nothing.
shown_path <- function(x) {
  text <- enc2utf8(encodeString(enc2utf8(x)))
  gsub("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]", "\ufffd", text, perl = TRUE)
}
