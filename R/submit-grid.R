#' Submit a grid of parameters
#'
#' Use it for a parameter sweep: each combination of values, or each row of a data frame, becomes a run. The folder is
#' read once, so it takes a tenth of the time of single submits.
#'
#' All rows are checked first. If one is wrong, or the call is interrupted before the runs are written, nothing is
#' submitted. A name that the script doesn't have, and a value of another type than its default, are found if the call of
#' [job_params()] can be read from its code. The runs wait in the queue, and R may quit. A job in a container can't submit
#' a grid. It can submit children with [submit_child_run()].
#'
#' @param experiment An [experiment()].
#' @param config An [estimator()] or [script_run_config()].
#' @param grid Named list: values of each parameter, of which all combinations become runs. Or a data frame, of which
#'   each row becomes a run. At most 10,000 runs. The values replace or extend `script_params` of `config`, by the same
#'   rules. A list column gives a vector in each row.
#' @param tags Named list: tags of the runs. Each element is one value for all runs, or one for each. `NA` leaves the
#'   tag out.
#' @param display_names Character vector: a title for each run. By default that of `config`.
#' @param sample Number of runs to submit at random, or a share below 1. By default all. `set.seed()` makes it
#'   repeatable.
#' @param reuse `TRUE` returns the newest completed run of the experiment in place of a row that is exactly the same,
#'   see [submit_experiment()]. The default is `FALSE`.
#' @return A list of `Run` objects of class `espalier_runs`, in the order of the rows. It prints as the table of
#'   [list_runs()].
#' @section Errors:
#' * the classes of [submit_experiment()]. The message names the row.
#' * `espalier_error_not_supported`: the code runs in a job in a container.
#' @seealso [wait_for_runs()], [best_run()], [list_runs()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' job <- script_run_config(command = "echo", script_params = list(trees = 100))
#' grid <- list(rate = c(0.1, 0.01), depth = 2:3)
#' runs <- submit_grid(experiment(ws, "sweep"), job, grid, tags = list(sweep = "first"))
#' wait_for_runs(runs)
#' runs
#' @export
submit_grid <- function(experiment, config, grid, tags = NULL, display_names = NULL, reuse = FALSE, sample = NULL) {
  check_object(experiment, "Experiment", "experiment")
  check_object(config, "espalier_config", "config")
  if (missing(grid)) abort_missing("grid")
  grid <- rows_of_grid(grid, check_number(sample, "sample", null = TRUE))
  values <- job_values(config)
  params <- params_of_rows(grid)
  tags <- tags_of_rows(tags, nrow(grid))
  display_names <- check_strings(display_names, "display_names")
  if (!length(display_names) %in% c(0L, nrow(grid))) {
    abort_argument("display_names", sprintf("%d titles, one for each run", nrow(grid)), display_names)
  }
  result <- tryCatch(
    when_too_late(
      experiment$submit_many_values(values, params, tags, display_names, check_flag(reuse, "reuse")), report_submitted_rows
    ),
    espalier_error = function(e) {
      e$message <- sub("^Trial ([0-9]+) of [0-9]+: ", "Row \\1 of `grid`: ", e$message)
      stop(e)
    }
  )
  tell_submitted(result, values)
  if (result$reused > 0) {
    say(c(i = "{result$reused} of {nrow(grid)} rows are unchanged: their earlier runs are returned."))
  } else if (reuse) {
    say(c(i = "No completed run can be reused: all runs are new."))
  }
  path <- experiment$workspace$path
  runs <- lapply(result$run_ids, function(id) Run$new(identity = c(workspace = path, id = id)))
  structure(runs, class = "espalier_runs", experiment = experiment)
}

