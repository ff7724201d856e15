# Filters of list_runs(): expressions of R as text of the core's filter language.

translated <- function(expression, env = parent.frame()) filter_text(substitute(expression), env)
sorted_by <- function(expression, env = parent.frame()) order_text(substitute(expression), env)

test_that("operators, columns and values are translated", {
  limit <- 0.85
  stages <- c("prod", "it's")
  cases <- list(
    list(translated(metrics.AUC > 0.85), "metrics.`AUC` > 0.84999999999999998"),
    list(translated(metrics.AUC > limit & tags.stage == "prod"), "(metrics.`AUC` > 0.84999999999999998 AND tags.`stage` = 'prod')"),
    list(translated(metric_AUC >= 1L || !(status == "Failed")), "(`metric_AUC` >= 1 OR NOT ((`status` = 'Failed')))"),
    list(translated(2 < metrics$loss), "metrics.`loss` > 2"),
    list(translated(tags[["my key"]] != "a`b"), "tags.`my key` != 'a`b'"),
    list(translated(`metrics.my key` <= -Inf), "metrics.`my key` <= -1e999"),
    list(translated(tags.stage %in% stages), "(tags.`stage` IN ('prod', 'it''s'))"),
    list(translated(param_lr %in% c(0.5, NA)), "(`param_lr` IN (0.5) OR `param_lr` IS NULL)"),
    list(translated(run_id %in% character()), "run_id IS NULL"),
    list(translated(is.na(metrics.loss)), "metrics.`loss` IS NULL"),
    list(translated(grepl("50%_\\", tags.note, fixed = TRUE)), "tags.`note` LIKE '%50\\%\\_\\\\%'"),
    list(translated(grepl("plain", tags.note, ignore.case = TRUE)), "tags.`note` ILIKE '%plain%'"),
    list(translated(startsWith(entry_script, "train")), "`entry_script` LIKE 'train%'"),
    list(translated(endsWith(entry_script, ".R")), "`entry_script` LIKE '%.R'"),
    list(translated(created_at > "7 days"), "`created_at` > '7 days'"),
    list(translated(created_at > as.POSIXct(86400.5, origin = "1970-01-01")), "`created_at` > 86400.5"),
    list(translated(created_at > as.Date("2026-03-01")), "`created_at` > '2026-03-01'"),
    list(translated(metrics.ok), "metrics.`ok` = true"),
    list(translated(!metrics.ok & metrics.ok == FALSE), "(NOT (metrics.`ok` = true) AND metrics.`ok` = false)"),
    list(translated(status == factor("Failed")), "`status` = 'Failed'"),
    list(translated(AUC > 1), "`AUC` > 1"),
    list(translated(1 < AUC), "`AUC` > 1"),
    list(translated(min(metrics.loss) < 0.5), "min(metrics.`loss`) < 0.5"),
    list(translated(0.5 > max(metrics[["a b"]])), "max(metrics.`a b`) < 0.5"),
    list(translated(first(metric_loss) %in% c(1, 2)), "(first(`metric_loss`) IN (1, 2))"),
    list(translated(is.na(last(metrics.loss))), "last(metrics.`loss`) IS NULL"),
    list(translated(`min(metric_loss)` > min(3, 4)), "min(`metric_loss`) > 3"),
    list(translated(metrics.a > 1 & metrics.b > 2 & (metrics.c > 3 | metrics.d > 4 | metrics.e > 5) & metrics.f > 6),
         "(metrics.`a` > 1 AND metrics.`b` > 2 AND ((metrics.`c` > 3 OR metrics.`d` > 4 OR metrics.`e` > 5)) AND metrics.`f` > 6)"),
    list(translated((metrics.a > 1 & metrics.b > 2) & (metrics.c > 3 && metrics.d > 4)),
         "(metrics.`a` > 1 AND metrics.`b` > 2 AND metrics.`c` > 3 AND metrics.`d` > 4)"),
    list(translated("metrics.AUC > 0.8"), "metrics.AUC > 0.8"),
    list(translated(NULL), NULL)
  )
  for (case in cases) expect_identical(case[[1]], case[[2]])
})

