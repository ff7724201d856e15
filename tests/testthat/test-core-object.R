tree <- function(id = "e_1_deadbeef") Run$new(identity = c(workspace = "/nowhere/at/all", id = id))

test_that("an object holds strings only, and compares by class, workspace and id", {
  run <- tree()
  expect_identical(identity_of(run), c(id = "e_1_deadbeef", workspace = "/nowhere/at/all"))
  expect_true(run == Run$new(identity = c(id = "e_1_deadbeef", workspace = "/nowhere/at/all")))
  expect_false(run != tree())
  expect_false(run == tree("e_2_deadbeef"))
  expect_false(run == Experiment$new(identity = c(workspace = "/nowhere/at/all", id = "e_1_deadbeef")))
  expect_false(run == "e_1_deadbeef")
  expect_true("e_1_deadbeef" != run)
  expect_error(run < run, class = "espalier_error_bad_argument")
  expect_true(all.equal(run, tree()))
  expect_error(run$clone, "Can't find `clone` in a <Run> object", class = "espalier_error_bad_argument")
  expect_error(run$staus, "Did you mean `status`?", fixed = TRUE)
  expect_error(run$metrics, "Use get_run_metrics().", fixed = TRUE)
  expect_identical(run$run_id, run$id)
  expect_true(all(c("run_id", "status") %in% names(run)))
})

test_that("it is made by verbs, not by hand", {
  expect_error(Run$new(identity = NULL), class = "espalier_error_bad_argument")
  expect_error(Run$new(identity = c("a", "b")), class = "espalier_error_bad_argument")
})

test_that("it survives saveRDS, also in another session, without its workspace", {
  path <- withr::local_tempfile(fileext = ".rds")
  saveRDS(tree(), path)
  back <- readRDS(path)
  expect_true(back == tree())
  expect_output(print(back), "e_1_deadbeef")
  expect_identical(back$.__enclos_env__$private$identity, identity_of(tree()))
  # methods are bound to the namespace by name, so the installed code runs
  expect_identical(environmentName(topenv(environment(back$get_status))), "espalier")
})

test_that("printing works where the core cannot, and says what is wrong", {
  local_facts <- function(x) espalier_abort("run_missing", "There is no such run.", "Look elsewhere.")
  shown <- object_print
  environment(shown) <- list2env(list(object_facts = local_facts), parent = environment(shown))
  expect_output(shown(tree()), "<Run e_1_deadbeef>.*not readable: +There is no such run.*workspace: +/nowhere/at/all")
  expect_identical(tree()$format(), "<Run e_1_deadbeef>")
})

test_that("fields are only read, and the error names the field", {
  run <- tree()
  expect_error(run$id <- "other", "Can't set `id` of a <Run>", class = "espalier_error_bad_argument")
})

test_that("$ completes with methods and fields, and nothing internal", {
  names <- utils::.DollarNames(tree(), "")
  expect_true(all(c("get_status", "id", "run_dir") %in% names))
  expect_false(any(grepl("^\\.|initialize|^print$", names)))
  expect_true(all(startsWith(utils::.DollarNames(tree(), "^get_"), "get_")))
})

test_that("objects cross to the core as their identity", {
  skip_if_no_core()
  ws <- workspace("demo", path = withr::local_tempdir())
  trees <- Experiment$new(identity = c(workspace = ws$path, name = "trees"))
  expect_s3_class(trees$workspace, "Workspace")
  expect_true(trees$workspace == ws)
  expect_identical(arg_object("Workspace")(ws, "x"), list(path = ws$path))
  expect_error(arg_object("Workspace")(trees, "x"), "must be a <Workspace> object", fixed = TRUE)
})

test_that("a property that isn't a field can't be set either", {
  run <- start_logging_run(experiment(local_workspace(), "tags"))
  read_only <- function(code) expect_error(code, "it is read-only", class = "espalier_error_bad_argument")
  read_only(run$tags <- list(a = "b"))
  read_only(run[["status"]] <- "Completed")
  read_only(run$id <- "x")
  expect_length(run$tags, 0L)
  complete_run(run)
})
