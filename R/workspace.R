#' Get or create a workspace
#'
#' Use `workspace()` at the top of a script: it gets the folder that holds experiments, runs and snapshots, or creates
#' it. `create_workspace()` and `get_workspace()` do only one of the two.
#'
#' By default, the workspaces of a project are in `.espalier/` at its top. That is the nearest folder, from the working
#' directory upwards, with an `.espalier` folder, an `.Rproj` file, `DESCRIPTION`, `renv.lock`, `_targets.R`, `.here`,
#' `pyproject.toml` or `.git`. Without any of these it is the working directory. Your home folder counts only while you
#' work in it, so projects below don't use `~/.espalier`.
#'
#' @param name String: the name of the workspace, 1 to 128 letters (A-Z, a-z), digits, `_`, `-` and `.`. It begins with
#'   a letter or digit.
#' @param path Path of the folder for workspaces. By default `.espalier/` of this project.
#' @param auth,subscription_id,resource_group,location,create_resource_group,storage_account,key_vault,app_insights
#'   Arguments of azuremlsdk for a cloud. They are accepted and ignored.
#' @param container_registry,cmk_keyvault,resource_cmk_uri,hbi_workspace,sku,friendly_name As `auth`.
#' @param exist_ok `TRUE` returns a workspace that exists already. `FALSE` (the default) makes that an error.
#' @param show_output `TRUE` (the default) shows the path of the new workspace.
#' @return A `Workspace` object. It holds only a path, so it can be saved, and sent to other processes.
#' @section Errors:
#' * `espalier_error_bad_name`: the name isn't valid.
#' * `espalier_error_workspace_missing`: `get_workspace()` doesn't find it.
#' * `espalier_error_workspace_exists`: `create_workspace()` finds one already.
#' * `espalier_error_workspace_read_only`: the folder can't be written.
#' * `espalier_error_newer_format`: a newer espalier wrote the workspace.
#' @seealso [experiment()], [get_workspace_details()], [use_espalier()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' ws
#' get_workspace_details(ws)
#' @export
workspace <- function(name, path = NULL) {
  check_name(name)
  found <- Workspace__open_values(name, path_argument(path))
  if (found$created) tell_created(name, found)
  Workspace$new(identity = c(path = found$path))
}

# A new workspace may be one in the wrong place, or one of a misspelled name.
tell_created <- function(name, found) {
  say(c(
    v = "Created workspace {.val {name}} in {.path {found$home}}.",
    i = if (!is.null(found$near)) {
      "There is a workspace {.val {found$near}} too. Did you mean it? {.code delete_workspace()} removes the new one."
    }
  ))
}

#' @rdname workspace
#' @export
create_workspace <- function(name, auth = NULL, subscription_id = NULL, resource_group = NULL, location = NULL,
                             create_resource_group = TRUE, friendly_name = NULL, storage_account = NULL,
                             key_vault = NULL, app_insights = NULL, container_registry = NULL, cmk_keyvault = NULL,
                             resource_cmk_uri = NULL, hbi_workspace = FALSE, exist_ok = FALSE, show_output = TRUE,
                             sku = "basic", path = NULL) {
  check_name(name)
  ignore_cloud_arguments(
    auth = auth, subscription_id = subscription_id, resource_group = resource_group, location = location,
    friendly_name = friendly_name, storage_account = storage_account, key_vault = key_vault,
    app_insights = app_insights, container_registry = container_registry, cmk_keyvault = cmk_keyvault,
    resource_cmk_uri = resource_cmk_uri
  )
  made <- Workspace__create(name, path_argument(path), check_flag(exist_ok, "exist_ok"))
  if (show_output) say("Workspace {.val {name}} at {.path {made$path}}.")
  made
}

#' @rdname workspace
#' @export
get_workspace <- function(name, auth = NULL, subscription_id = NULL, resource_group = NULL, path = NULL) {
  check_name(name)
  ignore_cloud_arguments(auth = auth, subscription_id = subscription_id, resource_group = resource_group)
  Workspace__get(name, path_argument(path))
}

