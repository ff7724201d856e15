# A failed run in a few lines: the cause first, three lines of its log, the place of the log last. R cuts messages at
# 1,000 bytes, so what stands before the last line is held shorter. The twin of the core's lifecycle/failure_message.py.
# Base R only: a job that waits for its children uses it too.

abort_run_failed <- function(run) abort_failed(run$id, run$run_dir, run$get_details()$error)

abort_failed <- function(id, dir, error) {
  log <- whole_log(dir)
  last <- if (length(log)) paste0("The whole log: ", file.path(dir, log))
  espalier_abort("run_failed", failure_message(id, error, last, log), last, run_id = id, cause = error)
}

job_log_name <- "user_logs/std_log.txt"

#' The log that shows why a run failed: its job's, or, where that was never started, that of making its environment
#' @noRd
whole_log <- function(dir) {
  names <- c(job_log_name, "system_logs/environment.log")
  utils::head(names[file.exists(file.path(dir, names))], 1L)
}

#' Why a run failed, and what shows more: all but the last line
#' @noRd
failure_message <- function(id, error, last = NULL, log = job_log_name) {
  room <- max(min(900L, 985L - sum(nchar(last, "bytes"))), 300L)
  # (a long path leaves less room for all of them)
  most <- function(bytes) min(bytes, ((room - 200L) * bytes) %/% 700L)
  hint <- cut_bytes(one_line(error$hint %||% ""), most(360L))
  cause <- cut_bytes(safe_line(error$message %||% "unknown cause"), min(most(400L), most(560L) - nchar(hint, "bytes")))
  head <- c(paste0("Run ", id, " failed: ", cause, failure_place(error, most(100L))), if (nzchar(hint)) paste("i", hint))
  calls <- "i get_run_traceback(run) shows the calls, get_run_log(run) the log."
  name <- if (!identical(log, job_log_name)) sprintf(", name = \"%s\"", log) else ""
  end <- if (length(last)) if (length(error$traceback)) calls else sprintf("i get_run_log(run%s) shows the log.", name)
  lines <- useful_lines(error)
  shown <- function() if (length(lines)) c("Last lines of its log:", paste0("  ", lines))
  while (length(lines) && sum(nchar(c(head, shown(), end), "bytes") + 1L) > room) lines <- lines[-1L]
  c(head, shown(), end)
}

#' The call that failed, and where it stands in the job's files
#' @noRd
failure_place <- function(error, limit) {
  place <- cut_front(one_line(error$place %||% ""), limit %/% 2L)
  call <- cut_bytes(one_line(error$call %||% ""), limit - nchar(place, "bytes"))
  parts <- c(if (nzchar(call)) paste("in", call), if (nzchar(place)) paste("at", place))
  if (length(parts)) paste0(" [", paste(parts, collapse = ", "), "]")
}

#' The last lines of the log that do not repeat the error; of a run of an older version the last lines
#' @noRd
useful_lines <- function(error) {
  lines <- one_line(as.character(unlist(if (is.null(error$log_before)) error$log_tail else error$log_before)))
  lines <- utils::tail(lines[nzchar(trimws(lines))], 3L)
  vapply(lines, cut_front, "", 120L, USE.NAMES = FALSE)
}

#' The cause on one line, for lists
#' @noRd
failure_line <- function(message, width = 200L) {
  text <- trimws(gsub("[[:space:]]+", " ", safe_line(message)))
  long <- !is.na(text) & nchar(text, "chars") > width
  text[long] <- paste0(substr(text[long], 1L, width - 3L), "...")
  text
}

one_line <- function(x) gsub("\n", " ", safe_line(x), fixed = TRUE)

#' The beginning of a text, at most so many bytes
#' @noRd
cut_bytes <- function(text, limit) {
  if (nchar(text, "bytes") <= limit) return(text)
  chars <- strsplit(text, "", fixed = TRUE)[[1L]]
  paste0(paste(chars[cumsum(nchar(chars, "bytes")) <= limit - 3L], collapse = ""), "...")
}

#' The end of a text, at most so many bytes
#' @noRd
cut_front <- function(text, limit) {
  if (nchar(text, "bytes") <= limit) return(text)
  chars <- strsplit(text, "", fixed = TRUE)[[1L]]
  paste0("...", paste(chars[rev(cumsum(rev(nchar(chars, "bytes"))) <= limit - 3L)], collapse = ""))
}
