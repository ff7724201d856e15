#' Set up a project
#'
#' Use it once in a project that will run jobs. It writes these files and overwrites nothing:
#'
#' * `.espalier/config.json`, by which [load_workspace_from_config()] finds the project's workspace;
#' * `.espalierignore`, the rules for files that stay out of snapshots, see [preview_snapshot()];
#' * `train.R`, a template;
#' * a line for `.espalier` in `.gitignore`, and in a package in `.Rbuildignore`.
#'
#' The new `.espalierignore` leaves nothing out. It takes files in that `.gitignore` leaves out and the project's
#' scripts name, up to 100 MB. Other files of more than 10 MB are listed in comments, with their sizes. Remove the `#`
#' to leave them out.
#'
#' @param path Path of the project's folder. By default the working directory.
#' @param name String: the name of the workspace. By default the one that the project has, else the folder's name.
#' @return The workspace, invisibly.
#' @section Errors:
#' * `espalier_error_bad_argument`: the folder doesn't exist.
#' * `espalier_error_workspace_read_only`: the folder can't be written.
#' @seealso [workspace()], [preview_snapshot()]
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