#' A grid as a data frame: a row a run
#' @noRd
rows_of_grid <- function(grid, sample = NULL) {
  wanted <- "a data frame with at least one row, or a named list of values"
  if (!is.list(grid) || is.object(grid) && !is.data.frame(grid) || !is.data.frame(grid) && !length(grid)) abort_argument("grid", wanted, grid)
  if (is.data.frame(grid)) {
    if (!nrow(grid)) refuse_grid("has no rows", "Every row of it is a run.")
    rows <- sampled_rows(nrow(grid), sample, "rows")
    return(if (is.null(sample)) grid else grid[rows, , drop = FALSE])
  }
  check_names_once(names(grid), "grid")
  for (name in names(grid)) {
    arg <- sprintf("grid$%s", name)
    if (!is.vector(grid[[name]]) && !is.object(grid[[name]])) abort_argument(arg, "a vector of values", grid[[name]])
    if (!length(grid[[name]])) refuse_grid(sprintf("has no values for `%s`", name), "Give one at least, or leave it out.")
  }
  counts <- lengths(grid)
  rows <- sampled_rows(prod(counts), sample, "combinations")
  # (the first parameter changes fastest, as in expand.grid(), which would make all combinations)
  before <- cumprod(c(1, counts[-length(counts)]))
  columns <- Map(function(values, each, count) values[((rows - 1) %/% each) %% count + 1], grid, before, counts)
  structure(columns, class = "data.frame", row.names = seq_along(rows))
}

#' Which of so many rows or combinations are submitted
#' @noRd
sampled_rows <- function(count, sample, of) {
  drawn <- if (is.null(sample)) count else if (sample < 1) ceiling(sample * count) else min(sample, count)
  if (!is.null(sample) && !(sample > 0 && (sample < 1 || sample == trunc(sample)))) {
    abort_argument("sample", "a number of runs, or a share between 0 and 1", sample)
  }
  # (the core's limit; before all combinations are made)
  if (drawn > 10000) {
    refuse_grid(
      sprintf("has %s %s", format(count, big.mark = ","), of),
      "At most 10,000 runs are submitted at once. `sample` submits a part of them."
    )
  }
  if (is.null(sample)) seq_len(count) else sort(sample.int(count, drawn))
}

refuse_grid <- function(problem, hint) {
  espalier_abort("bad_argument", sprintf("Can't submit the grid: it %s.", problem), hint, argument = "grid")
}

#' The parameters of each row, as the core takes them
#' @noRd
params_of_rows <- function(grid) {
  if (!length(grid)) return(rep(list(empty_object()), nrow(grid)))
  check_names_once(names(grid), "grid")
  nested <- vapply(grid, function(column) length(dim(column)) > 0L, NA)
  if (any(nested)) {
    name <- names(grid)[nested][1L]
    abort_argument(sprintf("grid$%s", name), "a vector, or a list with a value for each row", grid[[name]])
  }
  columns <- Map(function(column, name) {
    lapply(seq_along(column), function(row) plain_param(column[[row]], sprintf("grid$%s[[%d]]", name, row)))
  }, unclass(grid), names(grid))
  lapply(seq_len(nrow(grid)), function(row) lapply(columns, `[[`, row))
}

#' The tags of each row, without those that are `NA`; `NULL` where there are none
#' @noRd
tags_of_rows <- function(tags, rows) {
  if (!length(tags)) return(NULL)
  check_names_once(names(tags), "tags")
  columns <- Map(function(column, name) {
    arg <- sprintf("tags$%s", name)
    if (is.factor(column)) column <- as.character(column)
    if (!is.vector(column) && !is.object(column) || !length(column) %in% c(1L, rows)) {
      abort_argument(arg, sprintf("one value, or %d: one for each run", rows), column)
    }
    texts <- lapply(seq_along(column), function(row) tag_of_row(column[[row]], sprintf("%s[[%d]]", arg, row)))
    rep_len(texts, rows)
  }, as.list(tags), names(tags))
  lapply(seq_len(rows), function(row) Filter(Negate(is.null), lapply(columns, `[[`, row)))
}

tag_of_row <- function(value, arg) {
  if (is.atomic(value) && length(value) == 1L && is.na(value)) return(NULL)
  if (!is.atomic(value) || length(value) != 1L) abort_argument(arg, "a single value, or NA for none", value)
  named_strings(list(tag = value), arg)[[1L]]
}

report_submitted_rows <- function(result) {
  ids <- unlist(result$run_ids)
  say(c(
    i = "{length(ids)} runs were submitted before the interrupt, {.val {ids[1L]}} to {.val {ids[length(ids)]}}, and go on.",
    " " = "Get them: {.code runs <- get_runs_in_experiment(experiment)}"
  ))
}
