# Each task of the cookbook is done from the page alone, in a fresh project. (The one with a container: tests/docker.)

# Title -> what shows that it was done
shown <- list(
  "1. Compare two models" = c("metric_RMSE", "curved\\.R(.|\n)*linear\\.R", "poly\\(wt, 2\\)1"),
  "2. Try a grid and load the best model" = c("param_span", "\\[1\\] 22\\.86356 59\\.83287"),
  "3. Give a job a folder of data" = c("3 files, 150 flowers", "\\[1\\] 1\\.199333", "sha256:[0-9a-f]{64}"),
  "4. Run a Python script and read its metrics" = c("weight 2\\.8728", "30 loss +30"),
  "5. Render a report as a job" = c("246\\.4286", "outputs/report\\.html"),
  "6. Log plots, tables and a series" = c("species group Freq", "outputs/images/petals\\.png"),
  "7. Close R and come back" = c("<Run slow_", "\\[1\\] 3\\.932409"),
  "8. Write results into a paper" = c("\\[1\\] TRUE", "\\| +2\\| 418\\.77\\| 0\\.67\\|"),
  "9. Train every night" = c("nightly_[0-9a-f_]+: Completed", "\"status\": \"Completed\"", "\"metrics\\.ozone\"|metric_ozone"),
  "10. Free disk space" = c("<Deletion: 1 run may go,", "Deleted 1 run,", "\\[1\\] 2$")
)

test_that("each task of the cookbook is known here, or is one for Docker", {
  tasks <- tasks_of(document("vignettes", "cookbook.Rmd"))
  for_docker <- vapply(tasks, function(chunks) any(grepl("docker = TRUE", vapply(chunks, `[[`, "", "options"))), NA)
  expect_identical(names(tasks)[!for_docker], names(shown))
  expect_identical(names(tasks)[for_docker], "Also: train in a container")
})

for (title in names(shown)) {
  test_that(paste("the cookbook's task can be done:", title), {
    skip_if_no_core()
    skip_if_not_installed("knitr")
    if (startsWith(title, "5.")) skip_if_not_installed("rmarkdown")
    if (startsWith(title, "5.")) skip_if(!nzchar(Sys.which("pandoc")), "no pandoc")
    tasks <- tasks_of(document("vignettes", "cookbook.Rmd"))
    # (the command `espalier` is the development environment's)
    withr::local_path(c(dirname(rscript_path()), file.path(source_top(), ".venv", "bin")))
    withr::local_dir(local_project(.here = ""))
    withr::local_options(width = 120)
    printed <- do_task(tasks[[title]])
    for (pattern in shown[[title]]) expect_match(printed, pattern, perl = TRUE)
    expect_setequal(list_runs(workspace("cookbook"))$status, "Completed")
  })
}
