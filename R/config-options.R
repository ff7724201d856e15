# Options of a job that belong together. estimator() and script_run_config() also take each by itself.

#' Request processors and memory for a job
#'
#' Use this for the argument `resources` of [estimator()] and [script_run_config()] if a job needs more than one
#' processor. Runs wait in the queue for what isn't free. A local job isn't stopped when it takes more.
#'
#' @param cpus Number of processors. 0 is for a job that only waits for others. Default: 1.
#' @param gpus Number of graphics processors. The job finds their ids in `CUDA_VISIBLE_DEVICES`. Default: 0.
#' @param memory Memory to keep for the job: `"4 GB"`, or a number of bytes. Default: none.
#' @return A list of class `espalier_resource_options`.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument has the wrong type.
#' @seealso [set_host_resources()] sets what this machine gives to runs.
#' @examples
#' resource_options(cpus = 2, memory = "4 GB")
#' @export
resource_options <- function(cpus = NULL, gpus = NULL, memory = NULL) {
  job_options(
    cpus = check_number(cpus, "cpus", null = TRUE), gpus = check_number(gpus, "gpus", null = TRUE),
    memory = memory_argument(memory, "memory"), class = "espalier_resource_options"
  )
}

#' Limit the time of a job
#'
#' Use this for the argument `limits` of [estimator()] and [script_run_config()], so that a job that hangs is canceled.
#' `Inf` removes a limit.
#'
#' @param run_seconds Number of seconds after which the job is canceled. Default: no limit.
#' @param queue_seconds Number of seconds after which a run that hasn't started is canceled. Default: a week.
#' @param prepare_seconds Number of seconds after which a run fails whose working copy isn't ready. Default: an hour, or
#'   six hours if an environment has to be made.
#' @return A list of class `espalier_limit_options`.
#' @section Errors:
#' * `espalier_error_bad_argument`: a limit isn't a number above 0.
#' @seealso [estimator()], [retry_options()]
#' @examples
#' limit_options(run_seconds = 3600, queue_seconds = Inf)
#' @export
limit_options <- function(run_seconds = NULL, queue_seconds = NULL, prepare_seconds = NULL) {
  limit_fields(run_seconds, queue_seconds, prepare_seconds, c("run_seconds", "queue_seconds", "prepare_seconds"))
}

#' @param args The names of the three arguments, for errors.
#' @noRd
limit_fields <- function(run = NULL, queue = NULL, prepare = NULL, args = names(.flat_options$limits)) {
  run <- timeout_argument(run, args[1L])
  job_options(
    max_run_duration_seconds = if (!identical(run, 0)) run, queue_timeout_seconds = timeout_argument(queue, args[2L]),
    prepare_timeout_seconds = timeout_argument(prepare, args[3L]), class = "espalier_limit_options"
  )
}

#' Choose how a job's folder is copied
#'
#' Use this for the argument `source` of [estimator()] and [script_run_config()] to keep a run's working copy, or to
#' allow links that lead out of the folder.
#'
#' @param record_diff Logical: whether the run records what isn't committed, if the folder lies in a git repository. See
#'   [get_run_provenance()]. Default: `TRUE`, or the option `espalier.record_diff`.
#' @param outside_links String: what becomes of links that lead out of the folder, `"refuse"`, `"keep"` or `"copy"`. See
#'   [preview_snapshot()]. Default: `"refuse"`, or the option `espalier.outside_links`.
#' @param keep_workdir Logical: whether the working copy is kept after the run, to look at. Default: `FALSE`.
#' @return A list of class `espalier_source_options`.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument has the wrong type, or is none of the choices.
#' @seealso [estimator()], [preview_snapshot()]
#' @examples
#' source_options(keep_workdir = TRUE)
#' @export
source_options <- function(record_diff = getOption("espalier.record_diff", TRUE),
                           outside_links = getOption("espalier.outside_links", "refuse"), keep_workdir = FALSE) {
  job_options(
    record_diff = if (!check_flag(record_diff, "record_diff")) FALSE,
    outside_links = if (check_choice(outside_links, c("refuse", "keep", "copy"), "outside_links") != "refuse") outside_links,
    keep_workdir = check_flag(keep_workdir, "keep_workdir"), class = "espalier_source_options"
  )
}

#' Options by the names of the core's fields, those that were given
#' @noRd
job_options <- function(..., class) new_value(list(...), class)

#' @export
format.espalier_resource_options <- function(x, ...) header("Resource options", facts = option_texts(unclass(x)))

#' @export
format.espalier_limit_options <- function(x, ...) {
  fields <- unclass(x)
  if (length(fields)) names(fields) <- paste0(.flat_options$limits[names(fields)], "_seconds")
  header("Limit options", facts = option_texts(fields))
}

#' @export
format.espalier_source_options <- function(x, ...) header("Source options", facts = option_texts(unclass(x)))

option_texts <- function(x) if (length(x)) config_text(x) else "default"

# Which argument an option belongs to that is given by itself, and its name in the builder.
.flat_options <- list(
  resources = c(cpus = "cpus", gpus = "gpus", memory = "memory"),
  limits = c(max_run_duration_seconds = "run", queue_timeout_seconds = "queue", prepare_timeout_seconds = "prepare"),
  source = c(record_diff = "record_diff", outside_links = "outside_links", keep_workdir = "keep_workdir")
)

#' The options of a job, from builders and those given by themselves
#'
#' @param built A list of what the builders made, by argument; `flat` the options by themselves, by name.
#' @noRd
all_options <- function(built, flat) {
  known <- unlist(lapply(.flat_options, names), use.names = FALSE)
  refuse_unknown_options(names(flat) %||% rep("", length(flat)), c(known, names(formals(script_run_config))))
  makers <- list(resources = resource_options, limits = limit_fields, source = source_options)
  classes <- c(resources = "espalier_resource_options", limits = "espalier_limit_options", source = "espalier_source_options")
  unlist(lapply(names(makers), function(arg) {
    given <- flat[intersect(names(.flat_options[[arg]]), names(flat))]
    if (is.null(built[[arg]])) {
      names(given) <- .flat_options[[arg]][names(given)]
      return(unclass(do.call(makers[[arg]], given)))
    }
    if (!inherits(built[[arg]], classes[[arg]])) {
      abort_argument(arg, sprintf("made by %s_options()", sub("s$", "", arg)), built[[arg]])
    }
    if (length(given)) {
      espalier_abort("bad_argument", sprintf("Can't use both `%s` and `%s`.", arg, names(given)[1L]),
                     sprintf("Set it in `%s` alone.", arg), argument = names(given)[1L])
    }
    unclass(built[[arg]])
  }), recursive = FALSE)
}

refuse_unknown_options <- function(names, known) {
  unknown <- setdiff(names, known)
  if (!length(unknown)) return(invisible())
  verb <- called_verb()
  takes <- unique(setdiff(c(names(formals(verb, topenv())), known), "..."))
  near <- takes[utils::adist(unknown[1L], takes)[1L, ] <= max(1, nchar(unknown[1L]) / 3)]
  espalier_abort(
    "bad_argument",
    if (nzchar(unknown[1L])) sprintf("%s() has no argument `%s`.", verb, unknown[1L])
    else sprintf("%s() can't use an argument without a name.", verb),
    if (length(near)) sprintf("Did you mean `%s`?", near[1L]), argument = unknown[1L]
  )
}
