# Files stored with a run. Inside a job base R only; elsewhere the core does it.

#' Store files with a run
#'
#' Use these to keep more files with a run than its job writes to `outputs/`, such as a figure or a note. They work in a
#' job, without Python, and in a session, also after the run has ended.
#'
#' All files of one call are stored, or none. A file that the run has is never replaced.
#'
#' @param names Character vector: a name in the run for each file, a relative path with `/`. Names that begin with
#'   `outputs/` or `logs/` are among the files that the job writes to these folders.
#' @param paths Character vector: the paths of the files.
#' @param timeout_seconds Ignored. It is there because azuremlsdk has it.
#' @param run A run. By default the one that this code belongs to, see [get_current_run()].
#' @param name String: the folder's name in the run, with which the files' names begin.
#' @param path Path of a folder. Links in it to files are stored as those files.
#' @return The names, invisibly, or `NULL` without a run.
#' @section Errors:
#' * `espalier_error_file_exists`: the run has a file of this name.
#' * `espalier_error_artifact_missing`, `espalier_error_source_missing`: a file or the folder doesn't exist.
#' * `espalier_error_source_unreadable`: the folder contains a link to a folder.
#' * `espalier_error_bad_name`: a name isn't valid.
#' * `espalier_error_artifact_unsafe`: a name leads through a link of the run.
#' @seealso [download_files_from_run()], [log_image_to_run()]
#' @export
#' @examples
#' dir <- file.path(tempfile("runs"), "run")
#' dir.create(dir, recursive = TRUE)
#' Sys.setenv(ESPALIER_RUN_DIR = dir) # as inside a job
#' file <- tempfile()
#' writeLines("a note", file)
#' upload_files_to_run("outputs/note.txt", file)
#' list.files(dir, recursive = TRUE)
#' Sys.unsetenv("ESPALIER_RUN_DIR")
upload_files_to_run <- function(names, paths, timeout_seconds = NULL, run = NULL) {
  check_texts(names, "names")
  check_texts(paths, "paths")
  if (length(names) != length(paths)) {
    espalier_abort("bad_argument", sprintf("Can't store the files: there are %d names for %d paths.", length(names), length(paths)),
                   "Give one name for each path.")
  }
  check_number(timeout_seconds, "timeout_seconds", null = TRUE, min = 0)
  dir <- log_target(run)
  if (is.null(dir)) return(invisible())
  if (nzchar(Sys.getenv("ESPALIER_RUN_DIR"))) {
    if (is.null(run)) dir <- current_run_dir()
    newer <- newer_records(dir)
    if (!is.null(newer)) espalier_abort(newer$code, paste0("Can't store files with the run: ", newer$text, "."), newer$hint)
    store_files(dir, names, path.expand(paths))
  } else {
    paths <- vapply(paths, absolute_path, "", arg = "paths", USE.NAMES = FALSE)
    Run$new(identity = run_identity(dir))$upload_files(as.list(names), as.list(paths))
  }
  invisible(names)
}

#' @rdname upload_files_to_run
#' @export
upload_folder_to_run <- function(name, path, run = NULL) {
  check_string(name, "name")
  check_string(path, "path")
  if (!dir.exists(path)) {
    espalier_abort("source_missing", sprintf("Can't find the folder %s to upload.", path), "Correct the path.")
  }
  files <- list.files(path, all.files = TRUE, recursive = TRUE, no.. = TRUE)
  folders <- list.dirs(path, full.names = TRUE)[-1L]
  links <- folders[nzchar(Sys.readlink(folders))]
  if (length(links)) {
    espalier_abort("source_unreadable", sprintf("Can't store %s: it is a link to a folder.", links[1L]),
                   "Remove it, or upload single files.", path = links[1L])
  }
  if (!length(files)) return(invisible(character()))
  upload_files_to_run(paste0(sub("/+$", "", name), "/", files), file.path(path, files), run = run)
}

check_texts <- function(x, arg) {
  if (missing(x)) abort_missing(arg)
  if (!is.character(x) || is.object(x) || !length(x) || anyNA(x) || !all(nzchar(x))) {
    abort_argument(arg, "strings that are not empty", x)
  }
  invisible(x)
}

