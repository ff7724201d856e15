# Runs as a data frame: its class, how it is printed, and how it looks in a report.

#' A table of runs. It is a tibble as well where tibble is installed, which needn't be loaded for that
#'
#' @param nothing What is printed in place of no rows.
#' @noRd
run_table <- function(frame, nothing = NULL) {
  tibble <- if (is_installed("tibble")) c("tbl_df", "tbl")
  returned_table(frame, c("espalier_run_table", tibble), nothing = nothing)
}

is_installed <- function(package) nzchar(system.file(package = package))

#' A part of it is a table, with and without tibble; `drop` is only looked at where rows and columns are given
#' @export
#' @noRd
`[.espalier_run_table` <- function(x, i, j, drop = FALSE) {
  plain <- structure(x, class = "data.frame")
  as_list <- nargs() - (!missing(drop)) < 3L
  part <- if (!as_list) plain[i, j, drop = drop] else if (missing(i)) plain else plain[i]
  if (!is.data.frame(part)) return(part)
  kept <- c("returned_rows", "returned_columns", "nothing", "asked", "workspace")
  attributes(part)[kept] <- attributes(x)[kept]
  if (is.integer(attr(x, "row.names"))) rownames(part) <- NULL # (the numbers of rows that were there say nothing)
  structure(part, class = class(x))
}

#' @export
print.espalier_run_table <- function(x, n = 20L, digits = getOption("digits"), ...) {
  if (!nrow(x)) {
    cat(no_rows_text(x), sep = "\n")
    return(invisible(x))
  }
  view <- table_view(x, n, digits)
  print_plain(view$cells, ..., aside = view$aside, first = view$first, last = view$last, always = view$always)
  if (nrow(x) > n) cat(more_runs_text(x, n), "as.data.frame() and View() show all.\n")
  cat(damage_notes(utils::head(drop_table_class(x), n)), sep = "")
  invisible(x)
}

#' What is shown of a table: its first rows as people read them, and which columns where not all fit
#' @noRd
table_view <- function(x, n, digits) {
  aside <- columns_aside(x)
  cells <- utils::head(drop_table_class(x), n)
  cells <- cells[!names(x) %in% aside]
  order <- columns_compared(cells, x)
  errors <- cells$error
  cells[] <- Map(shown_cells, unclass(cells), names(cells), MoreArgs = list(digits = digits))
  always <- chosen_columns(x, attr(x, "returned_columns") %||% columns_of_runs(names(x)))
  if (is.character(errors) && ("error" %in% always || "error" %in% order$first)) cells$error <- failure_line(errors, room_of_errors(cells, always))
  list(cells = cells, aside = aside, first = order$first, last = order$last, always = always)
}

# The file's name is often at the end of an error: it has the width that the columns beside it leave.
room_of_errors <- function(cells, always) {
  beside <- setdiff(if ("error" %in% always) always else intersect(c("run_id", "status"), names(cells)), "error")
  widths <- vapply(beside, function(name) width_of_column(cells[name]) + 1L, 0L)
  # (an ellipsis wouldn't show a row that wraps)
  min(200L, max(40L, getOption("width") - sum(widths) - 3L))
}

more_runs_text <- function(x, n) {
  more <- nrow(x) - as.integer(n)
  sprintf("... and %s more run%s;", format(more, big.mark = ","), if (more == 1L) "" else "s")
}

no_rows_text <- function(x) {
  nothing <- attr(x, "nothing", exact = TRUE)
  if (length(nothing)) return(nothing)
  text <- sprintf("No rows. %d column%s: %s", length(x), if (length(x) == 1L) "" else "s", toString(names(x)))
  strwrap(text, getOption("width"), exdent = 2L)
}

# In a report: a table of the document with the columns that the console would show.
#' @rawNamespace S3method(knitr::knit_print,espalier_run_table)
#' @noRd
knit_print.espalier_run_table <- function(x, n = 20L, digits = getOption("digits"), ...) {
  format <- knitr::opts_knit$get("out.format")
  if (!nrow(x) || !length(x) || !isTRUE(format %in% c("markdown", "html", "latex"))) return(knitr::normal_print(x))
  view <- table_view(x, n, digits)
  fitted <- fitted_columns(view$cells, FALSE, view$first, view$last, view$always)
  aligned <- ifelse(vapply(fitted$shown, is_number_text, NA), "r", "l")
  cells <- vapply(fitted$shown, function(column) trimws(as.character(column)), character(nrow(fitted$shown)))
  cells <- matrix(cells, nrow(fitted$shown))
  notes <- c(if (nrow(x) > n) sub(";$", ".", more_runs_text(x, n)), more_columns_text(c(fitted$more, view$aside)),
             sub("\n$", "", damage_notes(utils::head(drop_table_class(x), n))))
  is_markdown <- format == "markdown"
  # (kable() itself escapes `|`, and all other signs for LaTeX and HTML)
  escaped <- function(text) if (is_markdown) gsub("\\|", "|", markdown_text(text), fixed = TRUE) else text
  kable <- knitr::kable(
    `[<-`(cells, escaped(cells)), format = if (is_markdown) "pipe" else format, align = aligned, row.names = FALSE,
    col.names = escaped(names(fitted$shown)), escape = !is_markdown
  )
  if (!is_markdown) return(knitr::asis_output(paste(kable, collapse = "\n")))
  knitr::asis_output(paste(c("", kable, "", rbind(markdown_text(notes), rep("", length(notes)))), collapse = "\n"))
}

