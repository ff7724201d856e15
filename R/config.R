#' Describe a job
#'
#' Use these to name a folder and the script to run in it, for [submit_experiment()]. `estimator()` has azuremlsdk's
#' arguments. `script_run_config()` is the plainer form, and also takes any command. Nothing is run yet.
#'
#' @section Parameters: `script_params` become arguments of the script, `--name value`, in their order. A name without
#'   leading dash gets two. One rule holds for R, Python and other scripts, so that parsers (optparse, argparse, docopt,
#'   click) never take a value for an option:
#'
#'   * Numbers are plain decimals, never with an exponent: `-1e-5` is `-0.00001`. They are as short as reads back to the
#'     same number. `-Inf` gets a leading blank, which readers of numbers skip.
#'   * Strings arrive byte for byte, and no shell reads them. One that begins with `-` is joined to its name:
#'     `--name=-text`, or `-n-text` for a name of one letter.
#'   * Logicals are `TRUE` and `FALSE` (in Python scripts `True` and `False`), dates and times ISO 8601.
#'   * A vector gives its values one after the other: `--name 1 2 3`. A string in it that begins with `-` is refused.
#'   * `NULL` or `""` makes a flag. `NA` is refused. An empty string is given by `arguments = "--name="` of
#'     `script_run_config()`.
#'
#'   An argument may have 128 kB, and all together some megabytes. Give larger values in a file, as an input. In the
#'   script, read parameters by [job_params()].
#' @section Documents: R Markdown documents are rendered by rmarkdown, Quarto documents by quarto. Notebooks are
#'   executed by the Python packages nbclient and ipykernel. Submit fails if these are missing. The result
#'   (`report.html`, the executed notebook) is in the run's `outputs/`. Code runs in the document's folder and may log
#'   to the run. Parameters are those of the YAML header (`params`), or of a cell tagged `parameters`, after which the
#'   run's values are inserted. Inputs named there get the path. An error names the chunk or cell.
#' @section Environment of the job: The working directory is a private copy of the snapshot. The job inherits the
#'   variables by which programs find what they compute with: `PATH`, `HOME`, locale, time zone, proxies, certificates,
#'   and the settings of R, Python, conda, Java, threads, graphics processors, geodata and compilers. Names that look
#'   like secrets stay out; see [set_secrets()]. R scripts run on this session's R with its `.libPaths()`. If the folder
#'   uses renv, they use the project's library.
#'
#' @param source_directory String: folder that is frozen for the run. Files that `.gitignore` and `.espalierignore` name
#'   stay out; see [preview_snapshot()].
#' @param compute_target String: `"local"`, the default, is this machine; `"docker"` is a container on it, as `docker =
#'   TRUE`; other names are executors of Python packages, see `system.file("executors.md", package = "espalier")`. Or
#'   the result of [get_compute()].
#' @param vm_size,vm_priority For azuremlsdk: ignored for local jobs, with a message.
#' @param use_gpu Logical: `TRUE` is `gpus = 1`. Default: `FALSE`.
#' @param entry_script String: script inside `source_directory`. It is `.R`, `.py`, `.sh`, `.jl`, another executable
#'   file, or a document (`.Rmd`, `.qmd`, `.ipynb`).
#' @param script_params Named list of parameters of the script, see below. Default: none.
#' @param environment An [r_environment()] or its like, or the name of a registered one, `"name"` or `"name:version"`.
#'   Default: the packages of this session. It is made once, while the run is `Preparing`.
#' @param docker Whether the job runs in a container: `TRUE`, `FALSE`, or [docker_options()]. Needs an environment.
#'   Default: `FALSE`, unless the target is `"docker"` or the job names an image.
#' @param cran_packages,github_packages,custom_url_packages,custom_docker_image,image_registry_details,shm_size In place
#'   of `environment`, as in azuremlsdk and [r_environment()]. The environment is named after the experiment. An image
#'   means that the job runs in a container.
#' @param environment_variables Named list or character vector of variables to set for the job. Default: none.
#' @param resources Processors and memory of the job: [resource_options()]. Default: one processor.
#' @param limits Limits on the time to wait and run: [limit_options()].
#' @param source The way the folder is copied: [source_options()].
#' @param max_run_duration_seconds Number of seconds, as `limit_options(run_seconds = )`. For azuremlsdk. Default: no
#'   limit.
#' @param ... For `estimator()` the arguments of `script_run_config()`. For both, single options: those of
#'   [resource_options()] (`cpus`, `gpus`, `memory`), of [limit_options()] (`queue_timeout_seconds`,
#'   `prepare_timeout_seconds`) and of [source_options()] (`record_diff`, `outside_links`, `keep_workdir`). So `cpus =
#'   2` is `resources = resource_options(cpus = 2)`.
#' @param priority Whole number from 1 to 9. Of the runs that wait, the highest are started first. Default: 5.
#' @param retry Number of times to execute the job at most if it fails, or [retry_options()]. Default: 1.
#' @param depends_on Runs of the same workspace that have to complete first: a run, a list of runs, or ids. If one
#'   doesn't, this run is `Failed` with the code `dependency_failed`. Only the order is set. To read their files, use
#'   [run_output()] in `inputs`. Default: none.
#' @param inputs Named list of files or folders outside the snapshot: paths, outputs of other runs ([run_output()]), or
#'   files on the web ([input_url()]). The job gets `--name path` and the variable `ESPALIER_INPUT_<NAME>`; see below.
#'   Names that would share a variable are refused. Default: none.
#' @param outputs Named character vector or list of files and folders that the job has to make, by their names among the
#'   run's files: `c(model = "outputs/model.rds")`. A job without one of them is `Failed`, with the code
#'   `output_missing`. [run_output()] finds them by these names. Default: none.
#' @param seed Whole number: R jobs begin with `set.seed(seed)`, and every job finds it as `ESPALIER_SEED`. Default:
#'   none.
#' @param display_name String: a title for people. Default: none.
#' @param children String: what the run does about the runs below it (see [submit_child_run()]) when its script has
#'   ended well. `"wait"`, the default: it stays `Finalizing` until they end, without a place in the queue. `"detach"`:
#'   it ends at once, and they go on. With `"wait"` they are also canceled when it fails.
#' @param secrets Character vector: names of secrets in the workspace's keyvault ([set_secrets()]) that the job may
#'   read, by [get_secrets_from_run()]. They are hidden in its log. Default: none.
#' @param arguments Character vector of further arguments, before the parameters. Default: none.
#' @param command In place of a script: a character vector, program first, executed as it is. A single string with
#'   spaces or signs of the shell (`|`, `;`, `&`, `<`, `>`, `$`) is given to `/bin/sh -c`, where parameters are `"$1"`,
#'   `"$2"` and so on. The run fails if the exit status isn't 0. A pipe (`a | b`) or list (`a; b`) has the status of its
#'   last program, so a failed `a` isn't noticed.
#' @param python String: the Python of Python scripts, an interpreter or the folder of a virtual environment. Default:
#'   the first that exists of
#'   * `RETICULATE_PYTHON`;
#'   * the Python that you chose for reticulate in this session;
#'   * an active virtual or conda environment (`VIRTUAL_ENV`, `CONDA_PREFIX`);
#'   * a virtual environment `.venv` or `venv` in the source folder;
#'   * `python3` or `python` on the `PATH`;
#'   * espalier's private Python.
#'
#'   [get_run_provenance()] shows which one ran.
#' @return A list of class `espalier_config`.
#' @section Inputs:
#' Up to 64 MB and 10,000 files, the job gets a private copy of an input, which it can't write to (files have mode 0444,
#' folders 0555). The copy is checked against the digest recorded at submit, and removed when the run ends. If the input
#' has changed since then, the run fails before the job begins (`espalier_error_input_changed` in
#' `get_run_details(run)$error$class`). If a job needs neighbouring files, give the folder. To change a file, copy it
#' and make the copy writable: `file.copy(from, to, copy.mode = FALSE)`. Root can write in spite of the modes, and a job
#' may change them. That reaches the copy, never the original.
#'
#' Larger inputs, and folders with a link to a folder outside, are *not* copied. The job reads the original, and only
#' the original's permissions keep the job from writing to it. A file of [input_url()] is copied at any size, and isn't
#' checked again when the run ends.
#'
#' The run gets a warning at its end if an original has changed since submit, or the job has changed its copy.
#' @section Errors: Files and programs are looked up by [submit_experiment()].
#' * `espalier_error_bad_argument`: an argument has the wrong type, or two contradict each other.
#' * `espalier_error_not_supported`: the target can't do what the job asks for.
#' @seealso [submit_experiment()], [job_params()], [read_job()]
#' @examples
#' est <- estimator("project", entry_script = "train.R", script_params = list("--trees" = 200))
#' est
#' script_run_config("project", command = "Rscript train.R > outputs/copy.txt")
#' @export
# (`source` is one of its arguments, or R would take it for the beginning of `source_directory`)
estimator <- function(source_directory, compute_target = NULL, vm_size = NULL, vm_priority = NULL, entry_script = NULL,
                      script_params = NULL, cran_packages = NULL, github_packages = NULL, custom_url_packages = NULL,
                      custom_docker_image = NULL, image_registry_details = NULL, use_gpu = FALSE,
                      environment_variables = NULL, shm_size = NULL, max_run_duration_seconds = NULL,
                      environment = NULL, inputs = NULL, source = NULL, ...) {
  refuse_incomplete(source_directory, entry_script, names(sys.call()))
  ignore_cloud_arguments(vm_size = vm_size, vm_priority = vm_priority)
  packages <- environment_of_packages(
    cran_packages, github_packages, custom_url_packages, custom_docker_image, image_registry_details, use_gpu, shm_size
  )
  given <- list(
    source_directory = source_directory, entry_script = entry_script, script_params = script_params,
    compute_target = compute_target, environment_variables = environment_variables, environment = environment,
    inputs = inputs, source = source
  )
  if (!is.null(max_run_duration_seconds)) given$max_run_duration_seconds <- max_run_duration_seconds
  job <- job_of(c(given, list(...)), packages, shm_size)
  if (check_flag(use_gpu, "use_gpu") && is.null(job[["gpus"]])) job$gpus <- 1
  job
}

