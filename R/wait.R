#' Wait for a run
#'
#' Use it after a submit, to watch the job and go on when it has ended. It shows the log as it grows, and before that
#' the log of preparing the environment. Interrupting (Ctrl-C, Esc) stops the waiting, never the run. Call it again to
#' come back.
#'
#' An interactive session shows a status line. Rscript and knitr get a few plain lines. In a job it needs no Python, and
#' the run may take the waiting job's place in the queue.
#'
#' @param run A run.
#' @param show_output `TRUE` (the default) shows the logs.
#' @param raise_on_error `TRUE` (the default) makes a failed run an error. `FALSE` returns the run. A canceled run, also
#'   one that reached its time limit, is never an error: a message gives the reason.
#' @return The run, invisibly.
#' @section Errors:
#' * `espalier_error_run_failed`: the run failed. The message has the cause, up to three lines of the log and its path.
#'   The fields are `run_id` and `cause`, a list of `code`, `message`, `call`, `place`, `class`, `traceback`, `log_tail`
#'   and perhaps `hint`.
#' @seealso [get_run_log()], [get_run_traceback()], [wait_for_runs()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- submit_experiment(experiment(ws, "hello"), script_run_config(command = "echo hello"))
#' wait_for_run_completion(run)
#' @export
wait_for_run_completion <- function(run, show_output = TRUE, raise_on_error = TRUE) {
  check_object(run, "Run", "run")
  check_flag(show_output, "show_output")
  check_flag(raise_on_error, "raise_on_error")
  if (!is.null(job_dir())) return(wait_in_job(run, show_output, raise_on_error))
  display <- wait_display(run)
  on.exit(display$end())
  last <- withCallingHandlers(
    follow_to_end(run, display, show_output),
    interrupt = function(condition) tell_how_to_come_back(run, display)
  )
  display$end()
  on.exit()
  if (raise_on_error && last$status == "Failed") abort_run_failed(run)
  display$done(last$status, if (last$status == "Canceled") run_record(run$run_dir, "status.json")$error)
  invisible(run)
}

# The time is spent in R, where interrupts and time limits are seen at once; a look returns what is there.
follow_to_end <- function(run, display, show_output) {
  # beyond the end of any log there is nothing to read, and nothing is sent
  offset <- if (show_output) 0 else 2^52
  build_offset <- if (show_output) 0 else -1
  shown <- 0
  wait <- run_watch(run$run_dir, if (show_output) run_logs else "status.json")
  begun <- proc.time()[["elapsed"]]
  repeat {
    seen <- run$follow(offset, 0, build_offset)
    if (nzchar(seen$build_log)) display$log(seen$build_log)
    if (nzchar(seen$log)) display$log(seen$log)
    # (short collections, 2 ms each: R by itself would let twice as much of what was shown lie)
    shown <- shown + nchar(seen$log, "bytes")
    if (shown > 1e6) {
      gc(full = FALSE)
      shown <- 0
    }
    # (a piece of the log may be nothing but control characters)
    still <- seen$offset == offset && seen$build_offset == build_offset
    if (isTRUE(seen$final) && still) return(seen)
    offset <- seen$offset
    build_offset <- seen$build_offset
    # (most runs wait for a moment only)
    if (seen$status != "Queued" || proc.time()[["elapsed"]] - begun > 0.2) display$status(seen$status, build_step(seen$build_log))
    if (still) wait(if (display$live) 0.1 else 0.5)
  }
}

run_logs <- c("status.json", "user_logs/std_log.txt", "system_logs/environment.log")

#' A function that waits until files of runs change, some seconds at most
#'
#' @param dirs Folders of runs.
#' @param files In each of them.
#' @noRd
run_watch <- function(dirs, files = "status.json") {
  paths <- file.path(rep(dirs, each = length(files)), files)
  begun <- proc.time()[["elapsed"]]
  state <- function() file.info(paths, extra_cols = FALSE)[c("size", "mtime")]
  before <- state()
  function(seconds) {
    until <- proc.time()[["elapsed"]] + seconds
    repeat {
      looked <- proc.time()[["elapsed"]]
      now <- state()
      if (!identical(now, before) || looked >= until) break
      # a fiftieth of the time that was waited is a delay that nobody notices
      cost <- proc.time()[["elapsed"]] - looked
      pause <- max(0.002, min(0.02, (looked - begun) / 50), 20 * cost)
      Sys.sleep(max(0, min(pause, until - looked)))
    }
    before <<- now
    invisible()
  }
}

# What the making of an environment is at, as its log says in lines that begin so; empty when a piece of log has none.
build_step <- function(text) {
  steps <- grep("^== ", strsplit(text, "\n", fixed = TRUE)[[1L]], value = TRUE)
  if (length(steps)) safe_line(sub("^== ", "", steps[[length(steps)]])) else ""
}

tell_how_to_come_back <- function(run, display) {
  display$end()
  say(c(
    i = "Stopped watching; run {.val {run$id}} goes on.",
    " " = "Come back: {.code wait_for_run_completion(run)}",
    " " = "From a new session: {.code run <- get_run(ws, \"{run$id}\")}",
    " " = "Stop it: {.code cancel_run(run)}"
  ))
}
