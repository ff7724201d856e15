# What a job asks of the queue: its share of the machine, its turn, further attempts.

#' Retry a failed run
#'
#' Use this for the argument `retry` of [estimator()] and [script_run_config()] if a job may fail for reasons that pass.
#' A number in its place means that many attempts after any cause, at once.
#'
#' All attempts are one run: its log goes on, and metrics are those of the last. Files in `./outputs` stay for the next
#' attempt, so a script may continue from what it saved there. A canceled run is never retried.
#' `get_run_details(run)$attempts` shows how earlier attempts ended.
#'
#' @param attempts Number of times to execute the job at most, the first included. Default: 3.
#' @param on Character vector of causes, the codes of a run's error. Default: all.
#'   * `"job_failed"`: an error, or an exit status other than 0.
#'   * `"job_killed"`: a signal, such as the kernel's when memory is short.
#'   * `"runner_lost"`: the machine was restarted, or everything was killed.
#'   * `"timed_out"`: see `run_seconds` of [limit_options()].
#'   * `"start_failed"`, `"prepare_failed"`, `"prepare_timed_out"`: the job couldn't be started.
#'   * `"job_out_of_memory"`, `"engine_lost"` (Docker was stopped or crashed): in containers.
#' @param wait_seconds Number of seconds to wait before the second attempt. Default: 0.
#' @param factor Number: how many times longer each further wait is. Default: 2.
#' @param max_wait_seconds Number of seconds of the longest wait. Default: 3600.
#' @return A list of class `espalier_retry_options`.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument has the wrong type. The rest is checked at submit.
#' @seealso [estimator()], [limit_options()]
#' @examples
#' retry_options(3, on = c("runner_lost", "job_killed"), wait_seconds = 30)
#' @export
retry_options <- function(attempts = 3, on = NULL, wait_seconds = 0, factor = 2, max_wait_seconds = 3600) {
  check_number(attempts, "attempts")
  check_number(wait_seconds, "wait_seconds")
  check_number(factor, "factor")
  check_number(max_wait_seconds, "max_wait_seconds")
  policy <- list(attempts = attempts, on = check_strings(on, "on"), wait_seconds = wait_seconds, factor = factor,
                 max_wait_seconds = max_wait_seconds)
  new_value(policy, "espalier_retry_options")
}

#' @export
format.espalier_retry_options <- function(x, ...) {
  pause <- if (x$wait_seconds > 0) sprintf(", first after %s s", format(x$wait_seconds)) else ""
  causes <- if (length(x$on)) paste0(", on ", paste(unlist(x$on), collapse = ", ")) else ""
  header("Retry options", facts = sprintf("up to %s attempts%s%s", format(x$attempts), pause, causes))
}

# The fields of a job that the queue looks at; NULL where the core's own default is meant.
queue_fields <- function(priority, retry, depends_on) {
  if (is.numeric(retry) && !is.object(retry)) retry <- retry_options(check_number(retry, "retry"))
  if (!is.null(retry) && !inherits(retry, "espalier_retry_options")) abort_argument("retry", "a number, or retry_options()", retry)
  list(
    priority = check_number(priority, "priority", null = TRUE), retry = unclass(retry),
    depends_on = run_ids(depends_on, "depends_on")
  )
}

# A size as text, which the core reads: a number of bytes, or a number and a unit.
memory_argument <- function(x, arg) {
  if (is.null(x)) return(NULL)
  if (is_string(x)) return(x)
  if (!is.numeric(x) || is.object(x) || length(x) != 1L) {
    abort_argument(arg, "a size such as \"4 GB\", or a number of bytes", x)
  }
  sprintf("%.0f", x)
}

# (Inf is the core's 0: no limit)
timeout_argument <- function(x, arg) {
  if (is.null(x)) return(NULL)
  check_number(x, arg)
  if (x <= 0) abort_argument(arg, "above 0", x)
  if (is.finite(x)) x else 0
}

# Ids of runs that are given as runs, as a list of runs, or by their ids.
run_ids <- function(x, arg) {
  if (inherits(x, "Run")) x <- list(x)
  if (is.character(x)) return(check_strings(x, arg))
  if (!is.null(x) && !(is.list(x) && all(vapply(x, inherits, NA, "Run")))) {
    abort_argument(arg, "a run, a list of runs, or run ids", x)
  }
  lapply(unclass(x), function(run) run$id)
}