#' @rdname estimator
#' @export
script_run_config <- function(source_directory = NULL, entry_script = NULL, arguments = NULL, script_params = NULL,
                              command = NULL, compute_target = NULL, environment_variables = NULL, inputs = NULL,
                              outputs = NULL, environment = NULL, docker = NULL, python = NULL, resources = NULL,
                              limits = NULL, source = NULL, retry = NULL, priority = NULL, depends_on = NULL,
                              secrets = NULL, seed = NULL, display_name = NULL, children = c("wait", "detach"), ...) {
  if (is.null(command)) refuse_incomplete(source_directory, entry_script, names(sys.call()))
  job_of(c(as.list(base::environment()), list(...)))
}

#' A job from the arguments of script_run_config(), by name
#'
#' @param packages,shm_size What an estimator's own arguments ask for.
#' @noRd
job_of <- function(given, packages = NULL, shm_size = NULL) {
  known <- setdiff(names(formals(script_run_config)), "...")
  options <- all_options(given[c("resources", "limits", "source")], given[!names(given) %in% known])
  fields <- c("source_directory", "entry_script", "arguments", "script_params", "command", "compute_target",
              "environment_variables", "inputs", "seed", "display_name", "python", "secrets", "outputs")
  do.call(new_config, c(
    stats::setNames(lapply(fields, function(name) given[[name]]), fields),
    list(children = given[["children"]] %||% "wait",
         around = environment_fields(given[["environment"]], given[["docker"]], packages, shm_size),
         queue = c(options, queue_fields(given[["priority"]], given[["retry"]], given[["depends_on"]])))
  ))
}

