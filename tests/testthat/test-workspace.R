# Workspaces: made, found, refused, and what their state on disk may do to them.

bad_names <- list(
  empty = "", long = strrep("a", 300L), dots = "..", dot = ".", slash = "a/b", newline = "a\nb", trailing = "a\n",
  quotes = "a\"b", apostrophe = "a'b", space = "a b", emoji = "\U0001F333", accent = "\u00e9", backslash = "a\\b",
  hyphen = "-a", na = NA_character_, none = NULL, two = c("a", "b"), number = 1
)

test_that("names follow one rule, and a bad one creates nothing", {
  folder <- withr::local_tempdir()
  for (name in bad_names) {
    for (verb in list(workspace, create_workspace, get_workspace)) {
      expect_error(verb(name, path = folder), class = "espalier_error_bad_name")
    }
  }
  expect_length(list.files(folder, all.files = TRUE, no.. = TRUE), 0L)
  ws <- local_workspace()
  before <- tree_of(ws$path)
  for (name in bad_names) expect_error(experiment(ws, name), class = "espalier_error_bad_name")
  expect_identical(tree_of(ws$path), before)
  for (name in c("a", "0", "A.b-c_9", strrep("x", 128L))) {
    expect_true(workspace(name, path = folder) == get_workspace(name, path = folder))
  }
  expect_error(workspace(strrep("x", 129L), path = folder), class = "espalier_error_bad_name")
})

test_that("a workspace is created once, got, listed and deleted", {
  skip_if_no_core()
  folder <- normalizePath(withr::local_tempdir())
  expect_error(get_workspace("one", path = folder), "one", class = "espalier_error_workspace_missing")
  expect_length(list.files(folder), 0L)
  said <- said_by(one <- create_workspace("one", path = folder))
  expect_match(said, file.path(folder, "one"), fixed = TRUE)
  expect_error(create_workspace("one", path = folder), class = "espalier_error_workspace_exists")
  expect_silent(again <- create_workspace("one", path = folder, exist_ok = TRUE, show_output = FALSE))
  expect_true(again == one && workspace("one", path = folder) == one)
  two <- workspace("two", path = folder)
  expect_false(one == two)
  dir.create(file.path(folder, "no-workspace"))
  listed <- list_workspaces(path = folder)
  expect_identical(names(listed), c("one", "two"))
  expect_true(listed$two == two)
  details <- get_workspace_details(one)
  expect_identical(details[c("name", "path", "experiments", "runs")],
                   list(name = "one", path = file.path(folder, "one"), experiments = 0L, runs = 0L))
  expect_match(details$id, "^[0-9a-f-]{36}$")
  expect_null(delete_workspace(one))
  expect_identical(names(list_workspaces(path = folder)), "two")
  expect_identical(list.files(folder), c("no-workspace", "two"))
  expect_length(list_workspaces(path = file.path(folder, "none")), 0L)
})

test_that("a new workspace is reported with its place, an existing one is not", {
  skip_if_no_core()
  project <- normalizePath(withr::local_tempdir())
  writeLines("Version: 1.0", file.path(project, "sales.Rproj"))
  dir.create(file.path(project, "analysis"))
  withr::local_dir(file.path(project, "analysis"))
  place <- file.path(project, ".espalier")
  expect_snapshot({
    ws <- workspace("demo")
    again <- workspace("demo")
    other <- workspace("dmeo")
    get_workspace("deom")
    suppressMessages(workspace("quiet"))
  }, error = TRUE, transform = function(lines) gsub(place, "<project>/.espalier", lines, fixed = TRUE))
  expect_identical(ws$path, file.path(place, "demo"))
  expect_message(workspace("new"), class = "espalier_message")
})

test_that("the default place is .espalier/ at the top of the project", {
  skip_if_no_core()
  project <- normalizePath(withr::local_tempdir())
  dir.create(file.path(project, ".git"))
  dir.create(file.path(project, "analysis", "deep"), recursive = TRUE)
  withr::local_dir(file.path(project, "analysis", "deep"))
  expect_identical(workspace("here")$path, file.path(project, ".espalier", "here"))
  withr::local_dir(project)
  expect_true(get_workspace("here") == workspace("here", path = ".espalier"))
})

test_that("a config file leads to the workspace, from below too, and when the project has moved", {
  skip_if_no_core()
  base <- normalizePath(withr::local_tempdir())
  project <- file.path(base, "project")
  dir.create(file.path(project, "sub"), recursive = TRUE)
  ws <- workspace("w", path = file.path(project, ".espalier"))
  withr::with_dir(project, {
    said <- said_by(written <- write_workspace_config(ws))
    expect_true(load_workspace_from_config() == ws)
  })
  expect_identical(written, file.path(project, ".espalier", "config.json"))
  expect_match(said, "config.json", fixed = TRUE)
  expect_true(load_workspace_from_config(file.path(project, "sub")) == ws)
  expect_true(load_workspace_from_config(written) == ws)
  suppressMessages(write_workspace_config(ws, path = file.path(project, "sub"), file_name = "mine.json"))
  expect_true(load_workspace_from_config(file.path(project, "sub"), "mine.json") == ws)
  file.rename(project, file.path(base, "moved"))
  expect_identical(load_workspace_from_config(file.path(base, "moved"))$path, file.path(base, "moved", ".espalier", "w"))
  expect_error(load_workspace_from_config(base), "config.json", class = "espalier_error_workspace_missing")
  writeLines("{", file.path(base, "config.json"))
  expect_error(load_workspace_from_config(base), class = "espalier_error_damaged")
  writeLines("{\"workspace_name\": \"gone\", \"path\": \"gone\"}", file.path(base, "config.json"))
  expect_error(load_workspace_from_config(base), "gone", class = "espalier_error_workspace_missing")
})

