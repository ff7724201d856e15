# A bare run folder, and its events as lists.

local_run_folder <- function(env = parent.frame()) {
  dir <- normalizePath(withr::local_tempdir(.local_envir = env))
  withr::local_envvar(ESPALIER_RUN_DIR = dir, .local_envir = env)
  withr::defer(close_event_writer(dir), envir = env)
  dir
}

event_files <- function(dir, pattern = "jsonl$") {
  list.files(file.path(dir, "events"), pattern, full.names = TRUE)
}

read_lines_utf8 <- function(file) {
  lines <- readLines(file, encoding = "UTF-8")
  Encoding(lines) <- "UTF-8"
  lines
}

parse_json <- function(text) {
  Encoding(text) <- "UTF-8"
  jsonlite::fromJSON(text, simplifyVector = FALSE)
}

#' All events but the headers
run_events <- function(dir, type = NULL, pattern = "jsonl$") {
  events <- unlist(lapply(event_files(dir, pattern), function(file) {
    lapply(read_lines_utf8(file), parse_json)
  }), recursive = FALSE)
  Filter(function(e) e$type != "writer" && (is.null(type) || e$type == type), events)
}

read_payload <- function(dir, event) {
  parse_json(paste(read_lines_utf8(file.path(dir, event$payload)), collapse = ""))
}

# What is warned about once in a session, from here on.
forget_doubts <- function() {
  doubts <- grep("^not_logged_", ls(.said), value = TRUE)
  rm(list = doubts, envir = .said)
}
