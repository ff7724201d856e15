#' Wait for several runs
#'
#' Waits until all of some runs have ended, or the first of them, with one line that tells how far they are. Interrupting
#' (Ctrl-C, Esc) stops the waiting, never the runs. A run that failed is no error here: see the column `status`.
#'
#' @param runs A run, a list of runs, or what [get_runs_in_experiment()] gives; of any workspaces.
#' @param any Return when the first of them has ended.
#' @param timeout Seconds to wait at most.
#' @return A data frame, invisibly: `run_id`, `status`, `ended`, a row a run in the order of `runs`.
#' @section Errors: `espalier_error_wait_timed_out`, whose field `states` is that data frame; `espalier_error_run_missing`
#'   when one of them has been deleted.
#' @seealso [wait_for_run_completion()] for one run and its log.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' exp <- experiment(ws, "hello")
#' runs <- lapply(1:3, function(i) submit_experiment(exp, script_run_config(command = paste("echo", i))))
#' wait_for(runs, timeout = 60)
#' @export
wait_for <- function(runs, any = FALSE, timeout = Inf) {
  runs <- check_runs(runs)
  check_flag(any, "any")
  check_number(timeout, "timeout", min = 0)
  groups <- group_runs(runs)
  display <- many_display(length(runs))
  on.exit(display$end())
  until <- proc.time()[["elapsed"]] + timeout
  found <- withCallingHandlers(
    wait_until(groups, any, until, display),
    interrupt = function(condition) tell_runs_go_on(display)
  )
  display$end()
  if (!enough_ended(found, any)) abort_wait(found, timeout)
  invisible(found)
}

check_runs <- function(runs) {
  if (inherits(runs, "Run")) runs <- list(runs)
  if (!is.list(runs) || !all(vapply(runs, inherits, NA, "Run"))) {
    abort_argument("runs", "a run or a list of runs", runs)
  }
  unclass(runs)
}

#' The runs of each workspace: one look of the core's is for one workspace
#' @noRd
group_runs <- function(runs) {
  ids <- vapply(runs, function(run) run$id, "")
  places <- vapply(runs, function(run) run$workspace_path, "")
  groups <- lapply(unique(places), function(place) {
    list(workspace = Workspace$new(identity = c(path = place)), rows = which(places == place))
  })
  list(ids = ids, groups = groups)
}

# The loop is R's, each look is short: an interrupt returns the prompt within one look.
wait_until <- function(asked, any, until, display) {
  found <- data.frame(run_id = asked$ids, status = rep(NA_character_, length(asked$ids)), ended = rep(FALSE, length(asked$ids)))
  repeat {
    pause <- max(0, min(0.2, until - proc.time()[["elapsed"]])) / max(1L, length(asked$groups))
    for (group in asked$groups) {
      # (who has one that ended waits for no other)
      wait <- if (any && any(found$ended)) 0 else pause
      open <- group$rows[!found$ended[group$rows]]
      if (length(open)) {
        seen <- unlist(group$workspace$follow_runs(found$run_id[open], any, wait)$states)
        found$status[open] <- seen
        found$ended[open] <- seen %in% c("Completed", "Failed", "Canceled")
      }
    }
    if (enough_ended(found, any) || proc.time()[["elapsed"]] >= until) return(found)
    display$status(found)
  }
}

enough_ended <- function(found, any) all(found$ended) || (any && any(found$ended))

abort_wait <- function(found, timeout) {
  left <- found$run_id[!found$ended]
  shown <- paste(utils::head(left, 3L), collapse = ", ")
  if (length(left) > 3L) shown <- paste0(shown, " and ", length(left) - 3L, " more")
  espalier_abort(
    "wait_timed_out",
    sprintf("%d of %d runs had not ended after %s s: %s.", length(left), nrow(found), format(timeout), shown),
    "They go on. Wait again, or cancel them.", states = found
  )
}

tell_runs_go_on <- function(display) {
  display$end()
  say(c(i = "Stopped watching; the runs go on.", " " = "Come back: {.code wait_for(runs)}"))
}

#' A line that is written over in a terminal; elsewhere a line now and then
#' @noRd
many_display <- function(total) {
  live <- interactive() && cli::is_dynamic_tty(stderr())
  line <- status_line()
  due <- proc.time()[["elapsed"]] + 2
  told <- ""
  list(
    status = function(found) {
      text <- many_text(found)
      now <- proc.time()[["elapsed"]]
      if (live) {
        line$show(text)
      } else if (text != told && now >= due) {
        due <<- now + 10
        say("{text}")
      }
      told <<- text
    },
    end = function() line$clear()
  )
}

many_text <- function(found) {
  counts <- table(found$status)
  sprintf("%d of %d runs have ended (%s)", sum(found$ended), nrow(found),
          paste(as.vector(counts), names(counts), collapse = ", "))
}
