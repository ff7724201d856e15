# Calls that may take long: the core works on a thread of its own (inst/python/espalier_bridge/jobs.py), and R looks at
# it again and again. So an interrupt returns the prompt at once, whatever the core is at, and progress can be shown.

# `watch`: what else is looked at while a call goes on; `token` counts the calls.
.long <- new.env(parent = emptyenv())

#' Look at something again and again while a long call goes on
#'
#' @param watch Is given the display, which has to end before anything is printed.
#' @param code The call.
#' @noRd
while_watching <- function(watch, code) {
  .long$watch <- watch
  on.exit(.long$watch <- NULL)
  code
}

#' Call one method of the core that may take long; the arguments are those of `core_call()`
#' @noRd
core_call_long <- function(class, method, identity = NULL, args_json = "{}", decode = result_json) {
  look_again()
  without <- answer_in_job(class, method, identity, args_json)
  if (!is.null(without)) return(decode(without$value))
  jobs <- bridge_jobs()
  request <- core_request(class, method, identity, args_json)
  response <- long_response(jobs, request, decode)
  while (provide_extra(response)) response <- long_response(jobs, request, decode)
  core_answer(response, decode)
}

#' What the core answers to a call, after its end
#' @noRd
long_response <- function(jobs, request, decode) {
  display <- long_display()
  token <- .long$token <- (.long$token %||% 0L) + 1L
  begun <- FALSE
  response <- list(running = TRUE)
  on.exit({
    display$end()
    # (interrupted twice)
    if (begun && isTRUE(response$running)) suspendInterrupts(jobs$abandon())
  })
  # An interrupt, or a time limit of the user's: nothing is done after the verb was left, or the user is told.
  call_off <- function(condition) {
    display$end()
    while (begun && isTRUE(response$running)) {
      undisturbed(response <<- jsonlite::parse_json(jobs$cancel(token)))
    }
    tell_late_result(response, decode)
  }
  withCallingHandlers({
    # what was begun, and what it answered, is known before an interrupt is seen
    undisturbed({
      begun <- TRUE
      response <- jsonlite::parse_json(jobs$start(request, token))
    })
    while (isTRUE(response$running)) {
      if (!is.null(.long$watch)) .long$watch(display)
      display$show(response$progress)
      undisturbed(response <- jsonlite::parse_json(jobs$look()))
    }
  }, interrupt = call_off, error = call_off)
  response
}

#' An interrupt that came too late: verbs that do more than read report what was done
#' @noRd
tell_late_result <- function(response, decode) {
  if (!"value" %in% names(response)) return(invisible())
  late <- structure(
    class = c("espalier_late_result", "condition"),
    list(message = "done already", call = NULL, value = decode(response$value))
  )
  signalCondition(late)
  invisible()
}

#' What a verb says if it is interrupted after it has done its work
#'
#' @param code The call of the core.
#' @param tell Takes the call's value.
#' @noRd
when_too_late <- function(code, tell) {
  withCallingHandlers(code, espalier_late_result = function(late) tell(late$value))
}

# ---- how progress is shown -------------------------------------------------------------------------

# Nothing is shown of what takes less (seconds), and lines where there is no terminal come no faster.
.patience <- c(bar = 0.5, first_line = 2, line = 10)

#' Nothing is made, and cli not loaded, before there is something to show
#' @noRd
long_display <- function() {
  display <- NULL
  list(
    show = function(progress) {
      if (is.null(display)) {
        display <<- if (interactive() && cli::is_dynamic_tty(stderr())) long_bar() else long_lines()
      }
      display$show(progress)
    },
    end = function() if (!is.null(display)) display$end()
  )
}

long_lines <- function(clock = function() proc.time()[["elapsed"]]) {
  due <- clock() + .patience[["first_line"]]
  list(
    show = function(progress) {
      if (is.null(progress) || clock() < due) return(invisible())
      due <<- clock() + .patience[["line"]]
      say("{progress_text(progress)}")
    },
    end = function() NULL
  )
}

progress_text <- function(progress) {
  done <- progress[[2L]]
  total <- progress[[3L]]
  # (a stage without anything to count)
  if (is.null(total) && done == 0) return(progress[[1L]])
  if (is.null(total)) return(sprintf("%s: %s", progress[[1L]], format(done, big.mark = ",", scientific = FALSE)))
  sprintf("%s: %d%%", progress[[1L]], as.integer(100 * share_of(done, total)))
}

share_of <- function(done, total) if (total > 0) min(done / total, 1) else 1

#' A progress bar of cli's for each stage, once it is worth it (so no ETA: cli would count from then)
#' @noRd
long_bar <- function(clock = function() proc.time()[["elapsed"]]) {
  since <- clock()
  home <- environment()
  bar <- stage <- NULL
  end <- function() {
    if (!is.null(bar)) cli::cli_progress_done(id = bar, .envir = home)
    bar <<- stage <<- NULL
  }
  begin <- function(progress) {
    end()
    stage <<- progress[[1L]]
    # (the delay is ours, and cli counts from the bar's beginning)
    old <- options(cli.progress_show_after = 0)
    on.exit(options(old))
    format <- if (!is.null(progress[[3L]])) "{cli::pb_name}{cli::pb_bar} {cli::pb_percent}" else
      if (progress[[2L]] > 0) "{cli::pb_spin} {cli::pb_name}{cli::pb_current}" else "{cli::pb_spin} {cli::pb_name}"
    bar <<- cli::cli_progress_bar(
      paste0(stage, ":"), total = progress[[3L]] %||% NA, format = format, clear = TRUE, .auto_close = FALSE, .envir = home
    )
  }
  list(
    show = function(progress) {
      if (is.null(progress) || clock() - since < .patience[["bar"]]) return(invisible())
      if (!identical(stage, progress[[1L]])) begin(progress)
      cli::cli_progress_update(set = progress[[2L]], id = bar, force = TRUE, .envir = home)
    },
    end = end
  )
}
