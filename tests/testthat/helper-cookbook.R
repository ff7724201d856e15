# The tasks of the cookbook: its chunks, by the heading above them.

# A vignette's tasks: title -> its chunks that readers see, each a list of `engine`, `options` (as text) and `code`
tasks_of <- function(path) {
  lines <- readLines(path, encoding = "UTF-8")
  chunks <- list()
  title <- ""
  at <- 1L
  while (at <= length(lines)) {
    opening <- regmatches(lines[at], regexec("^(`{3,})\\{(\\w+)(.*)\\}$", lines[at]))[[1L]]
    if (length(opening)) {
      end <- at + which(lines[-seq_len(at)] == opening[2L])[1L]
      chunk <- list(engine = opening[3L], options = opening[4L], code = lines[seq_len(end - at - 1L) + at])
      if (!grepl("include = FALSE|echo = FALSE", chunk$options)) chunks[[title]] <- c(chunks[[title]], list(chunk))
      at <- end
    } else if (startsWith(lines[at], "## ")) {
      title <- substring(lines[at], 4L)
    }
    at <- at + 1L
  }
  chunks
}

# Do a task in the working directory, as a reader does; what it printed, as one string
do_task <- function(chunks, env = new.env(parent = globalenv())) {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  paste(unlist(lapply(chunks, do_chunk, env = env)), collapse = "\n")
}

do_chunk <- function(chunk, env) {
  if (chunk$engine == "cat") return(save_file(chunk))
  if (chunk$engine == "bash") return(run_in_shell(chunk$code))
  if (grepl("session = \"new\"", chunk$options, fixed = TRUE)) return(in_new_session(chunk$code))
  utils::capture.output(withCallingHandlers(
    source(exprs = parse(text = chunk$code, encoding = "UTF-8"), local = env, print.eval = TRUE),
    message = function(m) {
      cat(conditionMessage(m))
      invokeRestart("muffleMessage")
    }
  ))
}

save_file <- function(chunk) {
  file <- sub(".*file = \"([^\"]+)\".*", "\\1", chunk$options)
  dir.create(dirname(file), recursive = TRUE, showWarnings = FALSE)
  writeLines(chunk$code, file, useBytes = TRUE)
  NULL
}

run_in_shell <- function(code) {
  withr::local_envvar(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
  printed <- suppressWarnings(system2("bash", c("-e", "-c", shQuote(paste(code, collapse = "\n"))), stdout = TRUE, stderr = TRUE))
  if (!is.null(attr(printed, "status"))) stop("a shell's commands failed: ", paste(printed, collapse = "\n"))
  printed
}
