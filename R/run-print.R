# How a run and its details print.

#' @export
format.espalier_run_details <- function(x, ...) header("Run details", x$runId)

#' @export
print.espalier_run_details <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  line <- function(label, value) if (length(value) && nzchar(value)) cat(sprintf("  %-11s %s\n", label, value))
  line("status", x$status)
  line("started", x$startTimeUtc)
  if (length(x$durationSeconds)) line("took", format_short(x$durationSeconds))
  line("exit code", if (length(x$exitCode)) format(x$exitCode))
  line("command", paste(encodeString(unlist(x$runDefinition$command)), collapse = " "))
  line("snapshot", x$runDefinition$snapshot$id)
  line("environment", run_environment_text(x$environment))
  line("git", git_text(x$runDefinition$git))
  line("diff", x$provenance$diff)
  for (output in x$outputDatasets) line("output", safe_line(paste0(output$name, ", ", output$path)))
  line("kept", kept_text(x$kept))
  if (length(x$error)) line("error", safe_line(x$error$message))
  for (text in unlist(x$warnings)) line("warning", safe_line(text))
  for (name in names(x$tags)) line(one_line(paste0("tag ", name)), tag_text(x$tags[[name]]))
  cat("  names of all fields: names(x)\n")
  invisible(x)
}

# `tidy:3, image sha256:1a2b3c4d5e, found in the Docker engine`; nothing for what the session has.
run_environment_text <- function(x) {
  if (is.null(x) || identical(x$how, "session")) return(NULL)
  name <- paste0(x$name, if (length(x$version)) paste0(":", x$version))
  made <- if (length(x$image)) paste("image", substr(x$image, 1L, 19L)) else if (length(x$folder)) "private" else x$how
  safe_line(paste(c(name, made, if (length(x$found)) found_text(x$found)), collapse = ", "))
}

# `3 files in workdir/ (1.2 MB), 1 too large`: what a job wrote outside of ./outputs and ./logs.
kept_text <- function(x) {
  if (!length(x)) return(NULL)
  files <- function(n) paste(n, if (n == 1) "file" else "files")
  parts <- c(
    if (x$count) sprintf("%s in workdir/ (%s)", files(x$count), format_bytes(x$bytes)),
    if (length(x$too_large)) sprintf("%s too large to keep", files(length(x$too_large))),
    if (length(x$deleted)) sprintf("%s of the snapshot deleted", files(length(x$deleted)))
  )
  if (length(parts)) paste(parts, collapse = ", ")
}

found_text <- function(found) {
  switch(found, built = "built for it", local = "found in the Docker engine", paste("found in the", found))
}

git_text <- function(git) {
  if (!length(git$commit)) return("")
  paste0(substr(git$commit, 1, 10), if (length(git$branch)) paste0(" on ", git$branch), if (isTRUE(git$dirty)) ", changed since")
}

# A tag's value in one line: a job may give its run any text, and any number of lines.
tag_text <- function(value) cut_bytes(one_line(paste(unlist(value), collapse = " ")), 500L)

# What print() shows of a run beside its identity.
#' @export
object_facts.Run <- function(x) {
  # (a script that shows a run must not start Python in its job)
  if (is_asked_for(x)) return(list(status = run_state(run_folder(identity_of(x)))))
  details <- x$get_details()
  facts <- list(experiment = details$experiment, status = details$status)
  if (details$status == "Queued") facts$waits <- x$get_detailed_status()$reason
  if (length(details$attempts)) facts$attempt <- format(details$attempt)
  if (length(details$runDefinition$parent)) facts$parent <- details$runDefinition$parent
  if (length(details$startTimeUtc)) facts$started <- format(parse_time(details$startTimeUtc), "%Y-%m-%d %H:%M:%S", tz = "")
  if (length(details$durationSeconds)) facts$took <- format_short(details$durationSeconds)
  facts$environment <- run_environment_text(details$environment)
  facts$kept <- kept_text(details$kept)
  if (length(details$error)) {
    facts$error <- one_line(paste0(details$error$message, failure_place(details$error, 100L)))
    facts$hint <- one_line(details$error$hint %||% character())
  }
  facts$warnings <- warnings_text(details$warnings)
  row <- workspace_of(x)$runs$list(include_children = TRUE, include_archived = TRUE, run_ids = list(details$runId))
  facts$parameters <- cells_text(row, "param_")
  facts$metrics <- cells_text(row, "metric_")
  for (name in names(details$tags)) facts[[one_line(paste("tag", name))]] <- tag_text(details$tags[[name]])
  facts
}

#' The first of a run's warnings, and how many more there are
#' @noRd
warnings_text <- function(warnings) {
  texts <- one_line(as.character(unlist(warnings)))
  if (!length(texts)) return(NULL)
  more <- length(texts) - 1L
  c(failure_line(texts[1L], 300L), if (more) sprintf("and %d more in get_run_details(run)$warnings", more))
}

#' What a run has of a group of columns, in a line; `NULL` where it has none
#' @noRd
cells_text <- function(row, prefix, most = 20L) {
  columns <- Filter(function(name) startsWith(name, prefix) && !is.na(row[[name]][1L]), names(row))
  if (!length(columns)) return(NULL)
  one <- function(name) paste(substring(name, nchar(prefix) + 1L), "=", shown_cells(row[[name]][1L], name, getOption("digits")))
  text <- safe_line(vapply(utils::head(columns, most), one, ""))
  c(text, if (length(columns) > most) sprintf("and %d more", length(columns) - most))
}

parse_time <- function(text) as.POSIXct(text, tz = "UTC", format = "%Y-%m-%dT%H:%M:%OSZ")

#' @export
summary.Run <- function(object, ...) get_run_details(object)
