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
  # (one look at the clock a line, of the 30 microseconds that it takes)
  now <- unclass(Sys.time())
  dir <- log_folder(dir, now)
  if (is.null(dir)) return(invisible())
  # (an interrupt, or a time limit of the user's, comes after the line)
  suspendInterrupts(
    tryCatch(append_event(dir, type, name, body, log, now),
             error = function(e) retry_event(e, dir, type, name, body, log, now))
  )
  invisible()
}

#' After an error: once more if the script closed our connection (closeAllConnections())
#' @noRd
retry_event <- function(error, dir, type, name, body, log, now) {
  tryCatch({
    writer <- .writers[[log]][[dir]]
    if (is.null(writer) || connection_is_ours(writer)) stop(error)
    open_event_file(writer)
    writer$busy <- FALSE
    append_event(dir, type, name, body, log, now)
  }, error = function(e) {
    # What the file ends with may be half a line: no more goes there.
    drop_event_writer(dir, log)
    logging_failed(dir, conditionMessage(e))
  })
}

append_event <- function(dir, type, name, body, log, now) {
  writer <- event_writer(dir, log)
  if (writer$busy) writer <- idle_writer(writer, log)
  writer$busy <- TRUE
  seq <- writer$seq
  head <- c(event_head(type, seq, now), if (log == "parts") ",\"key\":" else ",\"name\":", name)
  # (one long string a line: each further one would be garbage, and a third of the time)
  line <- paste0(c(head, ",", body, "}"), collapse = "")
  size <- nchar(line, "bytes")
  if (size > line_limit) {
    payload <- write_payload(writer, paste0(c("{", body, "}"), collapse = ""))
    line <- paste0(c(head, ",\"payload\":", json_string(payload), "}"), collapse = "")
    size <- nchar(line, "bytes")
  }
  write_line(writer, line, size)
  writer$seq <- seq + 1L
  writer$busy <- FALSE
}

#' The writer, or another where that one is in the middle of an append, which a finalizer broke into
#'
#' One that was left in the middle stays so: how its file ends is not known.
#' @noRd
idle_writer <- function(writer, log) {
  if (!writer$busy) return(writer)
  if (is.null(writer$spare)) writer$spare <- open_event_writer(writer$dir, log)
  idle_writer(writer$spare, log)
}

# Of each run folder the last look at its state: when the next is due, and which file was seen.
.gates <- new.env(parent = emptyenv())

#' The folder in which a run takes what is logged, which may have been moved; NULL if it takes nothing
#'
#' @param dir Where it was.
#' @param now Seconds since 1970.
#' @noRd
log_folder <- function(dir, now = unclass(Sys.time())) {
  due <- .gates[[dir]]$due
  # (the clock may have been set back)
  if (!is.null(due) && now < due && now >= due - 1) return(dir)
  if (identical(dir, Sys.getenv("ESPALIER_RUN_DIR"))) dir <- job_dir()
  if (takes_logs(dir, now)) dir
}

#' Whether a run takes what is logged: not after its end, nor when a newer espalier has made it
#'
#' An error in a session, one warning in a job, which nothing that is logged may end. The job's own run is looked at
#' once a second, others ten times, and after each call of the core, which may have ended them.
#' @noRd
takes_logs <- function(dir, now) {
  gate <- .gates[[dir]]
  status <- file.path(dir, "status.json")
  mark <- as.numeric(file.mtime(status))
  if (!identical(mark, gate$mark)) {
    why <- if (is.null(gate)) newer_records(dir)
    if (is.null(why)) why <- ended_state(status)
    if (!is.null(why)) return(refuse_logs(dir, why))
  }
  own <- identical(dir, Sys.getenv("ESPALIER_RUN_DIR"))
  assign(dir, list(due = now + if (own) 1 else 0.1, mark = mark), envir = .gates)
  TRUE
}

#' Look at each run again before the next line
#' @noRd
look_again <- function() for (dir in names(.gates)) .gates[[dir]]$due <- -Inf

refuse_logs <- function(dir, why) {
  if (!is.null(.gates[[dir]])) rm(list = dir, envir = .gates)
  message <- paste0("Can't log to the run ", basename(dir), ": ", why$text)
  if (is.null(job_dir())) espalier_abort(why$code, paste0(message, "."), why$hint, run_id = basename(dir))
  logging_failed(dir, message, "The script goes on.")
  FALSE
}

#' Why a run has ended; NULL if it has not. (By its line: a parser written in R takes a millisecond.)
#' @noRd
ended_state <- function(status) {
  state <- record_field(status, "state", "\"([A-Za-z]+)\"")
  if (!is.na(state) && is_final(state)) {
    list(code = "run_not_active", text = sprintf("it has ended (%s)", state), hint = "Log while a run is active. set_run_tags() works at any time.")
  }
}

#' Why a run is left to a newer espalier; NULL if it is not
#' @noRd
newer_records <- function(dir) {
  for (path in c(file.path(dirname(dirname(dirname(dir))), "workspace.json"), file.path(dir, c("spec.json", "status.json")))) {
    format <- suppressWarnings(as.numeric(record_field(path, "format", "([0-9]+)")))
    newest <- if (basename(path) == "spec.json") 2 else 1 # (as SPEC_FORMAT of the core)
    if (!is.na(format) && format > newest) {
      text <- sprintf("%s has format %s, and this espalier reads up to %s", path, format, newest)
      return(list(code = "newer_format", text = text,
                  hint = "Install a newer espalier to use it."))
    }
  }
}

