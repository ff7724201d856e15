# What a run used: sampled, in all, in lists, and drawn.

test_that("samples, totals and the columns of lists agree", {
  ws <- local_workspace()
  run <- ended(submit_lines(ws, c("x <- numeric(2e7)", "until <- Sys.time() + 2.3", "while (Sys.time() < until) x[1] <- 1")))
  used <- get_run_usage(run)
  expect_s3_class(used, c("espalier_usage", "data.frame"), exact = TRUE)
  expect_identical(names(used), c("time", "seconds", "cores", "cpu_seconds", "memory_bytes", "processes", "read_bytes", "written_bytes"))
  expect_gte(nrow(used), 1L)
  expect_s3_class(used$time, "POSIXct")
  # (on a busy machine R may not have got far at the first sample)
  expect_gt(max(used$memory_bytes), 1.6e8)
  expect_true(all(used$cores >= 0) && max(used$cores) > 0)
  total <- get_run_details(run)$usage
  expect_gte(total$cpu_seconds, max(used$cpu_seconds) - 0.02)
  expect_gte(total$max_memory_bytes, max(used$memory_bytes))
  listed <- list_runs(ws)
  expect_equal(listed$cpu_seconds, total$cpu_seconds)
  expect_equal(listed$max_memory_bytes, total$max_memory_bytes)
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_identical(plot(used), used)
  # the last sample of a job that is ending has no memory, and isn't drawn
  ending <- rbind(used, replace(used[nrow(used), ], c("memory_bytes", "seconds"), list(0, 1e6)))
  plot(ending)
  expect_lt(graphics::par("usr")[2L], 1e5)
})

test_that("a job that was over at once has totals and no samples", {
  ws <- local_workspace()
  run <- ended(submit_command(ws, "true"))
  used <- get_run_usage(run)
  expect_identical(nrow(used), 0L)
  expect_error(plot(used), "no samples", class = "espalier_error_bad_argument")
  expect_true(get_run_details(run)$usage$cpu_seconds >= 0)
})