test_that("what variables hold is a value, never code", {
  evil <- "x' OR 1=1 --"
  expect_identical(translated(tags.stage == evil), "tags.`stage` = 'x'' OR 1=1 --'")
  call <- quote(system("touch /tmp/never"))
  expect_error(translated(tags.stage == call), class = "espalier_error_bad_filter")
  text <- "metrics.AUC > 0.8"
  expect_identical(translated(text), text)
  expect_identical(translated(paste0("metrics.AUC > ", 0.8)), text)
  expect_identical(do.call(translated, list(quote(metrics.AUC > 0.8))), "metrics.`AUC` > 0.80000000000000004")
  status <- "Failed"
  expect_identical(translated(paste0("status = '", status, "'")), "status = 'Failed'")
  expect_identical(translated(status == status), "`status` = 'Failed'")
})

test_that("what cannot be translated is an error that shows the piece", {
  local_reproducible_output()
  expect_snapshot(error = TRUE, {
    translated(metrics.AUC + 1 > 2)
    translated(metrics.AUC > c(1, 2))
    translated(metrics.AUC > NA)
    translated(metrics.AUC > nowhere)
    translated(metrics.AUC > metrics.loss)
    translated(grepl("^a.*b$", tags.note))
    translated(tags.a == list(1))
    translated(xor(metrics.a > 1, metrics.b > 1) & metrics.c > 1)
    translated(xor(metrics.a > 1, metrics.b > 1))
    translated(max(metrics.auc))
    translated(dplyr::between(metrics.auc, .7, .8))
    translated(metrics.auc > 1 & between(metrics.auc, .7, .8))
    translated(sqrt(metrics.auc))
    translated(startsWith("prod", tags.stage))
    translated(endsWith(suffix = tags.stage, "prod"))
    translated(startsWith(tags.stage, nowhere))
    translated(grepl(nowhere, tags.stage))
    translated("prod" %in% tags.stage)
    translated(tags.stage == NULL)
    translated(nowhere)
    translated(paste("metrics.auc >", nowhere))
    translated(quote(metrics.auc > 0.8))
    translated(5)
    sorted_by(5)
    sorted_by(-metric_auc)
    sorted_by(c("status", nowhere$auc))
  })
  expect_error(translated(tags.a == iris), class = "espalier_error_bad_filter")
})

test_that("sorting", {
  expect_null(sorted_by(NULL))
  expect_identical(sorted_by(c("-metrics.AUC", "metric_my key", "status", "created_at DESC", "nothing", "-tags.`a b`")),
                   list("-metrics.`AUC`", "`metric_my key`", "`status`", "created_at DESC", "nothing", "-tags.`a b`"))
  expect_identical(sorted_by(c("-max(metrics.AUC)", "min(metric_my key)", "max(nothing)", "first(metrics.a) DESC")),
                   list("-max(metrics.`AUC`)", "min(`metric_my key`)", "max(nothing)", "first(metrics.a) DESC"))
})

test_that("hundreds of conditions can be joined", {
  ws <- local_workspace()
  run <- start_logging_run(experiment(ws, "e"))
  log_metric_to_run("AUC", 0.5)
  complete_run(run)
  joined <- function(sign, condition) Reduce(function(a, b) call(sign, a, b), rep(list(condition), 400))
  expect_identical(nrow(do.call(list_runs, list(ws, joined("&", quote(metrics.AUC > 0.4))))), 1L)
  expect_identical(nrow(do.call(list_runs, list(ws, joined("|", quote(metrics.AUC > 0.6))))), 0L)
})

