# What R in a job asks of espalier, and how it waits for other runs: by files in the run's folder (docs/protocol.md,
# "Children"). Base R only. A job has neither the queue nor the state of the session that submitted it, so it changes
# nothing itself: its runner has it done.

#' The folder of the run of the job that this R belongs to, or NULL
#' @noRd
job_dir <- function() {
  dir <- Sys.getenv("ESPALIER_RUN_DIR")
  if (nzchar(dir)) dir
}

#' Whether what is done to a run has to be asked for: in a job, unless this very R records it
#' @noRd
is_asked_for <- function(run) {
  !is.null(job_dir()) && !identical(active_run_dir(), run_folder(identity_of(run)))
}

# seconds: until somebody is seen to be at it, then until it is done; between two looks, at first and at last
.patience_of_jobs <- c(seen = 30, done = 3600, first = 0.002, last = 0.05)

.requests <- new.env(parent = emptyenv())

#' Ask for something, and wait for the answer: a list
#'
#' @param op What to do; `...` are named fields, as json_encode() takes them.
#' @noRd
job_ask <- function(op, ...) {
  dir <- file.path(job_dir(), "requests")
  name <- paste0(request_writer(), "-", .requests$seq)
  .requests$seq <- .requests$seq + 1L
  write_privately(dir, paste0(name, ".json"), json_encode(list(format = 1L, op = op, ...)))
  job_wake()
  answer <- await_answer(dir, name)
  if (is.null(answer$error)) return(answer)
  code <- answer$error$code
  espalier_abort(code, answer$error$message, answer$error$hint)
}

#' What this process's files in `requests/` are named by; a forked child has names of its own
#' @noRd
request_writer <- function() {
  if (!identical(.requests$pid, Sys.getpid())) {
    .requests$pid <- Sys.getpid()
    .requests$seq <- 0L
    .requests$writer <- sprintf("r-%d-%s", .requests$pid, random_hex())
  }
  .requests$writer
}

#' A file that only its owner may read, whole or not at all
#' @noRd
write_privately <- function(folder, name, text) {
  if (!dir.exists(folder)) dir.create(folder, showWarnings = FALSE)
  old <- Sys.umask("077")
  on.exit(Sys.umask(old))
  aside <- file.path(folder, paste0(".tmp-", name))
  con <- suppressWarnings(tryCatch(file(aside, open = "wb", encoding = "native.enc"), error = function(e) NULL))
  if (!is.null(con)) tryCatch(writeLines(text, con, useBytes = TRUE), finally = close(con))
  # (a full disk is no error in R: the size tells)
  whole <- identical(file.size(aside), nchar(text, "bytes") + 1) && file.rename(aside, file.path(folder, name))
  if (!whole) {
    unlink(aside)
    espalier_abort("workspace_read_only", "The run's folder takes no file.", "Is the disk full?", path = folder)
  }
  file.path(folder, name)
}

await_answer <- function(dir, name) {
  path <- file.path(dir, paste0(name, ".answer.json"))
  sign <- file.path(dir, paste0(name, ".taken"))
  begun <- proc.time()[["elapsed"]]
  pause <- .patience_of_jobs[["first"]]
  while (!file.exists(path)) {
    waited <- proc.time()[["elapsed"]] - begun
    limit <- if (file.exists(sign)) .patience_of_jobs[["done"]] else getOption("espalier.request_timeout", .patience_of_jobs[["seen"]])
    if (waited > limit) abort_unanswered(dir, name, waited)
    Sys.sleep(pause)
    pause <- min(pause * 1.2, .patience_of_jobs[["last"]])
  }
  answer <- json_parse(read_text(path))
  unlink(path)
  answer
}

abort_unanswered <- function(dir, name, waited) {
  unlink(file.path(dir, paste0(name, ".json")))
  espalier_abort(
    "request_unanswered", sprintf("espalier did not answer what this job asked for within %.0f s.", waited),
    "Is the runner of this job stopped, or the disk full? See system_logs/runner.log of the run."
  )
}

