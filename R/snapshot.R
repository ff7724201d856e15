# Snapshots outside of runs: previewed, taken and kept, written out again; and what nobody needs any more.

#' Preview a snapshot
#'
#' A dry run: lists what [submit_experiment()] or [take_snapshot()] would freeze of a folder, what they would leave out,
#' and by which rule. Nothing is written, no content is read.
#'
#' @section What stays out:
#' Two files at the folder's top are read: `.gitignore` (or `.amlignore` in its place), and then `.espalierignore`. The
#' patterns are git's, and the last one that matches decides. So a line `!/data/` in `.espalierignore` takes in what
#' `.gitignore` leaves out, and changes nothing for git. Before them the built-in excludes apply: `.git`, `.Rproj.user`, `.RData`, `.Rhistory`, libraries of renv and
#' packrat, virtual environments, caches, workspaces, `outputs/` and `logs/` at the top, and files whose names say that
#' they hold secrets, such as `.Renviron`, `.env` and `*.pem`. `vignette("secrets")` names more of them. The contents of
#' files are not searched.
#'
#' A line `!name` takes one of these in again. A first line `!*` in `.espalierignore` switches off all built-in excludes
#' and the rules of `.gitignore`, for every verb. What is written below it still stays out (`/.espalier/` should, if the workspace is in the folder).
#' `default_excludes = FALSE` does the same for one call.
#'
#' @section Links:
#' A link that stays inside the folder is stored as a link. One that leads out of it, or is an absolute path, is refused
#' with its name, unless `outside_links` (or the option `espalier.outside_links`) says otherwise:
#'
#' - `"keep"` stores it as it is. The job follows it to the original, and may write there. A relative one leads elsewhere
#'   from the job's own copy of the folder; there is a note about those.
#' - `"copy"` stores the file or folder it leads to, as if that lay there: the ignore rules apply to it, and the same files
#'   that often hold secrets stay out, also when only the name of what the link leads to says so. A link that leads to a
#'   folder it lies in itself is refused.
#'
#' The snapshot's id is of names and contents alone: the same whether a file lay there or was copied.
#'
#' @param path The folder.
#' @param default_excludes Whether the built-in excludes apply.
#' @param outside_links What becomes of links that lead out of the folder: `"refuse"`, `"keep"` or `"copy"`, see below.
#' @param x,object What `preview_snapshot()` returned.
#' @param n How many files and rules to show.
#' @param ... Nothing.
#' @return A data frame of class `espalier_snapshot_preview`: `path` (a folder that is left out is one row, with a `/` at
#'   its end), `size` in bytes (`NA` for folders), `included`, and `rule`, with where it is written. Printing it, or
#'   `summary()`, shows number and size, the largest files, and what is left out and why.
#' @section Errors: `espalier_error_source_missing`; `espalier_error_source_unreadable` for what no snapshot can hold.
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
#' `take_snapshot()` freezes a folder outside of any run, by the rules that [preview_snapshot()] describes. The snapshot is
#' kept until `delete_snapshot()`; its files then go with the next [collect_garbage()], unless a run has the same ones.
#' `list_snapshots()` lists what is kept. (The name `snapshot()` belongs to renv.)
#'
#' @param workspace A [workspace()].
#' @param path The folder.
#' @param default_excludes Whether the built-in excludes apply, see [preview_snapshot()].
#' @param outside_links What becomes of links that lead out of the folder: `"refuse"`, `"keep"` or `"copy"`, see
#'   [preview_snapshot()].
#' @param snapshot Id of a snapshot.
#' @return `take_snapshot()`: the snapshot's id, `"sha256:..."`, invisibly; it is a digest of all names and contents, so
#'   equal folders have equal ids. `list_snapshots()`: a data frame with `id`, `taken_at`, `source_directory`, `files` and
#'   `bytes`. `delete_snapshot()`: whether it was kept, invisibly.
#' @section Errors: `espalier_error_source_missing`, `espalier_error_source_unreadable`, `espalier_error_source_changed`,
#'   `espalier_error_workspace_read_only`; `espalier_error_bad_argument` for what isn't an id.
#' @seealso [compare_snapshots()], [download_snapshot()]
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
#' Every file is verified by its digest on the way. The folder appears whole or not at all, and nothing that exists is
#' ever overwritten.
#'
#' @param snapshot A run, or the id of a snapshot.
#' @param path The folder to make. It may exist if it is empty.
#' @param workspace The workspace of an id.
#' @return The folder, invisibly.
#' @section Errors: `espalier_error_file_exists`; `espalier_error_snapshot_missing` when the run has no snapshot, or the
#'   workspace not that one; `espalier_error_snapshot_damaged` when a stored file is not what its digest says;
#'   `espalier_error_bad_argument` for what isn't an id, or a folder that cannot be written.
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
#' Lists what is stored in a workspace and no run, finished or not, and no kept snapshot refers to: left when run folders
#' or snapshots were deleted, or a submit was interrupted. Also what killed processes left half-written a day ago or
#' longer. With `dry_run = FALSE` it is deleted. Submits of other sessions may go on; they wait for a moment.
#'
#' @param workspace A [workspace()].
#' @param dry_run Only list; `FALSE` deletes.
#' @param x What `collect_garbage()` returned.
#' @param n How many rows to show.
#' @param ... Nothing.
#' @return A data frame of class `espalier_garbage`: `what` it is, `path` in the workspace, `size` (what deleting it frees,
#'   in bytes), `why` it may go, and whether it was `deleted`.
#' @section Errors: `espalier_error_snapshot_damaged`, `espalier_error_damaged` or `espalier_error_newer_format` when it
#'   isn't known what a run or snapshot refers to. Nothing is deleted then. `espalier_error_workspace_read_only`;
#'   `espalier_error_not_supported` on file systems without locks.
#' @seealso [take_snapshot()], [delete_workspace()]
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
