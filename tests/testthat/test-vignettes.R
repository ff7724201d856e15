# The vignettes show what they tell. In CI `make cran` looks at those that R CMD build has made (tools/test.R).

# A vignette's HTML as text: as R CMD build made it, where that made what is installed, else as it is rendered now.
html_of <- function(name) {
  built <- system.file("doc", paste0(name, ".html"), package = "espalier")
  is_built <- !is.null(utils::packageDescription("espalier")$Packaged)
  if (is_built && nzchar(built)) paste(text_of(built), collapse = "\n") else rendered(name)
}

# Rendered in a process of its own, with everything temporary
rendered <- function(name, prelude = character()) {
  path <- normalizePath(document("vignettes", paste0(name, ".Rmd")))
  skip_if_not_installed("rmarkdown")
  skip_if(!rmarkdown::pandoc_available("1.12.3"), "no pandoc")
  out <- withr::local_tempdir(.local_envir = parent.frame())
  code <- c(prelude, sprintf(
    "rmarkdown::render(%s, output_dir = %s, intermediates_dir = %s, quiet = TRUE)",
    deparse(path), deparse(out), deparse(file.path(out, "between"))
  ))
  result <- run_script(code, out)
  expect_equal(result$status, 0L, info = result$printed)
  paste(text_of(file.path(out, paste0(name, ".html"))), collapse = "\n")
}

# Pictures drawn or included by chunks
pictures <- function(html) lengths(regmatches(html, gregexpr("<img[^>]*src=\"data:image/png", html)))

test_that("the vignette 'Train your first model' renders, with its run, metrics and plots", {
  skip_if_no_core()
  skip_if_not_installed("MASS")
  html <- html_of("first-model")
  expect_no_match(html, "was not run when this page was made", fixed = TRUE)
  expect_match(html, "Completed", fixed = TRUE)
  expect_match(html, "Test AUC 0.866", fixed = TRUE)
  expect_match(html, "outputs/model.rds", fixed = TRUE)
  expect_match(html, "nothing is run", fixed = TRUE)
  expect_equal(pictures(html), 2L)
  # one error, on purpose
  expect_equal(lengths(regmatches(html, gregexpr("## Error|#&gt; Error", html))), 1L)
})

test_that("the vignette 'How a run works' renders, and shows what it tells", {
  skip_if_no_core()
  html <- html_of("how-a-run-works")
  expect_no_match(html, "was not run when this page was made", fixed = TRUE)
  expect_match(html, "left out of the snapshot", fixed = TRUE)
  expect_match(html, "as it was at submit", fixed = TRUE)
  expect_match(html, "LEVEL: high", fixed = TRUE)
  expect_match(html, "Queued", fixed = TRUE)
  expect_match(html, "status.json", fixed = TRUE)
  expect_no_match(html, "this session only\\s*\n#&gt;")
  # three errors, on purpose
  expect_equal(lengths(regmatches(html, gregexpr("## Error|#&gt; Error", html))), 3L)
})

# What each of these shows, and how many errors it shows on purpose, in a log too
shown <- list(
  azuremlsdk = list(errors = 1L, c("1.165202", "find the compute target", "Of the 163 verbs")),
  "failed-runs" = list(errors = 2L, c("not enough finite observations", "helpers.R:2", "outputs/3.rds", "cars) &gt; 2")),
  "disk-use" = list(errors = 0L, c("&lt;Deletion: 4 runs may go", "in the paper", "&lt;Garbage: none", "Deleted 3 runs")),
  "many-settings" = list(errors = 0L, c("6 of 6 runs have ended (6 Completed)", "14.79836", "are returned"))
)

for (name in names(shown)) {
  test_that(sprintf("the vignette '%s' renders, and shows what it tells", name), {
    skip_if_no_core()
    html <- html_of(name)
    expect_no_match(html, "was not run when this page was made", fixed = TRUE)
    for (text in shown[[name]][[2L]]) expect_true(grepl(text, html, fixed = TRUE), info = text)
    expect_equal(lengths(regmatches(html, gregexpr("#&gt; Error", html))), shown[[name]]$errors)
  })
}

test_that("without a ready Python the vignettes render with a note", {
  for (name in c("first-model", "how-a-run-works")) {
    html <- rendered(name, "Sys.setenv(RETICULATE_PYTHON = '/nowhere/python')")
    expect_match(html, "was not run when this page was made", fixed = TRUE)
    expect_no_match(html, "#&gt; Error", fixed = TRUE)
  }
})