#' Find a workspace by a config file
#'
#' Use these so that scripts of a project needn't name its workspace. `write_workspace_config()` writes a small file
#' with the workspace's path. `load_workspace_from_config()` finds that file and returns the workspace.
#'
#' It looks from `path` upwards, in `.espalier/`, `.azureml/`, `aml_config/` and the folder itself. The search ends
#' below your home folder, unless it begins there. It skips a `config.json` of another program.
#'
#' @param workspace A [workspace()].
#' @param path Path of the folder to write to, by default `.espalier/`. Or of the folder where the search begins, by
#'   default the working directory.
#' @param file_name String: name of the file, by default `config.json`.
#' @return `load_workspace_from_config()` returns a `Workspace` object, `write_workspace_config()` the file's path,
#'   invisibly.
#' @section Errors:
#' * `espalier_error_workspace_missing`: the file or its workspace doesn't exist.
#' * `espalier_error_damaged`: the file can't be read.
#' @seealso [workspace()], [use_espalier()]
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' ws <- workspace("example", path = folder)
#' write_workspace_config(ws, path = folder)
#' load_workspace_from_config(folder) == ws
#' @export
load_workspace_from_config <- function(path = NULL, file_name = NULL) {
  Workspace__from_config(path_argument(path), file_name)
}

#' @rdname load_workspace_from_config
#' @export
write_workspace_config <- function(workspace, path = NULL, file_name = NULL) {
  check_object(workspace, "Workspace", "workspace")
  written <- workspace$write_config(path_argument(path), file_name)
  say("Wrote {.path {written}}.")
  invisible(written)
}

#' List, describe and delete workspaces
#'
#' Use these to see which workspaces a project has and what is in them, and to delete one with all its runs.
#'
#' `delete_workspace()` deletes a workspace with all its runs. An interactive session asks first if there are any.
#'
#' @param workspace A [workspace()].
#' @param path Path of the folder that holds workspaces. By default `.espalier/` of this project.
#' @param subscription_id,resource_group Ignored, with a message. They are there because azuremlsdk has them.
#' @param delete_dependent_resources,no_wait Ignored. They are there because azuremlsdk has them.
#' @return `get_workspace_details()` returns a named list. `list_experiments()` returns a data frame with `experiment`,
#'   `runs` and `last_run_at`. `list_workspaces()` returns a named list of `Workspace` objects, `delete_workspace()`
#'   nothing.
#' @section Errors:
#' * `espalier_error_workspace_missing`: the workspace doesn't exist.
#' * `espalier_error_run_not_active`: the workspace to delete has runs that haven't ended.
#' @seealso [workspace()], [list_runs()]
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' ws <- workspace("example", path = folder)
#' get_workspace_details(ws)
#' names(list_workspaces(path = folder))
#' delete_workspace(ws)
#' @export
get_workspace_details <- function(workspace) {
  check_object(workspace, "Workspace", "workspace")
  workspace$get_details()
}

#' @rdname get_workspace_details
#' @export
list_experiments <- function(workspace) {
  check_object(workspace, "Workspace", "workspace")
  frame <- workspace$experiments$list()
  frame$last_run_at <- parse_time(frame$last_run_at)
  frame
}

#' Find damaged runs
#'
#' Use it after a disk failed or a workspace was copied. It reads the records and logs of each run again.
#'
#' It finds
#' * records (`spec.json`, `status.json`, `meta.json`) that are missing or can't be read, and a `spec.json` that was
#'   changed after the submit;
#' * logs of metrics and parts that can't be read, are missing, or are shorter than at the run's end;
#' * stored files of snapshots that are missing or don't match their digests.
#'
#' It can't find changed contents of `outputs` and `user_logs`, values in the logs that were replaced by as many others,
#' and runs whose whole folder was removed. Keep a backup of what you can't make again.
#'
#' [list_runs()] doesn't read the files of ended runs again. [get_run()] and this function find changes in them, and
#' correct the list.
#'
#' @param workspace A [workspace()].
#' @return A data frame of class `espalier_damage_table` with a row for each damaged file: `run_id`, `file` (its path)
#'   and `problem`. It has no rows if there is no damage.
#' @section Errors:
#' * `espalier_error_workspace_missing`: the workspace doesn't exist.
#' @seealso [list_runs()]
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "by-hand"))
#' complete_run(run)
#' verify_workspace(ws)
#' cat("{", file = file.path(run$run_dir, "status.json"))
#' verify_workspace(ws)$problem
#' @export
verify_workspace <- function(workspace) {
  check_object(workspace, "Workspace", "workspace")
  returned_table(workspace$verify(), "espalier_damage_table")
}

