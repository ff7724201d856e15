test_that("what the machine gives to runs is a data frame, and can be set", {
  skip_if_no_core()
  before <- get_host_resources()
  withr::defer(set_host_resources(cpus = before$total[[1]], gpus = character(), memory = before$total[[3]]))
  expect_named(before, c("resource", "total", "free", "ids"))
  expect_output(print(before), "memory +[0-9.]+ [kMGT]B")
  expect_identical(before$resource, c("cpus", "gpus", "memory"))
  expect_invisible(set_host_resources(cpus = 3))
  now <- set_host_resources(gpus = c(0, 1), memory = "1 GB")
  expect_identical(now$total, c(3, 2, 2^30))
  expect_identical(now$ids[[2]], "0 1")
  expect_identical(as.numeric(get_host_resources()$total[[1L]]), 3)
  expect_error(set_host_resources(cpus = 0), class = "espalier_error_bad_argument")
  expect_error(set_host_resources(memory = "much"), class = "espalier_error_bad_argument")
})

test_that("more than there is is refused at submit", {
  ws <- local_workspace()
  total <- get_host_resources()$total[[1]]
  expect_error(
    submit_experiment(experiment(ws, "exp"), script_run_config(command = "true", cpus = total + 1)),
    "set_host_resources", class = "espalier_error_not_enough_resources"
  )
})

test_that("the keeper says what it does", {
  skip_if_no_core()
  status <- get_keeper_status()
  expect_named(status, c("running", "how", "command"), ignore.order = TRUE)
  expect_type(status$running, "logical")
})
