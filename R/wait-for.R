#' Wait for several runs
#'
#' Use it after [submit_grid()], or before code that needs the results of several runs. One line shows how many have
#' ended. Interrupting (Ctrl-C, Esc) stops the waiting, never the runs.
#'
#' A failed run isn't an error here. A message at the end names the failed and canceled runs with their causes. In a job
#' it needs no Python, and the runs may take the waiting job's place in the queue.
#'
#' @param runs A run, or a list of runs, such as that of [submit_grid()] or [get_runs_in_experiment()]. They may be of
#'   several workspaces.
#' @param any `TRUE` returns when the first of them has ended. The default is `FALSE`.
#' @param timeout_seconds Number: seconds to wait at most. By default there is no limit.
#' @return A data frame, invisibly, with a row for each run in the order of `runs`: `run_id`, `status` and `ended`.
#' @section Errors:
#' * `espalier_error_wait_timed_out`: the time is over. Its field `states` is that data frame.
#' * `espalier_error_run_missing`: one of the runs has been deleted.
#' @seealso [wait_for_run_completion()] for one run and its log.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' exp <- experiment(ws, "hello")
#' jobs <- lapply(1:3, function(i) script_run_config(command = paste("echo", i)))
#' runs <- lapply(jobs, function(job) submit_experiment(exp, job))
#' wait_for_runs(runs, timeout_seconds = 60)
#' @export
wait_for_runs <- function(runs, any = FALSE, timeout_seconds = Inf) {
  runs <- check_runs(runs)
  check_flag(any, "any")
  check_number(timeout_seconds, "timeout_seconds", min = 0)
  dirs <- vapply(runs, function(run) run_folder(identity_of(run)), "")
  in_job <- !is.null(job_dir())
  display <- many_display()
  on.exit(display$end())
  until <- proc.time()[["elapsed"]] + timeout_seconds
  found <- withCallingHandlers(
    if (in_job) wait_for_in_job(dirs, any, until, display) else wait_until(group_runs(runs), dirs, any, until, display),
    interrupt = function(condition) tell_runs_go_on(display)
  )
  display$end()
  if (enough_ended(found, any)) display$done(found)
  tell_failed(found, dirs)
  if (!enough_ended(found, any)) abort_wait(found, timeout_seconds)
  invisible(found)
}

check_runs <- function(runs, arg = "runs") {
  if (missing(runs)) abort_missing(arg)
  if (inherits(runs, "Run")) runs <- list(runs)
  if (!is.list(runs) || !all(vapply(runs, inherits, NA, "Run"))) {
    ids <- is.character(runs) || is.list(runs) && any(vapply(runs, is.character, NA))
    abort_argument(arg, "a run or a list of runs", runs, hint = if (ids) "Get a run by its id: get_run(ws, \"id\").")
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

none_seen <- function(ids) {
  data.frame(run_id = ids, status = rep(NA_character_, length(ids)), ended = rep(FALSE, length(ids)))
}

wait_for_in_job <- function(dirs, any, until, display) {
  while_waiting_for(dirs, wait_many_in_job(none_seen(basename(dirs)), dirs, any, until, display))
}

# The time is spent in R, where interrupts and time limits are seen at once; a look returns what is there.
wait_until <- function(asked, dirs, any, until, display) {
  found <- none_seen(asked$ids)
  wait <- run_watch(dirs)
  repeat {
    for (group in asked$groups) {
      open <- group$rows[!found$ended[group$rows]]
      if (length(open)) {
        seen <- unlist(group$workspace$runs$follow(found$run_id[open], any, 0)$states)
        found$status[open] <- seen
        found$ended[open] <- seen %in% c("Completed", "Failed", "Canceled")
      }
    }
    left <- until - proc.time()[["elapsed"]]
    if (enough_ended(found, any) || left <= 0) return(found)
    display$status(found)
    wait(min(0.5, left))
  }
}

enough_ended <- function(found, any) all(found$ended) || (any && any(found$ended))

abort_wait <- function(found, timeout) {
  left <- found$run_id[!found$ended]
  shown <- paste(utils::head(left, 3L), collapse = ", ")
  if (length(left) > 3L) shown <- paste0(shown, " and ", length(left) - 3L, " more")
  espalier_abort(
    "wait_timed_out",
    sprintf("Can't wait longer: %s had not ended after %s s (%s).", part_of_runs(length(left), nrow(found)), format(timeout), shown),
    "They go on. Wait again, or cancel them with cancel_run().", states = found
  )
}

tell_runs_go_on <- function(display) {
  display$end()
  say(c(i = "Stopped watching; the runs go on.", " " = "Come back: {.code wait_for_runs(runs)}"))
}

#' A line that is written over in a terminal; elsewhere a line now and then
#' @noRd
many_display <- function() {
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
    end = function() line$clear(),
    # (of runs that had ended before there is nothing to tell)
    done = function(found) if (nzchar(told)) say("{many_text(found)}")
  )
}

many_text <- function(found) {
  counts <- table(found$status)
  sprintf("%s %s ended (%s)", part_of_runs(sum(found$ended), nrow(found)), if (nrow(found) == 1L) "has" else "have",
          paste(as.vector(counts), names(counts), collapse = ", "))
}