#' A plain field of the outermost object of a record, as text; NA where there is none
#' @noRd
record_field <- function(path, name, value) {
  lines <- if (is_plain_file(path, follow = basename(path) == "workspace.json")) {
    tryCatch(suppressWarnings(readLines(path, warn = FALSE)), error = function(e) character())
  }
  # (of the outermost object, as the core writes it: indented by one)
  pattern <- sprintf("^ \"%s\": %s,?$", name, value)
  found <- grep(pattern, lines, value = TRUE, useBytes = TRUE)
  if (length(found)) return(sub(pattern, "\\1", found[[1L]], useBytes = TRUE))
  found <- tryCatch(json_parse(paste(lines, collapse = "\n"))[[name]], error = function(e) NULL)
  if (length(found) == 1L) as.character(found) else NA_character_
}

#' The beginning of an event: type, seq, time. Integers only, so that no locale matters
#' @noRd
event_head <- function(type, seq, time) {
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
    # (a finalizer may have opened one meanwhile)
    other <- .writers[[log]][[dir]]
    if (!is.null(other) && other$pid == writer$pid) writer$spare <- other
    assign(dir, writer, envir = .writers[[log]])
  } else if (is.null(writer$file) && summary.connection(writer$con)[["description"]] != writer$path) {
    stop("another connection has our number") # see retry_event()
  }
  writer
}

#' Where what is logged to a run is written: a job in a container writes what it logs to a child that it records by hand
#' to its part of the run it belongs to
#' @noRd
written_folder <- function(dir) {
  own <- Sys.getenv("ESPALIER_RUN_DIR")
  place <- file.path(own, "recorded", basename(dir))
  if (nzchar(own) && dir.exists(place)) place else dir
}

open_event_writer <- function(dir, log, inherited = NULL) {
  if (!dir.exists(dir)) stop("the run folder does not exist")
  dir <- written_folder(dir)
  folder <- file.path(dir, log)
  make_run_folder(folder)
  writer <- new.env(parent = emptyenv())
  writer$dir <- dir
  writer$pid <- Sys.getpid()
  writer$seq <- 0L
  writer$busy <- FALSE
  writer$inherited <- inherited
  repeat {
    writer$name <- sprintf("r-%d-%s", writer$pid, random_hex())
    writer$path <- file.path(folder, paste0(writer$name, ".jsonl"))
    if (!file.exists(writer$path)) break
  }
  if (log == "parts" && !is.null(compiled_log())) writer$file <- .Call(compiled_log()$log_open, writer$path)
  if (is.null(writer$file)) open_event_file(writer)
  time <- sub(".*\"time\":", "", event_head("writer", 0L, unclass(Sys.time())))
  write_line(writer, sprintf(
    "{\"type\":\"writer\",\"format\":1,\"writer\":\"%s\",\"pid\":%d,\"host\":%s,\"time\":%s}",
    writer$name, writer$pid, json_string(Sys.info()[["nodename"]]), time
  ))
  writer
}

open_event_file <- function(writer) {
  writer$con <- closed_to_writers(suppressWarnings(file(writer$path, open = "ab", encoding = "native.enc")))
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

write_line <- function(writer, line, size = nchar(line, "bytes")) {
  if (!is.null(writer$file)) {
    routine <- .road$routines$log_append
    if (!.Call(routine, writer$file, paste0(line, "\n"))) stop("the line could not be written")
    return(invisible())
  }
  con <- writer$con
  writeLines(line, con, sep = "\n", useBytes = TRUE)
  flush.connection(con)
  # (a full disk is no error in R: the position tells)
  writer$bytes <- writer$bytes + size + 1
  if (seek.connection(con, rw = "write") != writer$bytes) stop("the line could not be written")
}

write_payload <- function(writer, text) {
  name <- sprintf("payloads/%s-%d.json", writer$name, writer$seq)
  path <- file.path(writer$dir, name)
  folder <- dirname(path)
  make_run_folder(folder)
  temporary <- file.path(folder, paste0(".tmp-", basename(path)))
  on.exit(unlink(temporary))
  con <- closed_to_writers(suppressWarnings(file(temporary, open = "wb", encoding = "native.enc")))
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
  rm(list = dir, envir = .writers[[log]])
  while (!is.null(writer)) {
    if (!is.null(writer$file)) {
      routine <- .road$routines$log_close
      .Call(routine, writer$file)
    } else if (connection_is_ours(writer)) {
      suppressWarnings(try(close(writer$con), silent = TRUE))
    }
    writer <- writer$spare
  }
  invisible()
}

logging_failed <- function(dir, why, then = "The script goes on; what cannot be written is not recorded. Is the disk full?") {
  id <- paste0("logging_failed_", dir)
  if (!is.null(.said[[id]])) return(invisible())
  .said[[id]] <- TRUE
  espalier_warn_gently(
    paste0("Logging to the run folder `", dir, "` failed: ", why, ".\n", then),
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
