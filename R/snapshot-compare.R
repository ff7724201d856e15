# Two snapshots, or a snapshot and a folder, side by side; and how the difference is shown.

#' Compare two snapshots
#'
#' Use it to see what changed between two runs, or between a run and your folder now. It compares any two of runs, kept
#' snapshots and folders. Of a folder it takes the files that [preview_snapshot()] includes.
#'
#' Printing shows a line for each file, then unified diffs of texts. They are coloured on a terminal, and a diff block
#' in R Markdown. Control characters and bytes that aren't UTF-8 are shown as escapes. Binary files and files over 1 MB
#' have no diff, which `note` reports.
#'
#' @param a,b A run, the id of a snapshot, or the path of a folder. `a` is the state before, `b` the state after.
#' @param workspace The [workspace()] of an id. By default that of the run it is compared with.
#' @param outside_links String: what happens to links that lead out of a folder, see [preview_snapshot()]. Give the
#'   value that the snapshot was taken with.
#' @param x,object,comparison A table of `compare_snapshots()`.
#' @param path String: one of its paths.
#' @param lines Number of lines of diffs to show, 200 by default. `Inf` shows all.
#' @param ... Ignored.
#' @return `compare_snapshots()` returns a data frame of class `espalier_comparison` with a row for each file or link
#'   that differs:
#' * `path`;
#' * `change`: `"added"`, `"removed"`, `"changed"`, `"mode"` if only its executable bit differs, or `"type"` if a file
#'   became a link or a link a file;
#' * `size_before`, `size_after`: bytes;
#' * `kind_before`, `kind_after`: `"file"`, `"executable"` or `"link"`;
#' * `note`, and `diff`, a string or `NA`.
#'
#' `get_file_diff()` returns the lines of one diff, of class `espalier_diff`. `summary()` counts files and bytes by
#' change. `format()` returns the printed lines without colours.
#' @section Errors:
#' * `espalier_error_run_missing`, `espalier_error_snapshot_missing`: the run or the snapshot doesn't exist.
#' * `espalier_error_snapshot_damaged`: a stored file doesn't match its digest.
#' * `espalier_error_source_missing`, `espalier_error_source_unreadable`, `espalier_error_source_changed`: as in
#'   [take_snapshot()].
#' * `espalier_error_bad_argument`: an id has no workspace, or `path` doesn't differ.
#' @seealso [take_snapshot()], [download_snapshot()]
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' dir.create(folder)
#' writeLines(c("x <- 1", "print(x)"), file.path(folder, "train.R"))
#' ws <- workspace("example", path = tempfile())
#' before <- take_snapshot(ws, folder)
#' writeLines(c("x <- 2", "print(x)"), file.path(folder, "train.R"))
#' changes <- compare_snapshots(before, folder, workspace = ws)
#' changes
#' summary(changes)
#' get_file_diff(changes, "train.R")
#' @export
compare_snapshots <- function(a, b, workspace = NULL, outside_links = getOption("espalier.outside_links", "refuse")) {
  if (missing(a)) abort_missing("a")
  if (missing(b)) abort_missing("b")
  if (is.null(workspace)) {
    run <- Find(function(side) inherits(side, "Run"), list(a, b))
    if (!is.null(run)) workspace <- Workspace$new(identity = c(path = run$workspace_path))
  }
  before <- side_argument(a, "a", workspace)
  after <- side_argument(b, "b", workspace)
  returned_table(
    Snapshots__compare(before, after, check_string(outside_links, "outside_links")), "espalier_comparison",
    sides = c(before = side_label(before), after = side_label(after))
  )
}

side_argument <- function(x, arg, workspace) {
  if (is_string(x) && !grepl("^sha256:", x)) return(folder_argument(x, arg))
  if (!is_string(x) && !inherits(x, "Run")) abort_argument(arg, "a run, the id of a snapshot, or a folder", x)
  stored_side(x, arg, workspace)
}

# Text is a folder, unless it is the id of a snapshot.
folder_argument <- function(x, arg) {
  path <- path_argument(x, arg)
  if (dir.exists(path)) return(path)
  run_id <- grepl("^[A-Za-z0-9][A-Za-z0-9_.-]*_[0-9]+_[0-9a-f]{8}$", x)
  espalier_abort(
    "source_missing", sprintf("Can't use `%s` as a folder: %s %s.", arg, path, if (file.exists(path)) "is a file" else "doesn't exist"),
    if (run_id) sprintf("For a run give the run itself: %s = get_run(ws, \"%s\").", arg, x)
    else "Give a run, the id of a snapshot (\"sha256:...\"), or a folder.",
    path = path, argument = arg
  )
}

