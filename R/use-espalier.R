#' Set up a project
#'
#' Run this once in a project that shall run jobs. It writes, where they don't exist yet: `.espalier/config.json` (so
#' that [load_workspace_from_config()] finds the project's workspace), `.espalierignore` (what stays out of snapshots)
#' and a template `train.R`. It adds `.espalier` to `.gitignore`, and in a package to `.Rbuildignore`. Nothing that
#' exists is overwritten.
#'
#' The new `.espalierignore` leaves nothing out. It looks at the project's scripts, and at the code and configuration
#' files that these name. What they use and `.gitignore` leaves out is taken in again up to 100 MB. What no script names
#' and takes more than 10 MB is listed with its size in a comment. Remove the `#` to leave it out. See
#' [preview_snapshot()] for the rules.
#'
#' @param path The project's folder.
#' @param name Name of the workspace; by default the one that the project has, else the folder's name, made valid.
#' @return The workspace, invisibly.
#' @section Errors: `espalier_error_bad_argument`, `espalier_error_workspace_read_only`.
#' @examplesIf espalier:::espalier_python_ready()
#' project <- tempfile("project")
#' dir.create(project)
#' use_espalier(project)
#' list.files(project, all.files = TRUE, no.. = TRUE)
#' @export
use_espalier <- function(path = ".", name = NULL) {
  path <- absolute_path(check_string(path, "path"))
  if (!dir.exists(path)) espalier_abort("bad_argument", sprintf("Can't find the folder %s.", path), "Create it first.")
  path <- normalizePath(path)
  folder <- file.path(path, ".espalier")
  ws <- project_workspace(path, folder, name)
  write_ignore_file(path)
  copy_template("train.R", file.path(path, "train.R"))
  add_lines(file.path(path, ".gitignore"), ".espalier/", c(".espalier", "/.espalier", "/.espalier/"))
  if (file.exists(file.path(path, "DESCRIPTION"))) {
    add_lines(file.path(path, ".Rbuildignore"), c("^\\.espalier$", "^\\.espalierignore$", "^train\\.R$"))
  }
  invisible(ws)
}

project_workspace <- function(path, folder, name) {
  config <- file.path(folder, "config.json")
  if (is.null(name) && file.exists(config)) return(load_workspace_from_config(config))
  ws <- workspace(name %||% valid_name(basename(path)), path = folder)
  if (!file.exists(config)) write_workspace_config(ws, path = folder)
  ws
}

# What scripts use is never left out: the template holds comments alone, and so do the proposals to leave something out.
write_ignore_file <- function(path) {
  target <- file.path(path, ".espalierignore")
  if (file.exists(target)) return(invisible())
  proposed <- Snapshots__propose_ignore_lines(path)
  copy_template("espalierignore", target)
  cat(paste0(unlist(proposed$lines), "\n", recycle0 = TRUE), file = target, sep = "", append = TRUE)
  for (note in unlist(proposed$notes)) say(c(i = "{note}"))
}

valid_name <- function(text) {
  text <- gsub("[^A-Za-z0-9_.-]+", "-", enc2utf8(text))
  text <- sub("^[^A-Za-z0-9]+", "", text)
  if (nzchar(text)) substr(text, 1L, 128L) else "workspace"
}

copy_template <- function(name, target) {
  if (file.exists(target)) return(invisible())
  file.copy(system.file("templates", name, package = "espalier", mustWork = TRUE), target)
  say("Wrote {.path {target}}.")
}

# Adds to a file the lines it lacks; what is there is not touched. `same`: other ways to say them.
add_lines <- function(file, lines, same = NULL) {
  present <- if (file.exists(file)) trimws(readLines(file, warn = FALSE))
  missing <- if (any(present %in% same)) NULL else setdiff(lines, present)
  if (!length(missing)) return(invisible())
  size <- if (file.exists(file)) file.size(file) else 0
  ended <- size == 0 || readBin(file, "raw", size)[size] == as.raw(10L)
  cat(if (!ended) "\n", paste0(missing, "\n"), file = file, sep = "", append = TRUE)
  say("Added {.code {missing}} to {.path {file}}.")
}
