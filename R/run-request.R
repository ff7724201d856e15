# What R in a job asks of espalier, and how it waits for other runs: by files in the run's folder (docs/protocol.md,
# "Children"). Base R only. A job has neither the queue nor the state of the session that submitted it, so it changes
# nothing itself: its runner has it done.

#' The folder of the run of the job that this R belongs to, or NULL
#' @noRd
job_dir <- function() {
  dir <- Sys.getenv("ESPALIER_RUN_DIR")
  if (nzchar(dir)) {
    if (dir.exists(dir) || identical(dir, .requests$given_up)) dir else moved_job_dir(dir)
  }
}

#' Where the run's folder is after its workspace was renamed: its runner notes that in the scratch folder, a few times
#' a second. The variables follow. Where it was, if it is nowhere
#' @noRd
moved_job_dir <- function(dir) {
  for (look in 1:40) {
    folder <- Sys.getenv("ESPALIER_WORK_DIR")
    while (nchar(folder) > 1L) {
      folder <- dirname(folder)
      note <- file.path(folder, "espalier-moved")
      found <- if (is_plain_file(note)) readLines(note, n = 1L, warn = FALSE)
      if (length(found) && basename(found) == basename(dir) && dir.exists(found)) {
        Sys.setenv(ESPALIER_RUN_DIR = found, ESPALIER_WORKSPACE = run_identity(found)[["workspace"]])
        return(found)
      }
    }
    Sys.sleep(0.05)
  }
  .requests$given_up <- dir
  dir
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

#' What this process's files in `requests/` are named by; a forked child has other names
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
  if (is_link(folder)) {
    espalier_abort("workspace_read_only", sprintf("Can't write to %s: it is a link.", folder),
                   "Remove it.", path = folder)
  }
  make_run_folder(folder)
  old <- Sys.umask("077")
  on.exit(Sys.umask(old))
  aside <- file.path(folder, paste0(".tmp-", name))
  con <- suppressWarnings(tryCatch(file(aside, open = "wb", encoding = "native.enc"), error = function(e) NULL))
  if (!is.null(con)) tryCatch(writeLines(text, con, useBytes = TRUE), finally = close(con))
  # (a full disk is no error in R: the size tells)
  whole <- identical(file.size(aside), nchar(text, "bytes") + 1) && file.rename(aside, file.path(folder, name))
  if (!whole) {
    unlink(aside)
    espalier_abort("workspace_read_only", "Can't write to the run's folder.", "Is the disk full?", path = folder)
  }
  file.path(folder, name)
}

await_answer <- function(dir, name) {
  path <- file.path(dir, paste0(name, ".answer.json"))
  sign <- file.path(dir, paste0(name, ".taken"))
  begun <- proc.time()[["elapsed"]]
  pause <- .patience_of_jobs[["first"]]
  while (!is_plain_file(path)) {
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
    "request_unanswered", sprintf("Can't get an answer of espalier for this job: there was none within %.0f s.", waited),
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

# ---- what a job without reticulate asks of the core ---------------------------------------------------

#' The answer to a call of the core, in a job whose R has no reticulate, as in most images: its runner makes it
#'
#' @return A list with the value; `NULL` where the core has to be called.
#' @noRd
answer_in_job <- function(class, method, identity, args_json) {
  if (class != "Run" || is.null(job_dir()) || nzchar(system.file(package = "reticulate"))) return(NULL)
  # (asked for again and again)
  if (method == "get_status") return(list(value = run_state(run_folder(identity))))
  list(value = job_call(identity, method, structure(args_json, class = "espalier_json")))
}

#' The result of an operation on a run that the runner of this job carries out, as JSON values
#'
#' @param run The job's own run or one below, or its identity.
#' @noRd
job_call <- function(run, member, args) {
  identity <- if (inherits(run, "Run")) identity_of(run) else run
  job_ask("call", class = "Run", member = member, identity = list(id = identity[["id"]]), args = args)$value
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
    espalier_abort("run_missing", sprintf("Can't find the run %s any more.", basename(dir)), path = path)
  }
  if (!is_plain_file(path)) {
    espalier_abort("damaged", sprintf("Can't read %s: it isn't a plain file of at most %.0f bytes.", path, .record_bytes),
                   if (nzchar(Sys.readlink(dir))) "Put the folder itself in the link's place."
                   else "Restore the file from a backup.",
                   path = path)
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

#' Do something that waits for runs, of any workspaces; meanwhile they may have this job's slot
#'
#' @param dirs The runs' folders.
#' @noRd
while_waiting_for <- function(dirs, code) {
  requests <- file.path(job_dir(), "requests")
  # (a number that R cannot hold as an integer)
  start <- structure(process_start(Sys.getpid()), class = "espalier_json")
  record <- json_encode(list(format = 1L, pid = Sys.getpid(), start = start, folders = I(absolute_folders(dirs))))
  mark <- write_privately(requests, sprintf("waiting-%s.json", request_writer()), record)
  on.exit(unlink(mark))
  job_wake()
  code
}

# (an R object may hold a relative path of a workspace; the queue works in another folder)
absolute_folders <- function(dirs) normalizePath(dirs, mustWork = FALSE)

#' wait_for_runs() in a job: as `wait_until()`, by the runs' records alone
#'
#' @param dirs The runs' folders.
#' @noRd
wait_many_in_job <- function(found, dirs, any, until, display) {
  pause <- 0.01
  repeat {
    open <- which(!found$ended)
    found$status[open] <- vapply(dirs[open], function(dir) run_record(dir, "status.json")$state, "")
    found$ended[open] <- is_final(found$status[open])
    if (enough_ended(found, any) || proc.time()[["elapsed"]] >= until) return(found)
    display$status(found)
    Sys.sleep(max(0, min(pause, until - proc.time()[["elapsed"]])))
    pause <- min(pause * 1.2, 0.2)
  }
}

#' wait_for_run_completion() in a job
#' @noRd
wait_in_job <- function(run, show_output, raise_on_error) {
  id <- identity_of(run)[["id"]]
  dir <- run_folder(identity_of(run))
  state <- while_waiting_for(dir, follow_in_job(dir, show_output))
  error <- run_record(dir, "status.json")$error
  if (raise_on_error && state == "Failed") abort_failed(id, dir, error)
  espalier_inform(sprintf("Run %s: %s", id, end_text(state, error)))
  invisible(run)
}

follow_in_job <- function(dir, show_output) {
  offset <- 0
  pause <- 0.01
  repeat {
    # (the state first: what the job wrote before it is then in the log)
    state <- run_record(dir, "status.json")$state
    before <- offset
    if (show_output) offset <- show_log(file.path(dir, "user_logs", "std_log.txt"), offset, is_final(state))
    if (offset > before) next
    if (is_final(state)) return(state)
    Sys.sleep(pause)
    pause <- min(pause * 1.2, 0.2)
  }
}

#' Show what was added to a log, in whole lines and at most 1 MB of it; returns how far it has been shown
#' @noRd
show_log <- function(path, offset, final) {
  size <- file.size(path)
  if (is.na(size) || size <= offset || dir.exists(path) || is_link(path) || is_link(dirname(path))) return(offset)
  con <- file(path, open = "rb")
  on.exit(close(con))
  seek(con, offset)
  bytes <- readBin(con, "raw", min(size - offset, 1048576))
  whole <- max(0L, which(bytes == as.raw(10L)))
  # (a line that is longer is shown in pieces)
  if (whole || !final && length(bytes) < 1048576) bytes <- bytes[seq_len(whole)]
  if (length(bytes)) cat(settled_text(bytes))
  offset + length(bytes)
}
