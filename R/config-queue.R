# What a job asks of the queue: its share of the machine, its turn, further attempts.

#' When a run is tried again
#'
#' For the argument `retry` of [estimator()] and [script_run_config()], where a number alone means that many attempts
#' after whatever cause, at once. A run that was canceled is never tried again. All attempts are one run: its log goes
#' on, files in `./outputs` stay for the next attempt (a script may continue from what it saved there), metrics are those
#' of the last. `get_run_details(run)$attempts` tells how the earlier ones ended.
#'
#' @param attempts How often to execute the job at most, the first time included.
#' @param on After which causes, the codes of a run's error: `"job_failed"` (an error, a bad exit status), `"job_killed"`
#'   (a signal, such as the kernel's when memory is short), `"runner_lost"` (the machine was restarted, or everything was
#'   killed), `"timed_out"` (`max_run_duration_seconds`), `"start_failed"`, `"prepare_failed"`, `"prepare_timed_out"`; in a
#'   container also `"job_out_of_memory"` and `"engine_lost"` (Docker was stopped or crashed). All by default.
#' @param wait_seconds Seconds to wait before the second attempt.
#' @param factor How many times longer to wait before each further one.
#' @param max_wait_seconds The longest wait.
#' @return A list of class `espalier_retry`.
#' @section Errors: `espalier_error_bad_argument`.
#' @examples
#' retry_policy(3, on = c("runner_lost", "job_killed"), wait_seconds = 30)
#' @export
retry_policy <- function(attempts = 3, on = NULL, wait_seconds = 0, factor = 2, max_wait_seconds = 3600) {
  check_count(attempts, "attempts", min = 1)
  if (!is.null(on)) for (cause in check_strings(on, "on")) check_choice(cause, retry_causes, "on")
  check_number(wait_seconds, "wait_seconds", min = 0, max = .Machine$double.xmax)
  check_number(factor, "factor", min = 1, max = .Machine$double.xmax)
  check_number(max_wait_seconds, "max_wait_seconds", min = 0, max = .Machine$double.xmax)
  structure(
    list(attempts = attempts, on = as.list(on %||% retry_causes), wait_seconds = wait_seconds, factor = factor,
         max_wait_seconds = max_wait_seconds),
    class = "espalier_retry"
  )
}

retry_causes <- c(
  "job_failed", "job_killed", "runner_lost", "timed_out", "start_failed", "prepare_failed", "prepare_timed_out",
  "job_out_of_memory", "engine_lost"
)

#' @export
print.espalier_retry <- function(x, ...) {
  cat("<espalier retry> ", format(x), "\n", sep = "")
  invisible(x)
}

#' @export
format.espalier_retry <- function(x, ...) {
  pause <- if (x$wait_seconds > 0) sprintf(", first after %s s", format(x$wait_seconds)) else ""
  causes <- if (setequal(unlist(x$on), retry_causes)) "" else paste0(", on ", paste(unlist(x$on), collapse = ", "))
  sprintf("up to %s attempts%s%s", format(x$attempts), pause, causes)
}

# The fields of a job that the queue looks at; NULL where the core's own default is meant.
queue_fields <- function(cpus, gpus, memory, priority, retry, depends_on, queue_timeout_seconds,
                         prepare_timeout_seconds) {
  if (is.numeric(retry) && !is.object(retry)) retry <- retry_policy(check_count(retry, "retry", min = 1))
  if (!is.null(retry) && !inherits(retry, "espalier_retry")) abort_argument("retry", "a number, or retry_policy()", retry)
  list(
    cpus = check_count(cpus, "cpus", null = TRUE),
    gpus = check_count(gpus, "gpus", null = TRUE),
    memory = memory_argument(memory, "memory"),
    priority = check_count(priority, "priority", null = TRUE, min = 1, max = 9),
    retry = unclass(retry),
    depends_on = run_ids(depends_on, "depends_on"),
    queue_timeout_seconds = timeout_argument(queue_timeout_seconds, "queue_timeout_seconds"),
    prepare_timeout_seconds = timeout_argument(prepare_timeout_seconds, "prepare_timeout_seconds")
  )
}

# A size as text, which the core reads: a number of bytes, or a number and a unit.
memory_argument <- function(x, arg) {
  if (is.null(x)) return(NULL)
  if (is.numeric(x) && !is.object(x) && length(x) == 1L && !is.na(x) && x >= 0 && x < 2^53) return(sprintf("%.0f", x))
  if (is_string(x) && grepl("^\\s*[0-9]+([.][0-9]+)?\\s*([kmgt]?(i?b)?)\\s*$", x, ignore.case = TRUE)) return(x)
  abort_argument(arg, "a size such as \"4 GB\", or a number of bytes", x)
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