side_label <- function(side) {
  if (!is.list(side)) return(side)
  if (startsWith(side$snapshot, "sha256:")) side$snapshot else paste("run", side$snapshot)
}

#' @rdname compare_snapshots
#' @export
get_file_diff <- function(comparison, path) {
  check_object(comparison, "espalier_comparison", "comparison")
  at <- match(check_string(path, "path"), comparison$path)
  if (is.na(at)) {
    espalier_abort("bad_argument", sprintf("Can't show the diff of \"%s\": it isn't among the paths that differ.", shown_path(path)),
                   "comparison$path lists them.", argument = "path")
  }
  structure(diff_lines(comparison$diff[at]), class = "espalier_diff", note = comparison$note[at])
}

#' @export
print.espalier_diff <- function(x, ...) {
  lines <- as.vector(unclass(x))
  note <- attr(x, "note")
  if (length(lines)) cat(coloured_diff(lines), sep = "\n")
  if (length(note) && !is.na(note)) cat("(", safe_line(note), ")\n", sep = "")
  if (!length(lines) && (!length(note) || is.na(note))) cat("(the contents are the same)\n")
  invisible(x)
}

diff_lines <- function(text) {
  text <- text[!is.na(text)]
  if (length(text)) unlist(strsplit(text, "\n", fixed = TRUE), use.names = FALSE) else character()
}

coloured_diff <- function(lines) {
  if (cli::num_ansi_colors() <= 1L) return(lines)
  # (a head is a line ---, a line +++ and then a hunk; a removed line may begin so too)
  after <- function(n) c(lines[-seq_len(n)], character(min(n, length(lines))))
  first <- startsWith(lines, "--- ") & startsWith(after(1L), "+++ ") & startsWith(after(2L), "@@ ")
  head <- first | c(FALSE, first[-length(first)])
  painted <- lines
  painted[head] <- as.character(cli::style_bold(lines[head]))
  for (sign in c("-", "+", "@")) {
    paint <- switch(sign, "-" = cli::col_red, "+" = cli::col_green, "@" = cli::col_cyan)
    at <- !head & startsWith(lines, sign)
    painted[at] <- as.character(paint(lines[at]))
  }
  painted
}

.comparison_columns <- c("path", "change", "size_before", "size_after", "kind_before", "kind_after", "note", "diff")

is_whole_comparison <- function(x) is_as_returned(x, .comparison_columns)

#' @rdname compare_snapshots
#' @export
summary.espalier_comparison <- function(object, ...) {
  changes <- factor(object$change, c("added", "removed", "changed", "mode", "type"))
  sums <- function(sizes) vapply(split(sizes, changes), sum, 0, na.rm = TRUE, USE.NAMES = FALSE)
  data.frame(
    change = levels(changes), files = as.vector(table(changes)), bytes_before = sums(object$size_before),
    bytes_after = sums(object$size_after), stringsAsFactors = FALSE
  )
}

comparison_heading <- function(x) {
  sides <- shown_path(attr(x, "sides"))
  between <- if (length(sides) == 2L) paste0(" between ", sides[[1L]], " and ", sides[[2L]]) else ""
  if (!nrow(x)) return(header("Comparison", facts = paste0("no difference", between)))
  counts <- summary(x)
  counts <- counts[counts$files > 0L, ]
  words <- c(added = "added", removed = "removed", changed = "changed", mode = "of another mode", type = "of another type")
  parts <- paste(counts$files, words[counts$change])
  header("Comparison", facts = c(paste0(if (nrow(x) == 1L) "1 file differs" else paste(nrow(x), "files differ"), between), parts))
}

# What happened to each file, in words.
comparison_facts <- function(x) {
  arrow <- function(before, after) ifelse(before == after, before, paste(before, "->", after))
  sizes <- arrow(format_bytes(x$size_before), format_bytes(x$size_after))
  sizes[is.na(x$size_before)] <- format_bytes(x$size_after)[is.na(x$size_before)]
  sizes[is.na(x$size_after)] <- format_bytes(x$size_before)[is.na(x$size_after)]
  turned <- !is.na(x$kind_before) & !is.na(x$kind_after) & x$kind_before != x$kind_after
  kinds <- ifelse(turned, paste(x$kind_before, "->", x$kind_after), "")
  notes <- ifelse(is.na(x$note), "", shown_path(x$note))
  facts <- Map(function(...) paste(Filter(nzchar, c(...)), collapse = ", "), ifelse(x$change == "mode", "", sizes), kinds, notes)
  vapply(facts, identity, "", USE.NAMES = FALSE)
}