new_config <- function(source_directory, entry_script, script_params, compute_target, environment_variables, inputs,
                       seed, display_name, children, secrets, outputs, around, queue, arguments = NULL, command = NULL,
                       python = NULL) {
  if (identical(children, c("wait", "detach"))) children <- "wait"
  check_string(children, "children")
  given <- params_and_inputs(script_params, inputs)
  config <- list(
    source_directory = if (!is.null(source_directory) || is.null(command)) path_argument(source_directory, "source_directory"),
    entry_script = check_string(entry_script, "entry_script", null = TRUE),
    arguments = check_strings(arguments, "arguments"),
    script_params = plain_params(given$script_params),
    command = check_strings(command, "command"),
    compute_target = target_name(compute_target),
    environment_variables = named_strings(environment_variables, "environment_variables"),
    inputs = input_paths(given$inputs),
    outputs = named_strings(outputs, "outputs"),
    seed = check_count(seed, "seed", null = TRUE, min = -.Machine$integer.max, max = .Machine$integer.max),
    display_name = check_shown_string(display_name, "display_name"),
    children = if (children != "wait") children,
    secrets = check_strings(secrets, "secrets"),
    python = path_argument(python, "python")
  )
  new_value(c(config, around, queue), "espalier_config")
}

#' Refuse a job without a script, and name what was probably meant for it
#'
#' @param given The names of arguments as the call has them: R takes the beginning of one, such as `script`.
#' @noRd
refuse_incomplete <- function(source_directory, entry_script, given) {
  if (missing(source_directory) || is.null(source_directory)) {
    abort_missing("source_directory", "Give the folder that holds the script, such as \".\".")
  }
  if (!is.null(entry_script)) return(invisible())
  short <- intersect(given, c("script", "file", "entry"))
  is_script <- is_string(source_directory) && grepl("\\.(r|py|sh|jl|rmd|qmd|ipynb)$", source_directory, ignore.case = TRUE)
  hint <- if (length(short)) {
    sprintf("`%s` isn't an argument. Did you mean `entry_script`?", short[1L])
  } else if (is_script) {
    sprintf(
      "Did you mean source_directory = %s, entry_script = %s?", encodeString(dirname(source_directory), quote = "\""),
      encodeString(basename(source_directory), quote = "\"")
    )
  } else {
    "Name the script, as a path in the folder: entry_script = \"train.R\"."
  }
  espalier_abort("bad_argument", "Can't describe a job without `entry_script`.", hint, argument = "entry_script")
}

