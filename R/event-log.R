# The logs of docs/protocol.md, events/<writer>.jsonl and parts/<writer>.jsonl: one writing process each, each line flushed as it is
# written, by one write(2). A process keeps one file open; forked children open files of their own. That of parts is
# written by the compiled code (src/log.c) where it can be loaded, everything else by a connection of R's.
# Whatever goes wrong here is told once and never ends the script that logs.

# Of each log the writers, by run folder.
.writers <- list(events = new.env(parent = emptyenv()), parts = new.env(parent = emptyenv()))

# The body of a longer line goes to a payload file: R writes through a buffer of 4096 bytes, and a line that does not
# fit in it, newline and all, would be several write(2).
line_limit <- 4095L

#' Append one event
#'
#' @param dir Run folder, absolute.
#' @param type The event's type.
#' @param name JSON string of its name, or of a part's key.
#' @param body The remaining fields, as the inside of a JSON object, in one piece or several.
#' @param log `events` or `parts`.
#' @noRd
log_event <- function(dir, type, name, body, log = "events") {
  tryCatch(append_event(dir, type, name, body, log), error = function(e) retry_event(e, dir, type, name, body, log))
  invisible()
}

#' After an error: once more if the script closed our connection (closeAllConnections())
#' @noRd
retry_event <- function(error, dir, type, name, body, log) {
  tryCatch({
    writer <- .writers[[log]][[dir]]
    if (is.null(writer) || connection_is_ours(writer)) stop(error)
    open_event_file(writer)
    append_event(dir, type, name, body, log)
  }, error = function(e) {
    # What the file ends with may be half a line: no more goes there.
    drop_event_writer(dir, log)
    logging_failed(dir, conditionMessage(e))
  })
}

append_event <- function(dir, type, name, body, log) {
  writer <- event_writer(dir, log)
  seq <- writer$seq
  head <- c(event_head(type, seq), if (log == "parts") ",\"key\":" else ",\"name\":", name)
  # (one long string a line: each further one would be garbage, and a third of the time)
  line <- paste0(c(head, ",", body, "}"), collapse = "")
  if (nchar(line, "bytes") > line_limit) {
    payload <- write_payload(writer, paste0(c("{", body, "}"), collapse = ""))
    line <- paste0(c(head, ",\"payload\":", json_string(payload), "}"), collapse = "")
  }
  write_line(writer, line)
  writer$seq <- seq + 1L
}

#' The beginning of an event: type, seq, time. Integers only, so that no locale matters
#' @noRd
event_head <- function(type, seq) {
  time <- unclass(Sys.time())
  seconds <- floor(time)
  sprintf("{\"type\":\"%s\",\"seq\":%d,\"time\":%.0f.%06d", type, seq, seconds,
          as.integer((time - seconds) * 1e6))
}

#' The writer of this process for a run folder, opened at need
#' @noRd
event_writer <- function(dir, log) {
  writer <- .writers[[log]][[dir]]
  if (is.null(writer) || writer$pid != Sys.getpid()) {
    # (the connection a fork inherited is kept: letting go of it would close it with a warning)
    writer <- open_event_writer(dir, log, inherited = writer)
    assign(dir, writer, envir = .writers[[log]])
  } else if (is.null(writer$file) && summary.connection(writer$con)[["description"]] != writer$path) {
    stop("another connection has our number") # see retry_event()
  }
  writer
}

open_event_writer <- function(dir, log, inherited = NULL) {
  if (!dir.exists(dir)) stop("the run folder does not exist")
  folder <- file.path(dir, log)
  if (!dir.exists(folder)) dir.create(folder, showWarnings = FALSE)
  writer <- new.env(parent = emptyenv())
  writer$dir <- dir
  writer$pid <- Sys.getpid()
  writer$seq <- 0L
  writer$inherited <- inherited
  repeat {
    writer$name <- sprintf("r-%d-%s", writer$pid, random_hex())
    writer$path <- file.path(folder, paste0(writer$name, ".jsonl"))
    if (!file.exists(writer$path)) break
  }
  if (log == "parts" && !is.null(compiled_log())) writer$file <- .Call(compiled_log()$log_open, writer$path)
  if (is.null(writer$file)) open_event_file(writer)
  time <- sub(".*\"time\":", "", event_head("writer", 0L))
  write_line(writer, sprintf(
    "{\"type\":\"writer\",\"format\":1,\"writer\":\"%s\",\"pid\":%d,\"host\":%s,\"time\":%s}",
    writer$name, writer$pid, json_string(Sys.info()[["nodename"]]), time
  ))
  writer
}