#' @export
print.espalier_damage_table <- function(x, ...) {
  if (was_empty(x)) cat(header("Damage", facts = "none"), "\n", sep = "") else print(drop_table_class(x), ...)
  invisible(x)
}

#' @rdname get_workspace_details
#' @export
list_workspaces <- function(subscription_id = NULL, resource_group = NULL, path = NULL) {
  ignore_cloud_arguments(subscription_id = subscription_id, resource_group = resource_group)
  Workspace__list(path_argument(path))
}

#' @rdname get_workspace_details
#' @export
delete_workspace <- function(workspace, delete_dependent_resources = FALSE, no_wait = FALSE) {
  check_object(workspace, "Workspace", "workspace")
  runs <- if (interactive()) nrow(list_runs(workspace, include_children = TRUE, include_archived = TRUE)) else 0L
  question <- sprintf("Delete workspace \"%s\" with %s?", basename(workspace$path), number_of(runs, "run"))
  if (runs && !agrees(question, default = FALSE)) {
    say("Nothing was deleted.")
    return(invisible(NULL))
  }
  when_too_late(workspace$delete(), function(none) say(c(i = "The workspace had been deleted before the interrupt.")))
  invisible(NULL)
}

# A path as the core wants it: R expands `~` by its own rules, and the working directory is R's.
path_argument <- function(path, arg = "path") {
  if (missing(path)) abort_missing(arg)
  if (is.null(path)) return(NULL)
  check_string(path, arg)
  absolute_path(path, arg)
}

working_directory <- function() {
  getwd() %||% espalier_abort("path_missing", "Can't find the working directory: it was deleted.", "Change to a folder that is there.")
}

absolute_path <- function(path, arg = "path") {
  if (startsWith(path, "~")) path <- path.expand(path)
  path <- to_utf8(path, arg)
  if (!grepl("^(/|[A-Za-z]:[/\\\\])", path)) path <- file.path(to_utf8(working_directory()), path)
  # (records and messages show it)
  path <- gsub("/+[.](?=/|$)", "", path, perl = TRUE)
  if (nzchar(path)) path else "/"
}

check_object <- function(x, class, arg) {
  if (missing(x)) abort_missing(arg)
  ours <- (R6::is.R6(x) || is.list(x)) && inherits(x, class)
  if (!ours) abort_argument(arg, wanted_object(class), x, hint = object_hint(class, x))
  invisible(x)
}

# How to get the object that was meant.
object_hint <- function(class, x) {
  if (class == "Experiment" && inherits(x, "Workspace")) return("Get an experiment of the workspace with `experiment(ws, \"name\")`.")
  if (class == "Run" && is.list(x) && length(x) && all(vapply(x, inherits, NA, "Run"))) {
    one <- "That is a list of runs. Give one of them"
    if ("wait_for_run_completion" %in% called_verb()) return(paste0(one, "; wait_for_runs() waits for all."))
    return(paste0(one, ", as runs[[1]], or use lapply() for all."))
  }
  getter <- c(Run = "get_run(ws, %s)", Experiment = "experiment(ws, %s)", Workspace = "workspace(%s)")[class]
  if (is_string(x) && !is.na(getter)) sprintf("Get it by its %s: %s.", if (class == "Run") "id" else "name", sprintf(getter, encodeString(x, quote = "\"")))
}

wanted_object <- function(class) {
  if (class == "espalier_config") return("a config, made with estimator() or script_run_config()")
  paste(article(tolower(class)), class)
}

# Arguments of azuremlsdk without a meaning here: harmless, so they are accepted, and it is said.
ignore_cloud_arguments <- function(...) {
  given <- names(Filter(Negate(is.null), list(...)))
  if (length(given)) {
    say(c(i = "{.arg {given}} {?is/are} ignored, because {?it matters/they matter} only in a cloud."))
  }
  invisible()
}

#' @export
object_facts.Workspace <- function(x) {
  details <- x$get_details()
  list(experiments = format(details$experiments), runs = format(details$runs))
}

#' @export
summary.Workspace <- function(object, ...) list_experiments(object)
