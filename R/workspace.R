#' Get or create a workspace
#'
#' A workspace is a folder that holds experiments, runs and snapshots. `workspace()` gets it, or creates it if there is
#' none, and reports where. `create_workspace()` and `get_workspace()` do one of the two.
#'
#' By default, workspaces of a project lie in `.espalier/` at its top. That is the nearest folder, from the working
#' directory upwards, with an `.espalier` folder, an `.Rproj` file, `DESCRIPTION`, `renv.lock`, `_targets.R`, `.here`,
#' `pyproject.toml` or `.git`. Without any of these it is the working directory. Your home folder counts only while you
#' work in it, so `~/.espalier` isn't used by projects below.
#'
#' @param name Name of the workspace: 1 to 128 letters (A-Z, a-z), digits, `_`, `-` and `.`, beginning with a letter or
#'   digit.
#' @param path Folder that holds the workspace, `.espalier/` of this project by default.
#' @param auth,subscription_id,resource_group,location,create_resource_group,storage_account,key_vault,app_insights
#'   Arguments of azuremlsdk that only mean something in a cloud: accepted and ignored, with a message.
#' @param container_registry,cmk_keyvault,resource_cmk_uri,hbi_workspace,sku,friendly_name As `auth`.
#' @param exist_ok Return the workspace if it exists already; otherwise that is an error.
#' @param show_output Say where the workspace was made.
#' @return A `Workspace` object. It holds nothing but the folder's name, so it can be saved, sent to other processes
#'   and used after a restart of R.
#' @section Errors: `espalier_error_bad_name`, `espalier_error_workspace_missing`, `espalier_error_workspace_exists`,
#'   `espalier_error_workspace_read_only`, `espalier_error_newer_format`.
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
#' `write_workspace_config()` writes a small file that names the workspace. `load_workspace_from_config()` looks for it
#' from `path` upwards (in `.espalier/`, `.azureml/`, `aml_config/` and the folder itself) and returns the workspace.
#' The search ends below your home folder, unless it begins there. It skips a `config.json` of another program.
#'
#' @param workspace A [workspace()].
#' @param path Folder to write to, `.espalier/` by default; or where to begin looking, the working directory by default.
#' @param file_name Name of the file, `config.json` by default.
#' @return The workspace; `write_workspace_config()` returns the file's path, invisibly.
#' @section Errors: `espalier_error_workspace_missing`, `espalier_error_damaged`.
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

#' Get the details of a workspace
#'
#' `delete_workspace()` deletes a workspace with all its runs. An interactive session asks first if there are any.
#'
#' @param workspace A [workspace()].
#' @param path Folder that holds workspaces, `.espalier/` of this project by default.
#' @param subscription_id,resource_group Of azuremlsdk; ignored, with a message.
#' @param delete_dependent_resources,no_wait Of azuremlsdk; a workspace here has nothing outside its folder.
#' @return `get_workspace_details()` a named list; `list_experiments()` a data frame; `list_workspaces()` a named list of
#'   workspaces; `delete_workspace()` nothing.
#' @section Errors: `espalier_error_workspace_missing`; `espalier_error_run_not_active` when a workspace to be deleted
#'   has runs that have not ended.
#' @examplesIf espalier:::espalier_python_ready()
#' folder <- tempfile()
#' ws <- workspace("example", path = folder)
#' list_experiments(ws)
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
#' Reads the records and logs of each run of a workspace again, for example after a disk failed or a workspace was copied.
#'
#' It finds
#' * records (`spec.json`, `status.json`, `meta.json`) that are missing or can't be read, and a `spec.json` that was
#'   changed after the submit;
#' * logs of metrics and parts that can't be read, are gone, or are shorter than at the run's end;
#' * stored files of a run's snapshot that are missing or don't match their digest.
#'
#' It can't find what espalier has no digest of: files of `outputs` and `user_logs` whose content was changed, values in
#' the logs that were replaced by as many others, and a run whose whole folder was removed. Keep a backup of what you
#' can't make again.
#'
#' [list_runs()] doesn't look at the files of an ended run unless espalier itself has changed them, so that lists of many
#' runs are fast. [get_run()] and this function find other changes. Both correct the
#' list.
#'
#' @param workspace A [workspace()].
#' @return A data frame with a row for each damaged file: `run_id`, `file` (its path) and `problem`. No rows if all is well.
#' @section Errors: `espalier_error_workspace_missing`.
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

absolute_path <- function(path, arg = "path") {
  if (startsWith(path, "~")) path <- path.expand(path)
  path <- to_utf8(path, arg)
  if (!grepl("^(/|[A-Za-z]:[/\\\\])", path)) path <- file.path(to_utf8(getwd()), path)
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
    return("That is a list of runs. Give one of them; wait_for_runs() waits for all.")
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