open_event_file <- function(writer) {
  writer$con <- suppressWarnings(file(writer$path, open = "ab", encoding = "native.enc"))
  writer$bytes <- file.size(writer$path)
}

#' Whether the connection is still the one that was opened: numbers are used again
#' @noRd
connection_is_ours <- function(writer) {
  !is.null(writer$file) || tryCatch(
    identical(summary.connection(writer$con)[["description"]], writer$path),
    error = function(e) FALSE
  )
}

write_line <- function(writer, line) {
  if (!is.null(writer$file)) {
    if (!.Call(.road$routines$log_append, writer$file, paste0(line, "\n"))) stop("the line could not be written")
    return(invisible())
  }
  con <- writer$con
  writeLines(line, con, sep = "\n", useBytes = TRUE)
  flush.connection(con)
  # (a full disk is no error in R: the position tells)
  writer$bytes <- writer$bytes + nchar(line, "bytes") + 1
  if (seek.connection(con, rw = "write") != writer$bytes) stop("the line could not be written")
}

write_payload <- function(writer, text) {
  name <- sprintf("payloads/%s-%d.json", writer$name, writer$seq)
  path <- file.path(writer$dir, name)
  folder <- dirname(path)
  if (!dir.exists(folder)) dir.create(folder, showWarnings = FALSE)
  temporary <- file.path(folder, paste0(".tmp-", basename(path)))
  on.exit(unlink(temporary))
  con <- suppressWarnings(file(temporary, open = "wb", encoding = "native.enc"))
  tryCatch(writeLines(text, con, useBytes = TRUE), finally = close(con))
  if (!identical(file.size(temporary), nchar(text, "bytes") + 1)) {
    stop("the payload could not be written")
  }
  if (!file.rename(temporary, path)) stop("the payload could not be renamed")
  name
}

#' Close the logs of a run folder; the next event would begin another
#' @noRd
close_event_writer <- function(dir) {
  for (log in names(.writers)) drop_event_writer(dir, log)
  invisible()
}

drop_event_writer <- function(dir, log) {
  writer <- .writers[[log]][[dir]]
  if (is.null(writer) || writer$pid != Sys.getpid()) return(invisible())
  if (!is.null(writer$file)) {
    .Call(.road$routines$log_close, writer$file)
  } else if (connection_is_ours(writer)) {
    suppressWarnings(try(close(writer$con), silent = TRUE))
  }
  rm(list = dir, envir = .writers[[log]])
  invisible()
}

logging_failed <- function(dir, why) {
  id <- paste0("logging_failed_", dir)
  if (!is.null(.said[[id]])) return(invisible())
  .said[[id]] <- TRUE
  espalier_warn_gently(
    paste0("Logging to the run folder `", dir, "` failed: ", why, ".\n",
           "The script goes on; what cannot be written is not recorded. Is the disk full?"),
    "espalier_warning_logging_failed"
  )
}

#' Eight hexadecimal digits that do not touch R's random numbers
#' @noRd
random_hex <- function() {
  bytes <- tryCatch({
    con <- suppressWarnings(file("/dev/urandom", open = "rb", raw = TRUE))
    on.exit(close(con))
    readBin(con, "raw", 4L)
  }, error = function(e) raw())
  if (length(bytes) == 4L) return(paste(bytes, collapse = ""))
  name <- basename(tempfile(""))
  substr(name, nchar(name) - 7L, nchar(name))
}