#' Parameters as values the core knows: strings, numbers, logicals, vectors of them
#' @noRd
plain_params <- function(params) {
  if (!length(params)) return(NULL)
  params <- as.list(params)
  check_names_once(names(params), "script_params")
  for (name in names(params)) params[name] <- list(plain_param(params[[name]], sprintf("script_params$%s", name)))
  params
}

plain_param <- function(value, arg) {
  refuse_secrets(value, arg)
  if (is.null(value) || identical(value, "")) return(NULL)
  if (is.factor(value)) value <- as.character(value)
  if (inherits(value, "Date")) value <- format(value, "%Y-%m-%d")
  if (inherits(value, "POSIXt")) value <- format_time(value)
  if (is.object(value) || !(is.character(value) || is.numeric(value) || is.logical(value)) || !length(value)) {
    abort_argument(arg, "a string, number, logical, date, or a vector of them", value)
  }
  if (any(is.na(value) & !is.nan_vector(value))) {
    abort_argument(arg, "without NA", value, hint = "Leave the parameter out, or use NULL for a flag.")
  }
  value <- unname(as.vector(value))
  if (length(value) == 1L) value else as.list(value)
}

is.nan_vector <- function(x) if (is.double(x)) is.nan(x) else rep(FALSE, length(x))

#' A string that is recorded, or `NULL`
#' @noRd
check_shown_string <- function(x, arg) {
  refuse_secrets(x, arg)
  check_string(x, arg, null = TRUE)
}