#' @rawNamespace S3method(knitr::knit_print,espalier_runs)
#' @noRd
knit_print.espalier_runs <- function(x, ...) {
  if (!length(x) || !is.null(job_dir())) knitr::normal_print(x) else knitr::knit_print(as.data.frame(x), ...)
}

is_number_text <- function(column) is.numeric(column) || all(grepl("^ *-?([0-9.]+(e[-+]?[0-9]+)?|Inf)$|^ *(NA|NaN)$", column) | is.na(column))

# A line for each run that cannot be read whole: where, and what was found.
damage_notes <- function(x) {
  if (!all(c("run_id", "status", "error") %in% names(x))) return(character())
  x <- x[x$status %in% c("Damaged", "Unreadable"), , drop = FALSE]
  sprintf("%s is %s: %s\n", x$run_id, tolower(x$status), gsub("[\r\n]+", " ", safe_line(x$error)))
}

#' @export
as.data.frame.espalier_run_table <- function(x, ...) drop_table_class(x)

# Of a table that has all columns of list_runs() those that a person does not look at first; `rarely` of them are of
# interest only where there is something in them.
columns_aside <- function(x) {
  if (anyDuplicated(names(x)) || !all(.run_columns %in% names(x))) return(character())
  rarely <- c("parent", "children", "entry_script", "commit", "error")
  nothing <- vapply(unclass(x)[rarely], function(column) all(is.na(column) | column == 0L), NA)
  constant <- if (length(unique(x$experiment)) < 2L) "experiment"
  c(intersect(.run_columns, c("display_name", "type", "target", "started_at", "ended_at", "cpu_seconds",
                              "max_memory_bytes", "exit_code")), constant, rarely[nothing])
}

# In which order columns are shown where not all fit: first those by which a person compares runs, last those that are
# the same in all rows, after these those without any value.
columns_compared <- function(view, x) {
  if (!all(.run_columns %in% names(x))) return(list())
  filled <- names(view)[!vapply(unclass(view), function(column) all(is.na(column)), NA)]
  differs <- filled[vapply(unclass(view)[filled], function(column) nrow(view) == 1L || has_differences(column), NA)]
  # (what hardly any row has comes after what can be compared)
  rare <- differs[vapply(unclass(view)[differs], function(column) mean(is.na(column)) > 0.8, NA)]
  differs <- setdiff(differs, rare)
  set <- unlist(lapply(c("^param_", "^tag_"), grep, differs, value = TRUE))
  measured <- grep("^(metric_|(first|min|max)[(])", differs, value = TRUE)
  in_turns <- c(set, measured)[order(c(seq_along(set), seq_along(measured)))]
  why <- if (all(view$status %in% c("Failed", "Canceled"))) "error"
  asked <- columns_asked_for(attr(x, "asked", exact = TRUE), c(set, measured, filled))
  list(first = unique(c("run_id", asked, "status", why, in_turns, "duration_seconds")), last = c(setdiff(filled, c(differs, rare)), setdiff(rare, asked), setdiff(names(view), filled)))
}

#' The columns by which runs were sorted or filtered, in the order in which a filter's text names them
#' @noRd
columns_asked_for <- function(text, names) {
  text <- paste(gsub("[`\"]", "", text), collapse = " ")
  text <- gsub("\\b(metric|param|tag)(eter)?s?[.]", "\\1_", text)
  pattern <- gsub("([][\\\\.^$*+?(){}|])", "\\\\\\1", unique(names))
  at <- vapply(sprintf("(?<![\\w.])(?<!(min|max)\\()(?<!first\\()%s(?![\\w.])", pattern), regexpr, 0L, text, perl = TRUE)
  asked <- which(at > 0L)
  unique(names)[asked[order(at[asked])]]
}

has_differences <- function(column) length(unique(column)) > 1L

# The names of columns that list_runs() may have returned.
columns_of_runs <- function(names) {
  c(.run_columns, "archived_at", grep("^((metric|param|tag)_|(first|min|max)[(]metric_)", names, value = TRUE))
}

.run_columns <- c(
  "run_id", "experiment", "display_name", "parent", "children", "status", "type", "entry_script", "commit", "target",
  "created_at", "started_at", "ended_at", "duration_seconds", "cpu_seconds", "max_memory_bytes", "exit_code", "error"
)

#' Elements of a list in short: a single value as it is, others by type and length
#' @noRd
list_cells <- function(column, digits) {
  vapply(column, function(one) {
    if (is.null(one)) return("NULL")
    if (is.atomic(one) && length(one) == 1L && !is.object(one)) return(failure_line(format(one, digits = digits), 40L))
    size <- if (length(dim(one))) paste(dim(one), collapse = " x ") else length(one)
    sprintf("<%s [%s]>", if (is.object(one)) class(one)[1L] else typeof(one), size)
  }, "")
}

shown_cells <- function(column, name, digits) {
  if (is.object(column)) return(if (inherits(column, "POSIXct")) format(column, "%Y-%m-%d %H:%M:%S", usetz = TRUE) else column)
  if (name %in% c("duration_seconds", "cpu_seconds")) return(shown_seconds(column))
  if (is.list(column)) return(if (is.data.frame(column)) column else list_cells(column, digits))
  if (length(dim(column))) return(column)
  if (is.double(column)) return(format_numbers(column, digits))
  if (!is.character(column)) return(column)
  if (name == "commit") return(substr(column, 1L, 8L))
  failure_line(column, 40L)
}

