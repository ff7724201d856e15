#' Wait for a run
#'
#' Waits until the run has ended, showing the job's log as it grows, and before that of the making of its environment. Interrupting (Ctrl-C, Esc) stops the waiting, never
#' the run: call it again to come back, the log is shown from the beginning.
#'
#' Inside a job it needs no Python, and as long as the job waits, the run it waits for may have the job's place in the
#' queue: so a job can wait for its children where only one run is executed at a time.
#'
#' An interactive session shows a status line; Rscript and knitr get a few plain lines.
#'
#' @param run A run.
#' @param show_output Show the logs.
#' @param raise_on_error Raise an error when the run failed; `FALSE` returns the run.
#' @return The run, invisibly.
#' @section Errors: `espalier_error_run_failed`, with the cause, the last lines of the log and the fields `run_id` and
#'   `cause` (`code`, `message`, `call`, `class`, `traceback`, `log_tail`).
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
  display$done(last$status)
  invisible(run)
}

# The loop is R's, each look is short: an interrupt returns the prompt within one look.
follow_to_end <- function(run, display, show_output) {
  # beyond the end of any log there is nothing to read, and nothing is sent
  offset <- if (show_output) 0 else 2^52
  build_offset <- if (show_output) 0 else -1
  shown <- 0
  repeat {
    seen <- run$follow(offset, if (display$live) 0.1 else 0.2, build_offset)
    if (nzchar(seen$build_log)) display$log(seen$build_log)
    if (nzchar(seen$log)) display$log(seen$log)
    # (short collections, 2 ms each: R by itself would let twice as much of what was shown lie)
    shown <- shown + nchar(seen$log, "bytes")
    if (shown > 1e6) {
      gc(full = FALSE)
      shown <- 0
    }
    # (a piece of the log may be nothing but control characters)
    if (isTRUE(seen$final) && seen$offset == offset && seen$build_offset == build_offset) return(seen)
    offset <- seen$offset
    build_offset <- seen$build_offset
    display$status(seen$status, build_step(seen$build_log))
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

abort_run_failed <- function(run) abort_failed(run$id, run$run_dir, run$get_details()$error)

abort_failed <- function(id, dir, error) {
  log <- file.path(dir, "user_logs", "std_log.txt")  # (a run that was never started has none)
  tail <- unlist(error$log_tail)
  shown <- if (length(tail)) c("", "Last lines of its log:", paste0("  ", safe_line(tail)))
  call <- if (length(error$call) && nzchar(error$call)) paste0(" [in ", safe_line(error$call), "]")
  espalier_abort(
    "run_failed",
    c(paste0("Run ", id, " failed: ", safe_line(error$message), call), shown),
    if (file.exists(log)) paste0("The whole log: ", log),
    run_id = id, cause = error
  )
}
