# How waiting is shown: a status line below the log in an interactive session, plain lines elsewhere.

wait_display <- function(run) {
  live <- interactive() && cli::is_dynamic_tty(stderr())
  why <- function() run$get_detailed_status()$reason
  if (live) live_display(run$id, why) else plain_display(run$id, why)
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
        say("The environment of run {.val {id}} is being made.")
      }
      state <<- now
    },
    end = function() NULL,
    done = function(status) tell_end(id, status)
  )
}

live_display <- function(id, why = function() NULL) {
  line <- status_line()
  began <- proc.time()[["elapsed"]]
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
    done = function(status) tell_end(id, status)
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

tell_end <- function(id, status) {
  # (put together here: cli's markup takes 6 ms, a sixth of what a run costs over its script)
  mark <- switch(
    status,
    Completed = cli::col_green(cli::symbol$tick), Failed = cli::col_red(cli::symbol$cross), cli::col_yellow("!")
  )
  espalier_inform(paste0(mark, " Run ", cli::col_blue(id), ": ", status, "."))
}
