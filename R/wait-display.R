# How waiting is shown: a status line below the log in an interactive session, plain lines elsewhere.

wait_display <- function(run) {
  live <- interactive() && cli::is_dynamic_tty(stderr())
  why <- function() run$get_detailed_status()$reason
  if (!live) return(plain_display(run$id, why))
  live_display(run$id, why, function() run_record(run$run_dir, "status.json")$started_at)
}

# @param why Called for why the run waits; it may know nothing.
plain_display <- function(id, why = function() NULL) {
  state <- ""
  making <- FALSE
  list(
    live = FALSE,
    log = function(text) cat(text),
    status = function(now, step = "") {
      if (now != state && now == "Queued") {
        reason <- why()
        say(paste0("Run {.val {id}} waits in the queue", if (length(reason)) ": {reason}", "."))
      }
      if (nzchar(step) && !making) {
        making <<- TRUE
        say("Preparing the environment of run {.val {id}}.")
      }
      state <<- now
    },
    end = function() NULL,
    done = function(status, error = NULL) tell_end(id, status, error)
  )
}

# @param started Called for the time at which the run was started, as text; it may know none.
live_display <- function(id, why = function() NULL, started = function() NULL) {
  line <- status_line()
  began <- proc.time()[["elapsed"]]
  is_running <- FALSE
  reason <- ""
  # what the making of its environment is at
  at <- ""
  asked <- -Inf
  # the end of the log that has no newline yet: the status line may not stand behind it
  held <- ""
  list(
    live = TRUE,
    log = function(text) {
      text <- paste0(held, text)
      whole <- sub("[^\n]*$", "", text)
      held <<- substring(text, nchar(whole) + 1L)
      if (!nzchar(whole)) return()
      line$clear()
      cat(whole)
      utils::flush.console()
    },
    status = function(now, step = "") {
      if (nzchar(step)) at <<- step
      if (now == "Running" && !is_running) {  # (it may have been running before anything waited)
        is_running <<- TRUE
        time <- started()
        if (length(time)) began <<- min(began, proc.time()[["elapsed"]] - as.numeric(difftime(Sys.time(), parse_time(time), units = "secs")))
      }
      since <- proc.time()[["elapsed"]] - began
      if (now == "Queued" && since - asked >= 1) {  # (it changes with other runs, and asking takes a millisecond)
        text <- why()
        reason <<- if (length(text)) paste0(" (", text, ")") else ""
        asked <<- since
      }
      doing <- if (now == "Queued") reason else if (now == "Preparing" && nzchar(at)) paste0(" (", at, ")")
      line$show(paste0(id, " ", now, doing, ", ", format_seconds(since)))
    },
    end = function() {
      line$clear()
      if (nzchar(held)) cat(held, "\n", sep = "")
      held <<- ""
    },
    done = function(status, error = NULL) tell_end(id, status, error)
  )
}

#' A line of the terminal that is written over again and again
#'
#' Not cli's: that one ends with the function that began it, and its markup costs more than a look at the run.
#' @noRd
status_line <- function() {
  width <- 0L
  draw <- function(text) {
    cat("\r", text, strrep(" ", max(width - nchar(text), 0L)), "\r", sep = "", file = stderr())
    width <<- nchar(text)
  }
  list(
    show = function(text) draw(substr(text, 1L, cli::console_width() - 1L)),
    clear = function() if (width > 0L) draw("")
  )
}

tell_end <- function(id, status, error = NULL) {
  # (put together here: cli's markup takes 6 ms, a sixth of what a run costs over its script)
  mark <- switch(
    status,
    Completed = cli::col_green(cli::symbol$tick), Failed = cli::col_red(cli::symbol$cross), cli::col_yellow("!")
  )
  espalier_inform(paste0(mark, " Run ", cli::col_blue(id), ": ", end_text(status, error)))
}

#' How a run ended: its state, and of a canceled one the reason
#' @noRd
end_text <- function(status, error = NULL) {
  reason <- if (status == "Canceled") failure_line(error$message %||% "")
  if (!length(reason) || !nzchar(reason)) return(paste0(status, "."))
  if (startsWith(reason, status)) reason else paste0(status, ". ", reason)
}

#' Which of several runs failed or were canceled, why, and what shows more
#' @noRd
tell_failed <- function(found, dirs, most = 5L) {
  bad <- which(found$status %in% c("Failed", "Canceled"))
  if (!length(bad)) return(invisible())
  shown <- utils::head(bad, most)
  errors <- lapply(dirs[shown], function(dir) run_record(dir, "status.json")$error)
  lines <- mapply(bad_line, found$run_id[shown], found$status[shown], errors)
  more <- length(bad) - length(shown)
  verb <- if (all(found$status[bad] == "Failed")) "failed" else "didn't complete"
  calls <- if (length(errors[[1L]]$traceback)) "; get_run_traceback(run)"
  espalier_inform(c(
    sprintf("%s %s:", part_of_runs(length(bad), nrow(found)), verb), lines,
    if (more > 0L) sprintf("... and %d more; list_runs() shows their errors.", more),
    paste0("i Look closer: run <- get_run(ws, \"", found$run_id[shown[1L]], "\"); get_run_log(run)", calls)
  ))
}

part_of_runs <- function(part, total) sprintf("%d of %d run%s", part, total, if (total == 1L) "" else "s")

bad_line <- function(id, status, error) {
  if (status == "Canceled") return(paste0(cli::col_yellow("!"), " ", id, ": ", end_text(status, error)))
  paste0(cli::col_red(cli::symbol$cross), " ", id, ": ", failure_line(error$message %||% "unknown cause", 120L))
}