#' Store files in a run's folder: first all aside, whole, then each under its name
#' @noRd
store_files <- function(dir, names, paths) {
  # (bytes, so that no locale changes a name)
  names <- vapply(names, stored_name, "", USE.NAMES = FALSE)
  for (i in seq_along(names)) check_way(dir, names[i])
  if (anyDuplicated(names)) abort_taken(names[anyDuplicated(names)])
  absent <- !file.exists(paths) | dir.exists(paths)
  if (any(absent)) {
    espalier_abort("artifact_missing", sprintf("Can't find the file %s to upload.", paths[absent][1L]), "Correct the path.")
  }
  stages <- make_stages(dir, sub("/.*", "", names))
  on.exit(unlink(stages, recursive = TRUE))
  staged <- file.path(stages, seq_along(names))
  sizes <- file.size(paths)
  # (R reports no full disk: the size shows it)
  copied <- all(suppressWarnings(file.copy(paths, staged))) && all(file.size(staged) >= sizes)
  if (!copied) abort_not_stored(dir)
  publish_files(dir, staged, names)
}

#' Make the folders in which files are written aside, by the folder of the run that each goes to
#'
#' It is one, beside the run. A job in a container can't write there, and each of its folders is a separate mount, from
#' which no file moves to another: there it is one in each.
#' @noRd
make_stages <- function(dir, tops) {
  stage <- tempfile(paste0(".tmp-", Sys.getpid(), "-"), dirname(dir))
  if (dir.create(stage, showWarnings = FALSE, mode = "0700")) return(rep(stage, length(tops)))
  stages <- vapply(unique(tops), function(top) tempfile(paste0(".tmp-", Sys.getpid(), "-"), file.path(dir, top)), "")
  made <- vapply(stages, dir.create, NA, showWarnings = FALSE, mode = "0700")
  if (!all(made)) {
    unlink(stages[made], recursive = TRUE)
    abort_not_stored(dir)
  }
  unname(stages[tops])
}

publish_files <- function(dir, staged, names) {
  done <- character()
  whole <- FALSE
  on.exit(if (!whole) unlink(done))
  for (i in seq_along(names)) {
    check_way(dir, names[i])
    file <- file.path(dir, names[i])
    dir.create(dirname(file), recursive = TRUE, showWarnings = FALSE, mode = "0755")
    # a link never replaces; where there are no hard links the name is free, as far as we saw
    placed <- suppressWarnings(file.link(staged[i], file)) ||
      (!is_taken(file) && suppressWarnings(file.rename(staged[i], file)))
    if (!placed) if (is_taken(file)) abort_taken(names[i]) else abort_not_stored(dir)
    done <- c(done, file)
  }
  whole <- TRUE
}

#' Where below the run's folder a file of this name lies, as bytes
#' @noRd
stored_name <- function(name) {
  text <- to_utf8(name, "names")
  parts <- strsplit(paste0(text, "/"), "/", fixed = TRUE)[[1L]]
  bad <- any(parts %in% c("", ".", "..")) || endsWith(text, "/") || grepl("[\\\\\x01-\x1f\x7f]", text, perl = TRUE, useBytes = TRUE)
  long <- nchar(text, "bytes") > 1024L || any(nchar(parts, "bytes") > 255L)
  ours <- parts[1L] %in% c("user_logs", "system_logs", "workdir") || text %in% c("outputs", "logs")
  if (bad || long || ours) {
    espalier_abort("bad_name", sprintf("Can't use %s as the name of a run's file.", describe_value(name)),
                   "Names are relative paths with `/`, such as outputs/model.rds.")
  }
  if (!parts[1L] %in% c("outputs", "logs")) text <- paste0("uploads/", text)
  Encoding(text) <- "unknown"
  text
}

#' Nothing on the way may be a link or a file, and the name must be free
#' @noRd
check_way <- function(dir, name) {
  parts <- strsplit(name, "/", fixed = TRUE)[[1L]]
  way <- dir
  for (part in parts[-length(parts)]) {
    way <- file.path(way, part)
    if (is_link(way)) {
      espalier_abort("artifact_unsafe", sprintf("Can't store %s: %s is a link, and links of a run aren't followed.", name, part),
                     "Choose another name.", path = way)
    }
    if (file.exists(way) && !dir.exists(way)) abort_taken(part)
  }
  # (what the job has in its own ./outputs is moved to the run when it ends)
  work <- Sys.getenv("ESPALIER_WORK_DIR")
  is_own <- nzchar(work) && parts[1L] %in% c("outputs", "logs") && identical(dir, Sys.getenv("ESPALIER_RUN_DIR"))
  if (is_taken(file.path(dir, name)) || (is_own && is_taken(file.path(work, name)))) {
    abort_taken(name)
  }
}

is_taken <- function(path) file.exists(path) || is_link(path)

abort_taken <- function(name) {
  espalier_abort("file_exists", sprintf("Can't store the file \"%s\": the run has one of this name.", sub("^uploads/", "", name)), "Choose another name.")
}

abort_not_stored <- function(dir) {
  espalier_abort("workspace_read_only", "Can't write to the run's folder.",
                 "Is the disk full, or the folder read-only?", path = dir)
}
