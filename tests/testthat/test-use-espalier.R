# Setting a project up: once, twice, over what is there; and the template works.

test_that("a project is set up, and a second time nothing changes", {
  skip_if_no_core()
  local_utf8()
  project <- file.path(normalizePath(withr::local_tempdir()), "my project \u00e9")
  dir.create(project)
  said <- said_by(ws <- use_espalier(project))
  expect_identical(list.files(project, all.files = TRUE, no.. = TRUE), c(".espalier", ".espalierignore", ".gitignore", "train.R"))
  expect_identical(ws$name, "my-project-")
  expect_match(said, "train.R", fixed = TRUE)
  expect_identical(readLines(file.path(project, ".gitignore")), ".espalier/")
  expect_true(load_workspace_from_config(project) == ws)
  before <- tree_of(project)
  contents <- lapply(file.path(project, before$name), function(f) if (!dir.exists(f)) readLines(f))
  expect_silent(again <- use_espalier(project))
  expect_true(again == ws)
  expect_identical(tree_of(project), before)
  expect_identical(lapply(file.path(project, before$name), function(f) if (!dir.exists(f)) readLines(f)), contents)
})

test_that("a named workspace stays the project's", {
  skip_if_no_core()
  project <- local_project("a.txt" = "x")
  suppressMessages(ws <- use_espalier(project, name = "mine"))
  expect_identical(ws$name, "mine")
  expect_true(use_espalier(project) == ws)
  expect_identical(names(list_workspaces(path = file.path(project, ".espalier"))), "mine")
  expect_error(use_espalier(project, name = "a b"), class = "espalier_error_bad_name")
  expect_error(use_espalier("/no/such/folder"), "/no/such/folder", class = "espalier_error_bad_argument")
})

test_that("nothing that exists is overwritten, lines are added once", {
  skip_if_no_core()
  project <- local_project(train.R = "mine", DESCRIPTION = "Package: x", .espalierignore = "my-rule")
  cat("*.log\r\nlast", file = file.path(project, ".gitignore"))
  cat("^\\.espalierignore$\n", file = file.path(project, ".Rbuildignore"))
  suppressMessages(use_espalier(project))
  suppressMessages(use_espalier(project))
  expect_identical(readLines(file.path(project, "train.R")), "mine")
  expect_identical(readLines(file.path(project, ".espalierignore")), "my-rule")
  expect_identical(readChar(file.path(project, ".gitignore"), 1000), "*.log\r\nlast\n.espalier/\n")
  expect_identical(readLines(file.path(project, ".Rbuildignore")),
                   c("^\\.espalierignore$", "^\\.espalier$", "^train\\.R$"))
})

test_that("rules that held before go on to hold", {
  ws <- local_workspace()
  git <- local_project(.gitignore = c("secret.txt", "/big/"), secret.txt = "x", "big/data.bin" = "x", kept.txt = "x")
  suppressMessages(use_espalier(git))
  azure <- local_project(.amlignore = "secret.txt", secret.txt = "x", kept.txt = "x")
  suppressMessages(use_espalier(azure))
  for (project in c(git, azure)) {
    run <- ended(suppressWarnings(submit_experiment(experiment(ws, "e"), script_run_config(project, command = "ls -A"))))
    expect_true("kept.txt" %in% log_of(run))
    expect_false(any(c("secret.txt", "big", ".espalier") %in% log_of(run)))
  }
})

test_that("what scripts use is never left out: the next submit works", {
  ws <- local_workspace()
  train <- c('source("R/helpers.R")', "stopifnot(nrow(read_data()) == 2)")
  helpers <- 'read_data <- function() read.csv("data/train.csv")'
  for (rules in list(character(), "/data/", c("*.csv", "secret.txt"))) {
    project <- local_project(train.R = train, "R/helpers.R" = helpers, "data/train.csv" = c("x", "1", "2"),
                             secret.txt = "x", .gitignore = rules)
    writeBin(raw(11 * 2^20), file.path(project, "old.bin"))
    said <- said_by(use_espalier(project))
    expect_match(said, "No script names old.bin \\(11 MB\\)")
    if (length(rules)) expect_match(said, "R/helpers.R uses data/train.csv (0 kB), which .gitignore:1 leaves out.", fixed = TRUE)
    expect_silent(run <- submit_experiment(experiment(ws, "e"), estimator(project, entry_script = "train.R")))
    ended(run)
    expect_identical(get_run_status(run), "Completed")
    kept <- preview_snapshot(project)
    expect_identical(kept$included[kept$path == "secret.txt"], !"secret.txt" %in% rules)
    expect_true(kept$included[kept$path == "old.bin"])
    lines <- readLines(file.path(project, ".espalierignore"))
    writeLines(sub("^#/old", "/old", lines), file.path(project, ".espalierignore"))
    expect_false(with(preview_snapshot(project), included[path == "old.bin"]))
  }
})

test_that("the template runs as a job, and by hand", {
  skip_if_no_core()
  project <- file.path(normalizePath(withr::local_tempdir()), "template")
  dir.create(project)
  suppressMessages(ws <- use_espalier(project))
  run <- submit_experiment(experiment(ws, "first"), estimator(project, entry_script = "train.R", script_params = list(span = 0.5)))
  ended(run)
  expect_identical(get_run_status(run), "Completed")
  expect_true(get_run_metrics(run)$rmse > 5)
  expect_true(all(c("outputs/model.rds", "outputs/plots/plot-001.png") %in% get_run_file_names(run)))
  expect_identical(list_runs(ws)$param_span, 0.5)
  withr::local_dir(project)
  skip_if_not_installed("processx")
  hand <- processx::run(rscript_path(), c("train.R", "--span", "0.5"), stderr_to_stdout = TRUE,
                        env = c("current", R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep)))
  expect_match(hand$stdout, "recorded nowhere")
  expect_match(hand$stdout, log_of(run), fixed = TRUE)
})
