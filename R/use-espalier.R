#' Set a project up
#'
#' Writes, where they do not exist yet: `.espalier/config.json` (so that [load_workspace_from_config()] finds the
#' project's workspace), `.espalierignore` (what stays out of snapshots) and a template `train.R`; adds `.espalier` to
#' `.gitignore`, and in a package to `.Rbuildignore`. Nothing that exists is overwritten.
#'
#' @param path The project's folder.
#' @param name Name of the workspace; by default the folder's name, made valid.
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
  if (!dir.exists(path)) espalier_abort("bad_argument", sprintf("There is no folder %s.", path), "Create it first.")
  path <- normalizePath(path)
  folder <- file.path(path, ".espalier")
  ws <- workspace(name %||% valid_name(basename(path)), path = folder)
  if (!file.exists(file.path(folder, "config.json"))) write_workspace_config(ws, path = folder)
  copy_template("espalierignore", file.path(path, ".espalierignore"))
  copy_template("train.R", file.path(path, "train.R"))
  add_line(file.path(path, ".gitignore"), ".espalier/", "/?\\.espalier/?")
  if (file.exists(file.path(path, "DESCRIPTION"))) {
    add_line(file.path(path, ".Rbuildignore"), "^\\.espalier$", "\\^\\\\\\.espalier(\\$|ignore.*)")
    add_line(file.path(path, ".Rbuildignore"), "^\\.espalierignore$", "\\^\\\\\\.espalierignore\\$")
  }
  invisible(ws)
}

valid_name <- function(text) {
  text <- gsub("[^A-Za-z0-9_.-]+", "-", enc2utf8(text))
  text <- sub("^[^A-Za-z0-9]+", "", text)
  if (nzchar(text)) substr(text, 1L, 128L) else "workspace"
}

copy_template <- function(name, target) {
  if (file.exists(target)) return(invisible())
  file.copy(system.file("templates", name, package = "espalier", mustWork = TRUE), target)
  cli::cli_inform("Wrote {.path {target}}.")
}

# Adds a line to a file unless a line matching `pattern` is there.
add_line <- function(file, line, pattern) {
  lines <- if (file.exists(file)) readLines(file, warn = FALSE)
  if (any(grepl(paste0("^", pattern, "$"), lines))) return(invisible())
  writeLines(c(lines, line), file)
  cli::cli_inform("Added {.code {line}} to {.path {file}}.")
}
