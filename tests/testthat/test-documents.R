# R Markdown documents as entry scripts: rendered with their parameters, logged from, and their errors named.

report <- c(
  "---", "title: A report", "output: html_document", "params:", "  alpha: 0.5", "  layers: [1, 2]", "  label: none",
  "  women: none", "---", "", "It's `r params$alpha`.", "",
  "```{r setup}", "espalier::log_metric_to_run('alpha', params$alpha)",
  "stopifnot(identical(params$layers, c(3L, 4L)), nrow(read.csv(params$women)) == 1)",
  "saveRDS(params, 'outputs/params.rds')", "```", "",
  "```{r fails, eval = params$label == 'fail'}", "stop('the model is gone')", "```", "",
  "```{r plots}", "plot(cars)", "try(stop('caught'), silent = TRUE)", "```"
)

skip_if_no_documents <- function() {
  skip_if_no_core()
  skip_if_not_installed("rmarkdown")
  skip_if(!nzchar(Sys.which("pandoc")), "no pandoc")
}

test_that("a document is rendered with parameters and inputs, and what it logs is recorded", {
  skip_if_no_documents()
  ws <- local_workspace()
  project <- local_project(report.Rmd = report, women.csv = c("x", "1"))
  submit <- function(...) {
    submit_experiment(experiment(ws, "e"), estimator(project, entry_script = "report.Rmd", script_params = list(layers = 3:4, ...),
                                                     inputs = list(women = file.path(project, "women.csv"))))
  }
  runs <- list(submit(alpha = 0.25), submit(label = "fail"), submit(nothing = 1))
  lapply(runs, ended)
  expect_identical(vapply(runs, get_run_status, ""), c("Completed", "Failed", "Failed"))
  expect_true(all(c("outputs/report.html", "outputs/params.rds") %in% get_run_file_names(runs[[1]])))
  expect_identical(get_run_metrics(runs[[1]])$alpha, 0.25)
  expect_snapshot(wait_for_run_completion(runs[[2]], show_output = FALSE), error = TRUE, transform = function(lines) {
    sub("whole log: .*", "whole log: <...>", sub("Run \\S+ failed", "Run <...> failed", lines))
  })
  expect_match(get_run_details(runs[[3]])$error$message, "render params not declared in YAML: nothing")
})

test_that("an error of a document names the file that could not be opened, and a near one", {
  skip_if_no_documents()
  ws <- local_workspace()
  project <- local_project(report.Rmd = c("```{r}", "readRDS('model.rds')", "```"), models.rds = "x")
  run <- ended(submit_experiment(experiment(ws, "e"), estimator(project, entry_script = "report.Rmd")))
  expect_match(cause_of(run)$message, "failed: cannot open the connection: .*'model.rds'")
  expect_identical(cause_of(run)$hint, "Did you mean \"models.rds\"?")
})

test_that("a document in a folder works there, and may read its parameters by job_params()", {
  skip_if_no_documents()
  ws <- local_workspace()
  project <- local_project(
    "docs/part.rmd" = c("```{r}", "p <- espalier::job_params(n = 1L)", "stopifnot(p$n == 5, file.exists('beside.txt'))", "```"),
    "docs/beside.txt" = "x"
  )
  run <- submit_experiment(experiment(ws, "e"), estimator(project, entry_script = "docs/part.rmd", script_params = list(n = 5L)))
  ended(run)
  expect_identical(get_run_status(run), "Completed")
  expect_true("outputs/part.html" %in% get_run_file_names(run))
})

test_that("what nothing can execute, or what lacks its tool, is refused at submit", {
  skip_if_no_core()
  local_utf8()
  ws <- local_workspace()
  project <- local_project(notes.txt = "x", tool = "#!/bin/sh", report.qmd = "x", nb.ipynb = "{}")
  local_python <- file.path(project, "no-jupyter")
  writeLines(c("#!/bin/sh", "exit 1"), local_python)
  Sys.chmod(local_python, "755")
  withr::local_envvar(PATH = "/nowhere", QUARTO_PATH = NA, RETICULATE_PYTHON = local_python)
  submit <- function(script) submit_experiment(experiment(ws, "e"), estimator(project, entry_script = script))
  expect_snapshot(for (script in c("notes.txt", "tool", "report.qmd", "nb.ipynb")) tryCatch(submit(script), error = function(e) {
    cat(class(e)[1], conditionMessage(e), "", sep = "\n")
  }), transform = function(lines) gsub(project, "<project>", lines, fixed = TRUE))
  expect_identical(nrow(list_runs(ws)), 0L)
})

test_that("where the link to the core is a plain file, the folder itself is staged", {
  top <- source_top()
  skip_if(is.null(top))
  folder <- withr::local_tempdir()
  dir.create(file.path(folder, "tools"))
  dir.create(file.path(folder, "python-core"))
  writeLines("../python-core", file.path(folder, "tools", "python-core"))
  # (only the function: the file itself stages)
  code <- parse(file.path(top, "tools", "stage_core.R"))
  choose <- Filter(function(line) identical(line[[2L]], quote(core_source)), as.list(code)[1:2])[[1L]]
  eval(choose)
  withr::with_dir(folder, expect_identical(core_source(), "python-core"))
  unlink(file.path(folder, "tools", "python-core"))
  dir.create(file.path(folder, "tools", "python-core"))
  withr::with_dir(folder, expect_identical(core_source(), file.path("tools", "python-core")))
})
