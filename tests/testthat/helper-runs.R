# Workspaces, projects and runs for tests, all in temporary folders: queue and index too. (The core reads these two
# variables from the environment that Python was started with, so they are set here, before.)

local({
  home <- file.path(normalizePath(tempdir()), "espalier-home")
  Sys.setenv(ESPALIER_STATE_DIR = file.path(home, "state"), ESPALIER_CACHE_DIR = file.path(home, "cache"))
  Sys.unsetenv("ESPALIER_RUN_DIR") # the tests themselves may run in a job
})

local_workspace <- function(name = "test", env = parent.frame()) {
  skip_if_no_core()
  folder <- normalizePath(withr::local_tempdir("workspace-", .local_envir = env))
  suppressMessages(ws <- workspace(name, path = folder))
  withr::defer(end_all_runs(ws), envir = env)
  # (a secret that one test reads is refused as a text in the others)
  withr::defer(read_secrets$values <- NULL, envir = env)
  ws
}

# A test that failed half-way leaves no job behind.
end_all_runs <- function(ws) {
  runs <- tryCatch(list_runs(ws), espalier_error = function(e) NULL)
  for (id in runs$run_id[runs$status %in% c("Queued", "Preparing", "Starting", "Running")]) {
    cancel_run(get_run(ws, id))
    ended(get_run(ws, id))
  }
}

# A folder of files: local_project(train.R = c(...), "data/x.csv" = ...)
local_project <- function(..., env = parent.frame()) {
  folder <- normalizePath(withr::local_tempdir("project-", .local_envir = env))
  files <- list(...)
  for (name in names(files)) {
    dir.create(dirname(file.path(folder, name)), showWarnings = FALSE, recursive = TRUE)
    writeLines(enc2utf8(files[[name]]), file.path(folder, name), useBytes = TRUE)
  }
  folder
}

# Submit lines of R as a job of its own.
submit_lines <- function(ws, lines, ..., experiment = "exp", tags = NULL, env = parent.frame()) {
  folder <- local_project(train.R = lines, env = env)
  submit_experiment(experiment(ws, experiment), estimator(folder, entry_script = "train.R", ...), tags = tags)
}

submit_command <- function(ws, command, ..., experiment = "exp") {
  submit_experiment(experiment(ws, experiment), script_run_config(command = command, ...))
}

# Wait, show nothing, raise nothing.
ended <- function(run) {
  suppressMessages(wait_for_run_completion(run, show_output = FALSE, raise_on_error = FALSE))
}

log_of <- function(run) {
  readLines(file.path(run$run_dir, "user_logs", "std_log.txt"), warn = FALSE, encoding = "UTF-8")
}

output_of <- function(run, name) file.path(run$run_dir, "outputs", name)

# (The runner removes its own log, if empty, a moment after the run's end.)
files_of <- function(run) setdiff(get_run_file_names(run), "system_logs/runner.log")

# What the runner removes a moment after the run's end
gone_soon <- function(path) {
  until <- Sys.time() + 10
  while (file.exists(path) && Sys.time() < until) Sys.sleep(0.02)
  expect_false(file.exists(path))
}

cause_of <- function(run) get_run_details(run)$error

# Everything below a folder, with sizes: equal before and after what must change nothing.
tree_of <- function(folder) {
  names <- list.files(folder, all.files = TRUE, recursive = TRUE, include.dirs = TRUE)
  data.frame(name = names, size = file.size(file.path(folder, names)) * !dir.exists(file.path(folder, names)))
}

# What somebody sees of an expression: its messages, as one string.
said_by <- function(code) {
  said <- character()
  withCallingHandlers(code, message = function(m) {
    said <<- c(said, conditionMessage(m))
    invokeRestart("muffleMessage")
  })
  paste(said, collapse = "")
}

# Letters beyond ASCII, also where the machine's locale has none (a bare container); jobs inherit it.
local_utf8 <- function(env = parent.frame()) {
  if (l10n_info()[["UTF-8"]]) return(invisible())
  withr::local_envvar(LC_ALL = "C.UTF-8", .local_envir = env)
  withr::local_locale(LC_CTYPE = "C.UTF-8", .local_envir = env)
  testthat::skip_if_not(l10n_info()[["UTF-8"]], "no UTF-8 locale")
}

# The processes that have a text among their arguments or variables. (A bare machine has no ps.)
processes_with <- function(text) {
  mentions <- function(file) {
    bytes <- tryCatch(suppressWarnings(readBin(file, "raw", 1e6)), error = function(e) raw())
    grepl(text, rawToChar(bytes[bytes != 0]), fixed = TRUE, useBytes = TRUE)
  }
  Filter(function(process) mentions(file.path(process, "cmdline")) || mentions(file.path(process, "environ")),
         Sys.glob("/proc/[0-9]*"))
}

# Another R process, as a user has it. (Sessions at once are such processes, not forks: processx takes over the signal
# of ended children, so forks made later are never waited for, and this session would wait 10 s for them at its end.)
in_other_r <- function(func, args = list()) {
  testthat::skip_if_not_installed("callr")
  callr::r(func, args, libpath = .libPaths(), cmdargs = c("--no-save", "--no-restore", "--slave"))
}

rscript_process <- function(lines, ..., env = parent.frame()) {
  testthat::skip_if_not_installed("processx")
  script <- withr::local_tempfile(fileext = ".R", .local_envir = env)
  writeLines(lines, script)
  processx::process$new(
    rscript_path(), c(script, ...), stdout = "|", stderr = "2>&1",
    env = c("current", R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
  )
}

# Wait for something to become true; FALSE when it did not in time.
eventually <- function(is_true, seconds = 10) {
  deadline <- Sys.time() + seconds
  while (Sys.time() < deadline) {
    if (is_true()) return(TRUE)
    Sys.sleep(0.02)
  }
  FALSE
}

# Ids, times, durations and folders differ from run to run; printed output does not otherwise.
steady <- function(lines) {
  lines <- gsub("[0-9]{10}_[0-9a-f]{8}", "<id>", lines)
  lines <- gsub("/runs/[0-9a-f]{2}/", "/runs/<shard>/", lines)
  lines <- gsub("[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:]{8}(\\.[0-9]+)?Z?", "<time>", lines)
  lines <- gsub("\\b([0-9]+\\.[0-9] s|[0-9]+ ms)\\b *", "<took> ", lines)
  lines <- gsub("sha256:[0-9a-f]{64}", "<digest>", lines)
  lines <- gsub("/[^ \"']*/(workspace|project)-[^/ \"']*", "<\\1>", lines)
  gsub("/[^ \"']*/Rscript", "Rscript", lines)
}

# An object saved for another process: the file.
saved <- function(x, env = parent.frame()) {
  file <- withr::local_tempfile(fileext = ".rds", .local_envir = env)
  saveRDS(x, file)
  file
}