test_that("runs are filtered, sorted and counted", {
  ws <- local_workspace()
  exp <- experiment(ws, "e")
  for (value in c(0.7, 0.9, 0.8)) {
    run <- start_logging_run(exp)
    log_metric_to_run("AUC", value)
    complete_run(run)
    set_run_tags(run, list(stage = if (value > 0.75) "prod" else "dev"))
  }
  limit <- 0.75
  best <- list_runs(ws, metrics.AUC > limit & tags.stage == "prod", sort = "-metrics.AUC", n = 10)
  expect_identical(best$metric_AUC, c(0.9, 0.8))
  expect_identical(list_runs(exp, metric_AUC > limit, sort = "metric_AUC", n = 1)$metric_AUC, 0.8)
  expect_identical(list_runs(exp, "metrics.AUC > 0.75 and tags.stage like 'p%'")$metric_AUC, c(0.8, 0.9))
  expect_identical(list_runs(ws, created_at >= best$created_at[[2]])$run_id, best$run_id[[2]])
  expect_identical(nrow(list_runs(ws, created_at > "1 hour" & status %in% c("Completed", "Failed"))), 3L)
  expect_identical(nrow(list_runs(ws, TRUE)), 3L)
  expect_identical(nrow(list_runs(ws, include_children = TRUE, n = 2)), 2L)
  expect_s3_class(list_runs(ws, n = 0), "espalier_run_table")
  none <- list_runs(ws, metrics.AUC > 2)
  expect_identical(nrow(none), 0L)
  expect_output(print(none), "^No run matches\\.$")
  expect_output(print(list_runs(exp, n = 0)), "^No run is listed, because `n` is 0\\.$")
  expect_output(print(list_runs(exp, metrics.AUC > 2, n = 0)), "`n` is 0")
  expect_identical(none$metric_AUC, numeric())
  expect_identical(list_runs(ws, metrics.AUC > 2, sort = "tag_stage")[c("run_id", "tag_stage")]$tag_stage, character())
  expect_error(list_runs(ws, metrics.AUC > "high"), "metrics.AUC are numbers", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, stage == "prod"), "Did you mean `tags.stage`", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, sort = "-AUC"), "Did you mean `metrics.AUC`", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, sort = "-metrics.other"), "Runs have metrics.AUC", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, tags.owner == "x"), "Runs have tags.stage", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, "metrics.AUC > 1 & tags.stage = 'prod'"), "Write `and`", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, metrics.auc > 1), "metrics.AUC", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, statsu == "Failed"), "Did you mean `status`", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, status == "Completd"), "Did you mean 'Completed'", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, "metrics.AUC > 'a"), "never closed", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, sort = "-metrics.auc"), "metrics.AUC", class = "espalier_error_bad_filter")
  expect_error(list_runs(ws, n = -1), class = "espalier_error_bad_argument")
})

test_that("verify_workspace() finds damage, and lists show it from then on", {
  ws <- local_workspace()
  run <- start_logging_run(experiment(ws, "e"))
  log_metric_to_run("AUC", 1)
  complete_run(run)
  expect_identical(nrow(verify_workspace(ws)), 0L)
  record <- file.path(run$run_dir, "status.json")
  whole <- readLines(record)
  cat("{", file = record)
  damage <- verify_workspace(ws)
  expect_identical(names(damage), c("run_id", "file", "problem"))
  expect_identical(damage$run_id, run$id)
  expect_identical(damage$file, record)
  expect_identical(list_runs(ws)$status, "Damaged")
  writeLines(whole, record)
  expect_identical(list_runs(ws)$status, "Completed")
})

test_that("one `=` is no comparison, a value needs no columns, and archived_at is one", {
  ws <- local_workspace()
  exp <- experiment(ws, "e")
  run <- start_logging_run(exp)
  log_metric_to_run("AUC", 0.5)
  complete_run(run)
  expect_error(list_runs(exp, params.lr = 0.3), "params.lr == 0.3", class = "espalier_error_bad_filter")
  expect_error(list_runs(exp, limit = 3), "list_runs() has no argument `limit`", fixed = TRUE, class = "espalier_error_bad_argument")
  error <- expect_error(list_runs(exp, metrics.AUC > max(metrics.AUC) - 0.01), class = "espalier_error_bad_filter")
  expect_match(conditionMessage(error), "max(list_runs(ws)[[\"metric_AUC\"]], na.rm = TRUE)", fixed = TRUE)
  archive_run(run)
  expect_identical(list_runs(exp, !is.na(archived_at), include_archived = TRUE)$run_id, run$id)
  expect_identical(list_runs(exp, archived_at > Sys.time() - 3600, include_archived = TRUE)$run_id, run$id)
  expect_output(print(list_runs(exp, metrics.AUC > 0)), "Only archived runs match")
})
