# The command line `espalier`: a small launcher that starts the core in the private environment.

#' Install the command line
#'
#' Use this to call espalier in a terminal: `espalier run train.R`, `espalier runs list`. It writes a small launcher,
#' which starts the core in espalier's private Python environment.
#'
#' Two small Python packages (click and jmespath) are installed into that environment. Your `PATH` and your shell's
#' files stay as they are. To remove the command, delete the launcher. After an update of espalier, [espalier_sitrep()]
#' shows whether the launcher still fits.
#'
#' @param path String: folder for the launcher, created if it is missing. Default: `~/.local/bin`.
#' @return The launcher's path, invisibly.
#' @section Errors:
#' * `espalier_error_file_exists`: another program has that place.
#' * `espalier_error_not_permitted`: the folder can't be written.
#' * `espalier_error_python_missing`: the packages can't be installed, or you decline.
#' * `espalier_error_not_supported`: on Windows.
#' @seealso [install_espalier()], [espalier_sitrep()]
#' @examples
#' if (interactive()) install_espalier_cli()
#' @export
install_espalier_cli <- function(path = "~/.local/bin") {
  check_string(path, "path")
  if (.Platform$OS.type == "windows") {
    espalier_abort("not_supported", "Can't install the command line on Windows.", "Use espalier from R.")
  }
  launcher <- file.path(normalizePath(path, mustWork = FALSE), "espalier")
  if (file.exists(launcher) && !is_launcher(launcher)) {
    espalier_abort("file_exists", sprintf("Can't write %s: it is another program.", launcher), "Give another `path`.")
  }
  agree_to_launcher(launcher)
  env <- managed_build()
  install_extra(env, "cli")
  write_launcher(launcher, env_python(env), core_folders()$core)
  remember_launcher(launcher)
  say(c(
    "v" = "Installed the command line: {.path {launcher}}",
    "i" = if (!on_path(launcher)) "{.path {dirname(launcher)}} isn't on your PATH. Add it to call {.code espalier}.",
    "i" = "{.code espalier completion bash} prints what your shell needs to complete commands."
  ))
  invisible(launcher)
}

#' What the launcher is known by
#' @noRd
launcher_mark <- "# The command line of the R package espalier. install_espalier_cli() writes this file."

is_launcher <- function(file) {
  isTRUE(tryCatch(launcher_mark %in% readLines(file, 2L, warn = FALSE), error = function(e) FALSE))
}

agree_to_launcher <- function(launcher) {
  if (!interactive()) return(invisible())
  where <- managed_env() %||% managed_root()
  say("This writes {.path {launcher}}, and installs two Python packages (1 MB) into {.path {where}}.")
  if (!agrees("Go on?", default = TRUE)) {
    espalier_abort("python_missing", "Can't install the command line without your consent.", "Call install_espalier_cli() again, and agree.")
  }
}

# (-I: neither the working directory nor PYTHONPATH may take the place of the core's modules)
write_launcher <- function(launcher, python, core) {
  start <- "import sys; sys.path.append(sys.argv.pop(1)); from espalier.cli.__main__ import main; main()"
  lines <- c(
    "#!/bin/sh", launcher_mark,
    sprintf("python=%s", shQuote(python)),
    "if [ ! -x \"$python\" ]; then",
    "  echo 'Error: The environment of this command is gone. Run install_espalier_cli() in R again.' >&2",
    "  exit 4",
    "fi",
    sprintf("exec \"$python\" -I -c %s %s \"$@\"", shQuote(start), shQuote(core))
  )
  folder <- dirname(launcher)
  dir.create(folder, FALSE, TRUE)
  if (!dir.exists(folder) || file.access(folder, 2L) != 0L) {
    espalier_abort("not_permitted", sprintf("Can't write to %s.", folder), "Give another `path`.")
  }
  fresh <- tempfile(".espalier-", folder)
  writeLines(lines, fresh)
  Sys.chmod(fresh, "0755")
  file.rename(fresh, launcher)
}

on_path <- function(launcher) {
  identical(normalizePath(unname(Sys.which("espalier")), mustWork = FALSE), normalizePath(launcher, mustWork = FALSE))
}

#' Where a launcher was written last, for the report
#' @noRd
launcher_record <- function() file.path(data_folder(), "command-line.txt")

remember_launcher <- function(launcher) {
  # (without the record the launcher works as well)
  suppressWarnings(try(writeLines(enc2utf8(launcher), launcher_record(), useBytes = TRUE), silent = TRUE))
}

remembered_launcher <- function() {
  tryCatch(readLines(launcher_record(), 1L, warn = FALSE, encoding = "UTF-8"), error = function(e) "", warning = function(w) "")
}

#' What is known of the command line: that of the PATH, the one that was written last, or that of the usual folder
#' @noRd
sitrep_command_line <- function() {
  found <- c(unname(Sys.which("espalier")), remembered_launcher(), path.expand("~/.local/bin/espalier"))
  found <- Filter(function(file) nzchar(file) && file.exists(file) && is_launcher(file), found)
  if (!length(found)) return(fact("command line", "not installed", "install_espalier_cli() installs it"))
  launcher <- found[1L]
  asked <- run_quietly(launcher, "--version")
  if (asked$status != 0L) {
    return(fact("command line", launcher, problem = sprintf("The command line %s can't start.", launcher),
                fix = "install_espalier_cli()"))
  }
  where <- if (on_path(launcher)) "on the PATH" else sprintf("%s isn't on your PATH", dirname(launcher))
  fact("command line", launcher, paste0(sub("^espalier ", "version ", asked$lines[1L]), ", ", where))
}