comparison_rows <- function(x, n) {
  shown <- utils::head(as.data.frame(x), n)
  rows <- sprintf("  %s  %s  %s", format(shown$change), format(shown_path(shown$path)), comparison_facts(shown))
  c(sub(" +$", "", rows), if (nrow(x) > n) sprintf("  ... and %d more; as.data.frame() has all.", nrow(x) - n))
}

# The diffs of all files in so many lines: each gets its share, and what is left out is said.
comparison_diffs <- function(x, lines) {
  diffs <- Filter(length, lapply(x$diff, diff_lines))
  share <- max(20, floor(lines / max(length(diffs), 1L)))
  diffs <- lapply(diffs, function(one) {
    more <- length(one) - share
    if (more > 1) c(utils::head(one, share), sprintf("... %d more lines", more)) else one
  })
  fits <- cumsum(lengths(diffs)) <= max(lines, share + 1)
  list(
    shown = unlist(diffs[fits], use.names = FALSE),
    more = if (any(!fits)) sprintf("... and the diffs of %s; get_file_diff(x, path) shows one.", number_of(sum(!fits), "more file"))
  )
}

#' @rdname compare_snapshots
#' @export
format.espalier_comparison <- function(x, lines = 200, ...) {
  if (!is_whole_comparison(x)) return(format(as.data.frame(x), ...))
  check_number(lines, "lines", min = 0)
  if (!nrow(x)) return(comparison_heading(x))
  diffs <- comparison_diffs(x, lines)
  c(comparison_heading(x), comparison_rows(x, 50L), if (length(diffs$shown)) c("", diffs$shown), diffs$more)
}

#' @rdname compare_snapshots
#' @export
print.espalier_comparison <- function(x, lines = 200, ...) {
  if (!is_whole_comparison(x)) {
    print_plain(x, ..., always = chosen_columns(x, .comparison_columns))
    return(invisible(x))
  }
  check_number(lines, "lines", min = 0)
  cat(comparison_heading(x), "\n", sep = "")
  if (nrow(x)) {
    diffs <- comparison_diffs(x, lines)
    cat(comparison_rows(x, 50L), sep = "\n")
    if (length(diffs$shown)) cat("", coloured_diff(diffs$shown), sep = "\n")
    if (length(diffs$more)) cat(diffs$more, "\n", sep = "")
  }
  invisible(x)
}

#' @export
as.data.frame.espalier_comparison <- function(x, ...) plain_frame(x)

# In R Markdown: a table, and the diffs in a block that is coloured as one.
#' @rawNamespace S3method(knitr::knit_print,espalier_comparison)
#' @noRd
knit_print.espalier_comparison <- function(x, lines = 200, ...) {
  if (!identical(knitr::opts_knit$get("out.format"), "markdown") || !is_whole_comparison(x)) {
    return(knitr::normal_print(x))
  }
  shown <- utils::head(as.data.frame(x), 50L)
  cells <- paste0("| ", shown$change, " | ", code_span(shown_path(shown$path)), " | ", markdown_text(comparison_facts(shown)), " |")
  diffs <- comparison_diffs(x, lines)
  knitr::asis_output(paste(c(
    "", markdown_text(comparison_heading(x)), "",
    if (nrow(x)) c("| change | path | |", "|---|---|---|", cells, ""),
    if (nrow(x) > 50L) c(sprintf("... and %d more.", nrow(x) - 50L), ""),
    if (length(diffs$shown)) fenced(diffs$shown, "diff"), diffs$more, ""
  ), collapse = "\n"))
}

#' @rawNamespace S3method(knitr::knit_print,espalier_diff)
#' @noRd
knit_print.espalier_diff <- function(x, ...) {
  if (!identical(knitr::opts_knit$get("out.format"), "markdown") || !length(x)) return(knitr::normal_print(x))
  knitr::asis_output(paste(c("", fenced(as.vector(unclass(x)), "diff"), ""), collapse = "\n"))
}

longest_run <- function(text) {
  runs <- unlist(regmatches(text, gregexpr("`+", text)))
  max(0L, nchar(runs))
}

# (the fence is longer than any in the text)
fenced <- function(lines, language) {
  fence <- strrep("`", max(3L, longest_run(lines) + 1L))
  c(paste0(fence, language), lines, fence)
}

code_span <- function(text) {
  vapply(text, function(one) {
    ticks <- strrep("`", longest_run(one) + 1L)
    pad <- if (grepl("`", one, fixed = TRUE)) " " else ""
    gsub("|", "\\|", paste0(ticks, pad, one, pad, ticks), fixed = TRUE)
  }, "", USE.NAMES = FALSE)
}

markdown_text <- function(text) gsub("([\\\\`*_{}\\[\\]<>#|~$^])", "\\\\\\1", text, perl = TRUE)
