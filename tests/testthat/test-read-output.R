# Outputs of a run as objects of R.

test_that("files are read by the ending of their names", {
  local_utf8()
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c(
    "saveRDS(list(a = 1L), 'outputs/model.rds')",
    "write.csv(data.frame(`a b` = 1:2, check.names = FALSE), gzfile('outputs/table.csv.gz'), row.names = FALSE)",
    "write.table(data.frame(x = 'y'), 'outputs/table.tsv', sep = '\\t', row.names = FALSE)",
    "writeBin(charToRaw(enc2utf8('{\"a\": [1, 2], \"b\": \"\\u00fc\"}')), 'outputs/values.JSON')",
    "writeBin(charToRaw(enc2utf8('\\u00e9\\nx')), 'outputs/note.txt')",
    "writeLines(c('a: 1', 'b: !expr stop()'), 'outputs/values.yml')",
    "writeLines('raw', 'outputs/data.bin')",
    "grDevices::png('outputs/plot.png', 60, 40); graphics::par(mar = c(0, 0, 0, 0)); graphics::plot.new(); grDevices::dev.off()"
  ), outputs = c(model = "outputs/model.rds")))
  for (name in c("model", "model.rds", "outputs/model.rds")) expect_identical(read_run_output(run, name), list(a = 1L))
  expect_identical(read_run_output(run, "table.csv.gz"), data.frame(`a b` = 1:2, check.names = FALSE))
  expect_identical(read_run_output(run, "table.csv.gz", colClasses = "character")[[1]], c("1", "2"))
  expect_identical(read_run_output(run, "table.tsv"), data.frame(x = "y"))
  expect_identical(read_run_output(run, "values.JSON"), list(a = 1:2, b = "\u00fc"))
  expect_identical(read_run_output(run, "note.txt"), c("\u00e9", "x"))
  if (is_installed("yaml")) expect_identical(read_run_output(run, "values.yml")$a, 1L)
  if (is_installed("png")) expect_identical(dim(read_run_output(run, "plot.png")), c(40L, 60L))
  expect_identical(read_run_output(run, "data.bin", reader = readLines), "raw")
  expect_match(paste(read_run_output(run, "user_logs/std_log.txt"), collapse = ""), "null device")
  expect_error(read_run_output(run, "data.bin"), "its ending is none of .rds, .csv", class = "espalier_error_bad_argument")
  expect_error(read_run_output(run, "none.rds"), "Can't find 'none.rds'", class = "espalier_error_artifact_missing")
  expect_error(read_run_output(run, "../status.json"), class = "espalier_error_bad_name")
  expect_error(read_run_output(run, "note.txt", reader = "readLines"), "must be a function", class = "espalier_error_bad_argument")
})

test_that("Parquet, Feather and JPEG files are read by the packages for them", {
  ws <- local_workspace()
  run <- ended(submit_command(ws, "touch outputs/data.bin"))
  kept <- function(name) {
    file.copy(output_of(run, "data.bin"), output_of(run, name))
    output_of(run, name)
  }
  missing <- function(name) expect_error(read_run_output(run, name), "isn't installed.*install.packages", class = "espalier_error_bad_argument")
  skipped <- character()
  table <- data.frame(a = c(1.5, NA), b = c("x", "\u00e9"))
  file <- kept("table.parquet")
  if (is_installed("nanoparquet")) {
    nanoparquet::write_parquet(table, file)
    expect_identical(read_run_output(run, "table.parquet"), table)
  } else if (is_installed("arrow")) {
    arrow::write_parquet(table, file)
    expect_identical(read_run_output(run, "table.parquet"), table)
  } else {
    missing("table.parquet")
    skipped <- "Parquet (nanoparquet, arrow)"
  }
  file <- kept("table.feather")
  if (is_installed("arrow")) {
    arrow::write_feather(table, file)
    expect_identical(read_run_output(run, "table.feather"), table)
  } else {
    missing("table.feather")
    skipped <- c(skipped, "Feather (arrow)")
  }
  file <- kept("plot.jpg")
  if (is_installed("jpeg")) {
    jpeg::writeJPEG(array(0.5, c(20, 30, 3)), file)
    expect_identical(dim(read_run_output(run, "plot.jpg")), c(20L, 30L))
  } else {
    missing("plot.jpg")
    skipped <- c(skipped, "JPEG (jpeg)")
  }
  # (of these the error that names the package was tested; arrow is in few distributions)
  if (length(skipped)) cat("\nFiles not read here, because packages are missing:", paste(skipped, collapse = ", "), "\n")
})

test_that("a link is never followed, and what a job writes is read while it runs", {
  ws <- local_workspace()
  run <- submit_lines(ws, c("writeLines('there', 'outputs/now.txt')", "file.symlink('/etc/passwd', 'outputs/link.txt')", "Sys.sleep(60)"))
  expect_true(eventually(function() "outputs/link.txt" %in% get_run_file_names(run)))
  expect_identical(read_run_output(run, "now.txt"), "there")
  expect_error(read_run_output(run, "link.txt"), class = "espalier_error_artifact_missing")
  cancel_run(run)
  ended(run)
  file.symlink("/etc/passwd", output_of(run, "late.txt"))
  expect_error(read_run_output(run, "late.txt"), class = "espalier_error_artifact_unsafe")
})
