# What a job may put in the place of a record, by name; each makes it at a path.
hostile_entries <- list(
  pipe = function(path) system2("mkfifo", shQuote(path)),
  "link to a pipe" = function(path) {
    system2("mkfifo", shQuote(paste0(path, ".pipe")))
    file.symlink(paste0(path, ".pipe"), path)
  },
  "link to a device" = function(path) file.symlink("/dev/zero", path),
  "link to a record" = function(path) {
    writeLines("{\"format\":1,\"state\":\"Completed\"}", paste0(path, ".other"))
    file.symlink(paste0(path, ".other"), path)
  },
  "link to nowhere" = function(path) file.symlink("nowhere", path),
  folder = function(path) dir.create(path),
  "empty file" = function(path) file.create(path),
  "sparse file" = function(path) system2("truncate", c("-s", "10G", shQuote(path)))
)

# Nothing may wait: an alarm ends what does.
in_time <- function(code) {
  setTimeLimit(elapsed = 10, transient = TRUE)
  on.exit(setTimeLimit())
  code
}

for (name in names(hostile_entries)) local({
  make <- hostile_entries[[name]]
  test_that(sprintf("R neither waits for nor follows what is no record: %s", name), {
    skip_on_os("windows")
    dir <- local_run_folder()
    path <- file.path(dir, "status.json")
    make(path)
    expect_false(is_plain_file(path))
    expect_identical(in_time(record_field(path, "state", "\"([A-Za-z]+)\"")), NA_character_)
    error <- tryCatch(in_time(run_record(dir, "status.json")), espalier_error = identity)
    expect_true(inherits(error, "espalier_error_damaged") || inherits(error, "espalier_error_run_missing"))
    expect_identical(in_time(show_log(path, 0, TRUE)) >= 0, TRUE)
  })
})

test_that("a record in a folder that is a link isn't read", {
  dir <- local_run_folder()
  other <- withr::local_tempdir()
  writeLines("{\"format\":1}", file.path(other, "x.answer.json"))
  file.symlink(other, file.path(dir, "requests"))
  expect_false(is_plain_file(file.path(dir, "requests", "x.answer.json")))
  expect_true(is_plain_file(file.path(other, "x.answer.json")))
  expect_error(write_privately(file.path(dir, "requests"), "x.json", "{}"), class = "espalier_error_workspace_read_only")
  expect_identical(list.files(other), "x.answer.json")
})

for (log in c("events", "parts", "outputs", "payloads")) local({
  log <- log
  test_that(sprintf("nothing is logged behind a link: %s", log), {
    dir <- local_run_folder()
    other <- withr::local_tempdir()
    file.symlink(other, file.path(dir, log))
    suppressWarnings({
      log_metric_to_run("a", 1)
      log_part_to_run("k")
      log_metric_to_run("long", strrep("x", 5000))
      log_image_to_run("i", plot = function() plot(1))
    })
    expect_identical(list.files(other, recursive = TRUE, all.files = TRUE), character())
  })
})

test_that("no umask lets others write what R makes", {
  skip_on_os("windows")
  for (umask in c("000", "002", "022", "077")) {
    old <- Sys.umask(umask)
    dir <- local_run_folder()
    log_metric_to_run("a", 1)
    log_metric_to_run("long", strrep("x", 5000))
    log_part_to_run("k")
    log_image_to_run("i", plot = function() plot(1))
    file <- withr::local_tempfile(lines = "x")
    Sys.chmod(file, "0644")
    upload_files_to_run("u/x.txt", file)
    made <- list.files(dir, recursive = TRUE, include.dirs = TRUE, full.names = TRUE)
    expect_gt(length(made), 8L)
    expect_identical(bitwAnd(as.integer(file.mode(made)), 18L), integer(length(made)))
    expect_identical(Sys.umask(old), as.octmode(umask))
  }
})
