#' Read and write a job as YAML
#'
#' Use these to keep the definition of a job under version control, or to share it. `write_job()` writes a job to a
#' file, and `read_job()` reads it back, ready for [submit_experiment()]. Nothing is lost: parameters keep their order
#' and types.
#'
#' Relative paths in a file begin at its folder. `write_job()` writes paths below that folder as relative ones, and also
#' those in the source directory if the file lies in it. So the file means the same after both are moved or cloned.
#'
#' The session (its R, its libraries, its variables) isn't written, except for `python`. Values of
#' `environment_variables` are written as they are, with a warning if the name looks like that of a secret.
#'
#' @section Fields: All but `script` or `command` are optional. They are the arguments of [script_run_config()], with
#'   shorter names for some. In `limits` 0 removes a limit. In `params` numbers, logicals and text differ as in YAML
#'   1.2: `yes` is text, `null` makes a flag. Elsewhere a word is text if text is needed.
#'   \preformatted{format: 1
#'   experiment: pima
#'   display_name: A title
#'   tags: {stage: dev}
#'   source_directory: .
#'   script: train.R                       # or command: [program, argument], or one line for the shell
#'   arguments: [--quiet]
#'   params: {trees: 500, rate: 0.1, name: "500", verbose: null}
#'   target: local                         # compute_target
#'   python: ../venv
#'   environment: tidy:3                   # or {file: tidy.yml}, or a definition as in environment_yaml
#'   docker: {network: none}               # or true
#'   environment_variables: {OMP_NUM_THREADS: 4}
#'   secrets: [database]
#'   inputs:
#'     data: ../data.csv
#'     model: {run: pima_1785146492_abcdef01, output: model}
#'     web: {url: "https://example.org/a.csv", sha256: e3b0...}
#'   outputs: {model: outputs/model.rds}
#'   resources: {cpus: 2, gpus: 0, memory: 4 GB}
#'   priority: 5
#'   retry: {attempts: 3, on: [runner_lost]}
#'   depends_on: []
#'   limits: {run_seconds: 3600, queue_seconds: 86400, prepare_seconds: 3600}
#'   source: {record_diff: true, outside_links: refuse, keep_workdir: false}
#'   seed: 1
#'   children: wait}
#'   Anchors, tags, repeated names and unknown fields are errors. A file has at most 1 MB, and reading it executes
#'   nothing. `docs/job.schema.json` in the sources of the package describes the fields for editors.
#' @section Files of Azure: A command job of `az ml job` and a `.runconfig` of the first SDK are read as they are.
#'   Fields that have no meaning here, such as the name of a cluster, are reported once and left out. In a command,
#'   `${{inputs.x}}` and `${{outputs.x}}` become variables of the shell: files are inputs of the job, values are
#'   variables `AZURE_ML_INPUT_x`. Data that lies in Azure is an error: download it, and set its path.
#'
#' @param config An [estimator()], a [script_run_config()], or the result of `read_job()`.
#' @param path String: path of the file. `write_job()` replaces it.
#' @param experiment An [experiment()] or its name, to write into the file. Default: that of the file that `config`
#'   comes from.
#' @param tags Named list or character vector: tags to write into the file. Default: those of the file that `config`
#'   comes from.
#' @param set Values in place of the file's: a named list, `list(params.trees = 500)`, or character vector as at the
#'   command line, `"params.trees=500"`, whose values get the type of the field. Default: none.
#' @return `read_job()`: a job of class `espalier_config`, as [script_run_config()] returns it, with the attributes
#'   `experiment` (a string or `NULL`) and `tags`. [submit_experiment()] uses the tags. `write_job()`: the path,
#'   invisibly.
#' @section Errors:
#' * `espalier_error_bad_job_file`: the file can't be read, or a field is wrong. Fields: `path`, `line`, `column`.
#' * `espalier_error_newer_format`: the file is written for a newer version of espalier.
#' * `espalier_error_bad_argument`: an argument has the wrong type.
#' @seealso [script_run_config()], [environment_yaml] for environments
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' dir.create(folder)
#' script <- "message('trees: ', espalier::job_params(trees = 1L, verbose = FALSE)$trees)"
#' writeLines(script, file.path(folder, "train.R"))
#' params <- list(trees = 100L, verbose = NULL)
#' job <- script_run_config(folder, "train.R", script_params = params, cpus = 2)
#' file <- file.path(folder, "job.yml")
#' write_job(job, file, experiment = "pima", tags = list(stage = "dev"))
#' cat(readLines(file), sep = "\n")
#'
#' job <- read_job(file, set = list(params.trees = 500L))
#' job
#' ws <- workspace("example", path = tempfile())
#' run <- submit_experiment(experiment(ws, attr(job, "experiment")), job)
#' @export
read_job <- function(path, set = list()) {
  path <- path_argument(path)
  read <- if (is.null(names(set))) {
    Jobs__read(path, check_strings(unlist(set), "set") %||% list())
  } else {
    Jobs__read(path, list(), settings_argument(set))
  }
  for (note in unlist(read$notes)) inform_once(note, note, "note")
  config <- read$config
  for (name in c("arguments", "command", "secrets", "depends_on")) config[[name]] <- as.list(config[[name]])
  several <- lengths(config[["script_params"]]) > 1L
  config[["script_params"]][several] <- lapply(config[["script_params"]][several], as.list)
  config[["retry"]] <- retry_fields(config[["retry"]])
  config[["environment"]] <- if (!is.null(read$environment)) json_parse(read$environment)
  config[["keep_workdir"]] <- isTRUE(config[["keep_workdir"]])
  config[["python"]] <- config[["session"]]$python
  config[["session"]] <- NULL
  structure(
    new_value(config, "espalier_config"), experiment = read$experiment, tags = if (length(read$tags)) read$tags
  )
}

#' @rdname read_job
#' @export
write_job <- function(config, path, experiment = NULL, tags = NULL) {
  check_object(config, "espalier_config", "config")
  path <- path_argument(path)
  if (inherits(experiment, "Experiment")) experiment <- experiment$name
  experiment <- check_string(experiment %||% attr(config, "experiment"), "experiment", null = TRUE)
  values <- plain_job(config)
  if (!is.null(values$python)) values$session <- list(python = values$python)
  values$python <- NULL
  tags <- named_strings(tags %||% attr(config, "tags"), "tags")
  for (note in Jobs__write(values, path, experiment, tags)) say_warning(note)
  invisible(path)
}

#' A policy as a config has it: a number of attempts, or fields
#' @noRd
retry_fields <- function(retry) {
  if (is.null(retry)) return(NULL)
  given <- if (is.list(retry)) retry else list(attempts = retry)
  unclass(do.call(retry_options, utils::modifyList(list(attempts = 1), given)))
}

#' Values to set, by name, as the core takes them
#' @noRd
settings_argument <- function(set) {
  refuse_secrets(set, "set")
  check_names_once(names(set), "set")
  Map(function(value, name) if (is.object(value)) plain_param(value, sprintf("set$%s", name)) else value, as.list(set), names(set))
}