#' Have the runner look at once, if its number is still its own; else it looks within a second
#' @noRd
job_wake <- function() {
  status <- tryCatch(run_record(job_dir(), "status.json"), error = function(e) NULL)
  pid <- status$pid
  if (is.null(pid) || !identical(process_start(pid), sprintf("%.0f", status$pid_start))) return(invisible())
  invisible(tools::pskill(pid, tools::SIGUSR1))
}

#' Start of a living process, in clock ticks since boot, as text; NA if there is none
#' @noRd
process_start <- function(pid) {
  line <- tryCatch(suppressWarnings(readLines(sprintf("/proc/%d/stat", as.integer(pid)), warn = FALSE)), error = function(e) "")
  fields <- strsplit(sub("^.*\\) ", "", paste(line, collapse = "")), " ", fixed = TRUE)[[1L]]
  if (length(fields) < 20L || fields[1L] %in% c("Z", "X")) NA_character_ else fields[20L]
}

# ---- other runs, seen from a job ----------------------------------------------------------------------

read_text <- function(path) {
  lines <- readLines(path, warn = FALSE, encoding = "UTF-8")
  Encoding(lines) <- "UTF-8"
  lines
}

#' A record of a run: a list
#' @noRd
run_record <- function(dir, name) {
  path <- file.path(dir, name)
  if (!file.exists(path)) {
    espalier_abort("run_missing", sprintf("There is no run %s any more.", basename(dir)), path = path)
  }
  json_parse(read_text(path))
}

#' A run's state as people see it
#' @noRd
run_state <- function(dir) {
  state <- run_record(dir, "status.json")$state
  if (!is_final(state) && file.exists(file.path(dir, "requests", "cancel.json"))) "CancelRequested" else state
}

is_final <- function(state) state %in% c("Completed", "Failed", "Canceled")

#' Do something that waits for runs; meanwhile they may have this job's slot
#' @noRd
while_waiting_for <- function(ids, code) {
  requests <- file.path(job_dir(), "requests")
  # (a number that R cannot hold as an integer)
  start <- structure(process_start(Sys.getpid()), class = "espalier_json")
  record <- json_encode(list(format = 1L, pid = Sys.getpid(), start = start, runs = I(ids)))
  mark <- write_privately(requests, sprintf("waiting-%s.json", request_writer()), record)
  on.exit(unlink(mark))
  job_wake()
  code
}

#' wait_for_run_completion() in a job
#' @noRd
wait_in_job <- function(run, show_output, raise_on_error) {
  id <- identity_of(run)[["id"]]
  dir <- run_folder(identity_of(run))
  state <- while_waiting_for(id, follow_in_job(dir, show_output))
  if (raise_on_error && state == "Failed") abort_failed(id, dir, run_record(dir, "status.json")$error)
  espalier_inform(sprintf("Run %s: %s.", id, state))
  invisible(run)
}

follow_in_job <- function(dir, show_output) {
  offset <- 0
  pause <- 0.01
  repeat {
    # (the state first: what the job wrote before it is then in the log)
    state <- run_record(dir, "status.json")$state
    if (show_output) offset <- show_log(file.path(dir, "user_logs", "std_log.txt"), offset, is_final(state))
    if (is_final(state)) return(state)
    Sys.sleep(pause)
    pause <- min(pause * 1.2, 0.2)
  }
}

#' Show what was added to a log, in whole lines; returns how far it has been shown
#' @noRd
show_log <- function(path, offset, final) {
  size <- file.size(path)
  if (is.na(size) || size <= offset) return(offset)
  con <- file(path, open = "rb")
  on.exit(close(con))
  seek(con, offset)
  bytes <- readBin(con, "raw", size - offset)
  if (!final) bytes <- bytes[seq_len(max(0L, which(bytes == as.raw(10L))))]
  text <- rawToChar(bytes[bytes != as.raw(0L)])
  Encoding(text) <- "UTF-8"
  cat(safe_line(if (validUTF8(text)) text else iconv(text, "UTF-8", "UTF-8", sub = "byte")))
  offset + length(bytes)
}