check_strings <- function(x, arg) {
  if (is.null(x)) return(NULL)
  refuse_secrets(x, arg)
  if (!is.character(x) || anyNA(x)) abort_argument(arg, "a character vector without NA", x)
  as.list(enc2utf8(unname(x)))
}

#' A named list or vector of single values, as a named list of strings
#' @noRd
named_strings <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  if (!length(x)) return(NULL)
  refuse_secrets(x, arg)
  check_names_once(names(x), arg)
  lapply(as.list(x), function(value) {
    if (!is.atomic(value) || length(value) != 1L || is.na(value)) abort_argument(arg, "made of single values", value)
    # (numbers as parameters are written, whatever the options say)
    if (is.numeric(value) && !is.object(value) && is.finite(value)) json_value(as.vector(value)) else as.character(value)
  })
}

input_paths <- function(inputs) {
  refuse_runs(inputs)
  if (inherits(inputs, "espalier_input")) abort_argument("inputs", "a named list", inputs)
  is_reference <- vapply(inputs, inherits, NA, "espalier_input")
  if (any(is_reference)) {
    check_names_once(names(inputs), "inputs")
    return(c(input_paths(inputs[!is_reference]), lapply(inputs[is_reference], unclass)))
  }
  if (is.numeric(inputs) || any(vapply(inputs, is.numeric, NA))) abort_argument("inputs", "made of paths", inputs)
  paths <- named_strings(inputs, "inputs")
  for (name in names(paths)) paths[[name]] <- path_argument(paths[[name]], sprintf("inputs$%s", name))
  paths
}

#' A run isn't an input: one of its outputs is
#' @noRd
refuse_runs <- function(inputs) {
  one <- inherits(inputs, "Run")
  is_run <- if (one) TRUE else vapply(inputs, inherits, NA, "Run")
  if (!any(is_run)) return(invisible())
  at <- which(is_run)[1L]
  name <- if (one) "" else names(inputs)[at] %||% ""
  run <- if (one) inputs else inputs[[at]]
  hint <- "Name the output that the job reads: `inputs = list(%s = run_output(run, \"outputs/...\"))`."
  abort_argument(if (nzchar(name)) sprintf("inputs$%s", name) else "inputs", "a path or a reference", run,
                 hint = sprintf(hint, if (nzchar(name)) name else "data"))
}

#' @export
format.espalier_config <- function(x, ...) {
  header("Job", encodeString(if (is.null(x$entry_script)) paste(unlist(x$command), collapse = " ") else x$entry_script))
}

#' @export
value_facts.espalier_config <- function(x) {
  shown <- unclass(x)[setdiff(names(x), c("entry_script", "command", if (!isTRUE(x$keep_workdir)) "keep_workdir"))]
  if (length(shown$environment_variables)) shown$environment_variables <- hide_secrets(shown$environment_variables)
  # (`$` would also find environment_variables)
  if (length(shown[["environment"]])) shown[["environment"]] <- asked_environment_text(shown[["environment"]])
  if (length(shown$docker)) shown$docker <- docker_text(shown$docker)
  lapply(Filter(length, c(shown, attributes(x)[c("experiment", "tags")])), config_text)
}

# Values of names that look secret, as the run's record hides them.
hide_secrets <- function(variables) {
  secret <- grepl("key|token|secret|passw|pwd|credential|auth", names(variables), ignore.case = TRUE)
  variables[secret] <- "<hidden>"
  variables
}

config_text <- function(value) {
  one <- function(v) if (is.null(v)) "(flag)" else paste(encodeString(vapply(v, format, "", digits = 15)), collapse = " ")
  if (is.null(names(value))) return(one(value))
  paste(names(value), vapply(value, one, ""), sep = " = ", collapse = ", ")
}
