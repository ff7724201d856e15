# The documents of the source tree, and scripts like those in them.

skip_if_no_source <- function() skip_if(is.null(source_top()), "not in a source tree: the documents are absent")

document <- function(...) {
  skip_if_no_source()
  file.path(source_top(), ...)
}

text_of <- function(path) readLines(path, warn = FALSE, encoding = "UTF-8")

# Run an R script in a folder, with queue, index and caches of its own; the exit status and what was printed
run_script <- function(lines, folder, home = withr::local_tempdir(.local_envir = parent.frame())) {
  script <- withr::local_tempfile(fileext = ".R")
  writeLines(enc2utf8(lines), script, useBytes = TRUE)
  printed <- withr::with_dir(folder, withr::with_envvar(
    c(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep), ESPALIER_STATE_DIR = file.path(home, "state"),
      ESPALIER_CACHE_DIR = file.path(home, "cache")),
    suppressWarnings(system2(rscript_path(), shQuote(script), stdout = TRUE, stderr = TRUE))
  ))
  status <- attr(printed, "status")
  list(status = if (is.null(status)) 0L else status, printed = paste(printed, collapse = "\n"))
}
