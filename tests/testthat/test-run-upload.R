# Uploads inside a job (base R), against a bare run folder.

local_upload <- function(env = parent.frame()) {
  shard <- normalizePath(withr::local_tempdir(.local_envir = env))
  dir <- file.path(shard, "run")
  dir.create(file.path(dir, "outputs"), recursive = TRUE)
  withr::local_envvar(ESPALIER_RUN_DIR = dir, .local_envir = env)
  dir
}

a_file <- function(text = "text", env = parent.frame()) {
  file <- withr::local_tempfile(.local_envir = env)
  writeLines(text, file)
  file
}

refused <- function(dir, class, names, paths) {
  before <- tree_of(dirname(dir))
  expect_error(upload_files_to_run(names, paths), class = paste0("espalier_error_", class))
  expect_identical(tree_of(dirname(dir)), before)
}

test_that("files are stored whole, under their names", {
  dir <- local_upload()
  names <- c("outputs/m/a.rds", "logs/b", "c.txt")
  expect_identical(upload_files_to_run(names, rep(a_file(), 3)), names)
  expect_setequal(list.files(dir, recursive = TRUE), c("outputs/m/a.rds", "logs/b", "uploads/c.txt"))
  expect_identical(readLines(file.path(dir, "uploads", "c.txt")), "text")
  expect_identical(list.files(dirname(dir), all.files = TRUE, no.. = TRUE), "run")
})

test_that("what exists is not replaced, and nothing else of the call stays", {
  dir <- local_upload()
  upload_files_to_run("outputs/x", a_file("first"))
  refused(dir, "file_exists", c("outputs/new", "outputs/x"), c(a_file(), a_file()))
  refused(dir, "file_exists", "outputs/x/y", a_file())
  refused(dir, "file_exists", c("a", "a"), c(a_file(), a_file()))
  refused(dir, "artifact_missing", c("a", "b"), c(a_file(), "/no/such/file"))
  expect_identical(readLines(file.path(dir, "outputs", "x")), "first")
})

test_that("no name leads out of the run", {
  dir <- local_upload()
  outside <- withr::local_tempdir()
  for (name in c("/etc/x", "../x", "outputs/../x", "outputs//x", "outputs/", "outputs/./x", "a\\b", "a\nb", "a\x7fb",
                 "user_logs/x", "outputs", strrep("x", 256))) {
    refused(dir, "bad_name", name, a_file())
  }
  file.symlink(outside, file.path(dir, "outputs", "folder"))
  file.symlink(file.path(outside, "made"), file.path(dir, "outputs", "file"))
  refused(dir, "artifact_unsafe", "outputs/folder/x", a_file())
  refused(dir, "file_exists", "outputs/file", a_file())
  file.symlink(outside, file.path(dir, "uploads"))
  refused(dir, "artifact_unsafe", "x", a_file())
  expect_identical(list.files(outside), character())
})

test_that("a folder is stored file by file", {
  dir <- local_upload()
  folder <- local_project("a.txt" = "a", "sub/b.txt" = "b")
  expect_setequal(upload_folder_to_run("kept/", folder), c("kept/a.txt", "kept/sub/b.txt"))
  expect_setequal(list.files(file.path(dir, "uploads"), recursive = TRUE), c("kept/a.txt", "kept/sub/b.txt"))
  file.symlink("/etc", file.path(folder, "etc"))
  expect_error(upload_folder_to_run("k", folder), class = "espalier_error_source_unreadable")
  expect_error(upload_folder_to_run("k", "/no/such"), class = "espalier_error_source_missing")
})