test_that("arguments of the cloud are accepted, and it is said", {
  skip_if_no_core()
  folder <- withr::local_tempdir()
  said <- said_by(create_workspace("c", subscription_id = "s", resource_group = "r", location = "eu", path = folder))
  for (arg in c("subscription_id", "resource_group", "location")) expect_match(said, arg)
  expect_match(said_by(get_workspace("c", subscription_id = "s", path = folder)), "subscription_id")
  expect_match(said_by(list_workspaces("s", path = folder)), "subscription_id. is ignored, because it matters only in a cloud")
  expect_silent(get_workspace("c", path = folder))
})

test_that("a deleted workspace is missing for every verb, and its objects still print", {
  ws <- local_workspace()
  exp <- experiment(ws, "e")
  run <- ended(submit_command(ws, "true", experiment = "e"))
  unlink(ws$path, recursive = TRUE)
  missing <- function(code) expect_error(code, class = "espalier_error_workspace_missing")
  missing(list_runs(ws))
  missing(list_runs(exp))
  missing(list_experiments(ws))
  missing(get_workspace_details(ws))
  missing(submit_experiment(exp, script_run_config(command = "true")))
  missing(start_logging_run(exp))
  missing(delete_workspace(ws))
  expect_error(get_run_status(run), class = "espalier_error_run_missing")
  expect_error(wait_for_run_completion(run), class = "espalier_error_run_missing")
  expect_output(print(ws), "not readable")
  expect_output(print(run), run$id)
  expect_false(dir.exists(ws$path))
})

test_that("a workspace of a newer version is refused as a whole", {
  ws <- local_workspace()
  record <- file.path(ws$path, "workspace.json")
  writeLines(sub("\"format\": ?1", "\"format\": 99", readLines(record)), record)
  before <- tree_of(ws$path)
  newer <- function(code) expect_error(code, class = "espalier_error_newer_format")
  newer(get_workspace("test", path = dirname(ws$path)))
  newer(workspace("test", path = dirname(ws$path)))
  newer(list_runs(ws))
  newer(submit_command(ws, "true"))
  expect_identical(tree_of(ws$path), before)
})

test_that("a workspace cannot be made where a file is", {
  skip_if_no_core()
  file <- withr::local_tempfile()
  writeLines("x", file)
  expect_error(workspace("w", path = file), file, fixed = TRUE, class = "espalier_error_workspace_read_only")
})

test_that("a workspace that takes no files is read, and refuses new runs", {
  ws <- local_workspace()
  ended(submit_command(ws, "true"))
  # (root may write to read-only folders, but nobody makes a folder where a file is)
  full <- workspace("full", path = dirname(ws$path))
  writeLines("no folder", file.path(full$path, "runs"))
  expect_error(submit_command(full, "true"), "full", class = "espalier_error_workspace_read_only")
  folders <- list.dirs(ws$path)
  Sys.chmod(folders, "0555")
  withr::defer(Sys.chmod(folders, "0755"))
  expect_identical(list_runs(ws)$status, "Completed")
  if (file.access(ws$path, 2L) != 0L) {
    expect_error(submit_command(ws, "true"), class = "espalier_error_workspace_read_only")
  }
})

test_that("a workspace with runs that have not ended is not deleted", {
  ws <- local_workspace()
  run <- submit_command(ws, c("sleep", "60"))
  expect_error(delete_workspace(ws), "haven't ended", class = "espalier_error_run_not_active")
  cancel_run(run)
  ended(run)
  delete_workspace(ws)
  expect_false(dir.exists(ws$path))
})

test_that("experiments are listed with their runs", {
  ws <- local_workspace()
  expect_identical(nrow(list_experiments(ws)), 0L)
  expect_s3_class(list_experiments(ws)$last_run_at, "POSIXct")
  for (name in c("b", "a", "b")) ended(submit_command(ws, "true", experiment = name))
  listed <- list_experiments(ws)
  expect_identical(listed$experiment, c("a", "b"))
  expect_identical(listed$runs, 1:2)
  expect_true(all(abs(difftime(Sys.time(), listed$last_run_at, units = "mins")) < 5))
})

test_that("objects of other classes are refused", {
  ws <- local_workspace()
  for (code in expression(experiment("w", "e"), list_experiments(NULL), write_workspace_config(1), delete_workspace(list()),
                          get_workspace_details("w"), list_runs("w"), get_run(ws, 1), get_run("w", "latest"),
                          submit_experiment(ws, 1), get_run_status(ws), cancel_run("id"), get_runs_in_experiment(ws))) {
    expect_error(eval(code), class = "espalier_error_bad_argument")
  }
})

test_that("paths are absolute and without the dots that R users write", {
  folder <- normalizePath(withr::local_tempdir())
  withr::local_dir(folder)
  expect_identical(absolute_path("."), folder)
  expect_identical(absolute_path("./"), paste0(folder, "/"))
  expect_identical(absolute_path("./a/./b/."), file.path(folder, "a/b"))
  expect_identical(absolute_path("../.hidden/.a"), file.path(folder, "../.hidden/.a"))
  expect_identical(absolute_path("/a/././b."), "/a/b.")
  expect_identical(absolute_path("/."), "/")
  expect_identical(estimator(".", entry_script = "train.R")$source_directory, folder)
})

test_that("a workspace without damage says so", {
  ws <- local_workspace()
  expect_output(print(verify_workspace(ws)), "<Damage: none>", fixed = TRUE)
  expect_s3_class(verify_workspace(ws), "data.frame")
})
