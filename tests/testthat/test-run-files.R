# Files of runs, from outside and from inside a running job.

test_that("outputs are seen, added to and copied while the job runs", {
  ws <- local_workspace()
  run <- submit_lines(ws, c(
    "writeLines('early', 'outputs/early.txt')",
    "writeLines('from inside', 'note.txt')",
    "espalier::upload_files_to_run(c('inside/note.txt', 'outputs/note.txt'), c('note.txt', 'note.txt'))",
    "stopifnot(!'reticulate' %in% loadedNamespaces())",
    "while (!file.exists(file.path(Sys.getenv('ESPALIER_RUN_DIR'), 'outputs', 'go'))) Sys.sleep(0.05)"
  ))
  expect_true(eventually(function() "outputs/note.txt" %in% get_run_file_names(run, "outputs/"), 30))
  expect_identical(get_run_status(run), "Running")
  file <- withr::local_tempfile(lines = "go")
  to <- withr::local_tempdir()
  written <- download_files_from_run(run, "outputs/", to, append_prefix = FALSE)
  expect_identical(basename(written), c("early.txt", "note.txt"))
  expect_identical(readLines(file.path(to, "early.txt")), "early")
  upload_files_to_run("outputs/go", file, run = run)
  expect_error(upload_files_to_run("outputs/go", file, run = run), class = "espalier_error_file_exists")
  ended(run)
  expect_identical(get_run_status(run), "Completed")
  expect_identical(get_run_file_names(run, "inside"), "inside/note.txt")
  expect_error(download_files_from_run(run, "none"), class = "espalier_error_artifact_missing")
  download_files_from_run(run, "inside/", to, "x.txt")
  expect_identical(readLines(file.path(to, "x.txt")), "from inside")
  expect_identical(upload_folder_to_run("back", to, run = run), paste0("back/", c("early.txt", "note.txt", "x.txt")))
})

test_that("a file of outputs/ is found without it, and the nearest name is suggested", {
  ws <- local_workspace()
  run <- ended(submit_command(ws, "echo m > outputs/model.rds"))
  copy <- download_file_from_run(run, "model.rds", withr::local_tempfile())
  expect_identical(readLines(copy), "m")
  for (read in list(download_file_from_run, read_run_output)) for (name in c("modle.rds", "outputs/modle.rds")) {
    expect_error(read(run, name), "Did you mean 'outputs/model.rds'?", fixed = TRUE, class = "espalier_error_artifact_missing")
  }
})
