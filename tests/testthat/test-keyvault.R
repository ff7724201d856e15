# Secrets from R: kept, read, attached to jobs, and never shown.

local_vault <- function(env = parent.frame()) local_workspace(env = env)

token <- "canary-token/5f1e +\u00e9"

test_that("secrets are set, read, listed and deleted", {
  keyvault <- get_default_keyvault(local_vault())
  expect_s3_class(keyvault, "Keyvault")
  expect_identical(list_secrets(keyvault), character())
  expect_null(set_secrets(keyvault, list(b = token, a = "two\nlines")))
  set_secrets(keyvault, c(c = "third"))
  expect_identical(list_secrets(keyvault), c("a", "b", "c"))
  found <- get_secrets(keyvault, c("b", "none", "a"))
  expect_identical(names(found), c("b", "none", "a"))
  expect_null(found$none)
  expect_identical(as.character(found$b), token)
  expect_identical(paste0("Bearer ", found$b), paste0("Bearer ", token))
  expect_true(found$a == "two\nlines")
  set_secrets(keyvault, list(a = found$b))
  expect_identical(as.character(get_secrets(keyvault, "a")$a), token)
  expect_identical(delete_secrets(keyvault, c("a", "none")), "a")
  expect_identical(list_secrets(keyvault), c("b", "c"))
  expect_identical(get_secrets(keyvault, character()), setNames(list(), character()))
})

test_that("a value does not show itself", {
  value <- new_secret(token)
  shown <- c(
    capture.output(print(value), value, print(list(token = value)), str(value), str(list(a = value)), value[1], value[[1]], c(a = value, "x")),
    format(value), toString(value), capture.output(print(data.frame(a = value)))
  )
  expect_false(any(grepl("canary", shown)))
  expect_match(shown, "<secret>", all = FALSE)
})

test_that("what is refused is not shown", {
  keyvault <- get_default_keyvault(local_vault())
  cases <- list(
    list(a = "abc"), list(a = c(token, token)), list(a = 12345), list(a = NA_character_), list(token), list(a = token, a = token),
    stats::setNames(list(token), "a b"), list(a = list(token)), 17
  )
  for (case in cases) {
    failed <- tryCatch(set_secrets(keyvault, case), espalier_error = identity)
    expect_s3_class(failed, "espalier_error")
    expect_match(failed$code, "^bad_(argument|name)$")
    expect_false(grepl("canary", paste(capture.output(print(failed)), collapse = "")))
  }
  expect_identical(list_secrets(keyvault), character())
  expect_error(get_secrets(keyvault, 1), class = "espalier_error_bad_argument")
  expect_error(set_secrets("keyvault", list(a = token)), class = "espalier_error_bad_argument")
})

test_that("a copied workspace says what is needed", {
  ws <- local_vault()
  keyvault <- get_default_keyvault(ws)
  set_secrets(keyvault, list(a = token))
  key <- keyvault$get_details()$key
  expect_identical(file.mode(key), as.octmode("600"))
  file.rename(key, paste0(key, ".moved"))
  expect_error(get_secrets(keyvault, "a"), "copy that file", class = "espalier_error_keyvault_locked")
  expect_identical(list_secrets(keyvault), "a")
})

test_that("a job in R reads its secrets without Python, and so do the processes it starts", {
  ws <- local_vault()
  set_secrets(get_default_keyvault(ws), list(token = token, lines = "first line\nsecond line", other = "other-canary"))
  lines <- c(
    "library(espalier)",
    "run <- get_current_run()",
    "s <- get_secrets_from_run(run, c('token', 'lines'))",
    "stopifnot(inherits(s$token, 'espalier_secret'), nchar(s$token) == 20L, utf8ToInt(substr(s$token, 20, 20)) == 233L)",
    "print(s)",
    "cat('token:', s$token, '\\n')",
    "message(s$lines)",
    "failed <- tryCatch(get_secrets_from_run(run, 'other'), espalier_error_secret_missing = conditionMessage)",
    "cat(failed, '\\n')",
    "code <- \"cat(nchar(espalier:::job_secrets()[['token']]), ''); invisible()\"",
    "system2(file.path(R.home('bin'), 'Rscript'), c('-e', shQuote(code)))",
    "cat(system(paste(shQuote(file.path(R.home('bin'), 'Rscript')), '-e', shQuote(code)), intern = TRUE), '\\n')",
    "if (requireNamespace('callr', quietly = TRUE)) {",
    "  cat(callr::r(function() nchar(espalier:::job_secrets()[['token']])), '\\n')",
    "} else cat('20\\n')",
    "stopifnot(!'reticulate' %in% loadedNamespaces())"
  )
  run <- submit_lines(ws, lines, secrets = c("token", "lines"))
  ended(run)
  log <- log_of(run)
  expect_identical(get_run_status(run), "Completed", info = paste(log, collapse = "\n"))
  expect_identical(sum(grepl("<secret>", log, fixed = TRUE)), 2L)
  expect_true("token: *** " %in% log)
  expect_identical(sum(log == "***"), 2L)
  expect_match(log, "Can't read the secret other: the run ", all = FALSE)
  expect_identical(utils::tail(trimws(log), 2), c("20 20", "20")) # (no newline after the first)
  expect_identical(get_run_details(run)$runDefinition$secrets, c("token", "lines"))
  expect_identical(as.character(get_secrets_from_run(run, "token")$token), token)
  expect_error(get_secrets_from_run(run, "other"), class = "espalier_error_secret_missing")
})

test_that("uncaught errors and warnings that name a secret are hidden on the disk, in its encodings too", {
  ws <- local_vault()
  set_secrets(get_default_keyvault(ws), list(token = token, hex = "quote\"d.*(secret"))
  run <- submit_lines(ws, c(
    "library(espalier)",
    "s <- get_secrets_from_run(get_current_run(), c('token', 'hex'))",
    "f <- function(x, y) { warning('warned of ', x); Sys.sleep(0.1); stop('refused ', x, ' ', URLencode(x, TRUE), ' and ', y) }",
    "do.call(f, unname(lapply(s, as.character)))"
  ), secrets = c("token", "hex"))
  ended(run)
  error <- cause_of(run)
  expect_match(error$message, "refused *** *** and ***", fixed = TRUE)
  expect_match(paste(unlist(get_run_details(run)$warnings), collapse = ""), "warned of ***", fixed = TRUE)
  gone_soon(file.path(run$run_dir, ".job"))
  gone_soon(file.path(run$run_dir, "env.json"))
  files <- list.files(run$run_dir, all.files = TRUE, recursive = TRUE, full.names = TRUE)
  for (file in files) {
    bytes <- readBin(file, "raw", file.size(file))
    text <- rawToChar(bytes[bytes != 0])
    expect_false(grepl("canary-token", text, useBytes = TRUE), info = file)
    expect_false(grepl("(secret", text, fixed = TRUE, useBytes = TRUE), info = file)
  }
})

test_that("secrets that are not there are refused at submit, with estimator() and script_run_config()", {
  ws <- local_vault()
  expect_error(submit_command(ws, "true", secrets = "none"), class = "espalier_error_secret_missing")
  expect_error(submit_lines(ws, "1", secrets = "none"), class = "espalier_error_secret_missing")
  expect_error(submit_command(ws, "true", secrets = "a b"), class = "espalier_error_bad_name")
  expect_error(script_run_config(command = "true", secrets = 1), class = "espalier_error_bad_argument")
  expect_output(print(script_run_config(command = "true", secrets = c("a", "b"))), "secrets: a b")
})

test_that("a child gets what its parent has, and no more", {
  ws <- local_vault()
  set_secrets(get_default_keyvault(ws), list(token = token, other = "other-canary"))
  project <- local_project(
    train.R = c(
      "library(espalier)",
      "child <- submit_child_run(config = estimator('.', entry_script = 'child.R', secrets = 'token'))",
      "wait_for_run_completion(child)",
      "failed <- tryCatch(submit_child_run(config = script_run_config(command = 'true', secrets = 'other')),",
      "                   espalier_error_secret_missing = conditionMessage)",
      "cat(failed)"
    ),
    child.R = "library(espalier); cat('length', nchar(get_secrets_from_run(get_current_run(), 'token')$token))"
  )
  run <- submit_experiment(experiment(ws, "e"), estimator(project, entry_script = "train.R", secrets = "token"))
  ended(run)
  expect_match(log_of(run), "Can't pass on the secret other", all = FALSE)
  expect_match(log_of(get_child_runs(run)[[1L]]), "length 20", all = FALSE)
})

test_that("a secret's value is refused where it would be recorded or shown", {
  ws <- local_vault()
  kv <- get_default_keyvault(ws)
  set_secrets(kv, list(db = "hunter2-very-secret"))
  s <- get_secrets(kv, "db")
  refused <- function(...) expect_error(..., class = "espalier_error_bad_argument")
  refused(script_run_config(command = "true", environment_variables = list(PGPASS = s$db)))
  refused(script_run_config(command = "true", environment_variables = s))
  refused(script_run_config(command = "true", environment_variables = c(A = s$db)))
  refused(script_run_config(command = "true", environment_variables = c(B = "x", A = s$db)))
  refused(script_run_config(command = paste0("psql postgres://u:", s$db, "@host")))
  refused(script_run_config(command = c("echo", s$db)))
  refused(estimator(".", entry_script = "a.R", script_params = list(t = s$db)))
  refused(estimator(".", entry_script = "a.R", environment_variables = list(T = s$db)))
  refused(r_environment("e", environment_variables = list(T = s$db)))
  refused(r_environment("e", docker_steps = s$db))
  expect_snapshot(script_run_config(command = "true", environment_variables = list(PGPASS = s$db)), error = TRUE)
})

test_that("a value that was set and never read is refused in any text, too", {
  ws <- local_vault()
  value <- "bearer-canary-1"
  set_secrets(get_default_keyvault(ws), list(db = value))
  refused <- function(object, field) {
    failed <- expect_error(object, class = "espalier_error_bad_argument")
    expect_match(conditionMessage(failed), field, fixed = TRUE)
    expect_false(grepl("canary", conditionMessage(failed)))
  }
  refused(script_run_config(command = c("echo", value)), "`command`")
  refused(script_run_config(command = "true", display_name = paste("run of", value)), "`display_name`")
  refused(estimator(".", entry_script = "a.R", script_params = list(p = paste("Bearer", value))), "`script_params$p`")
  refused(submit_experiment(experiment(ws, "e"), script_run_config(command = "true"), tags = list(a = value)), "`tags$a`")
  refused(start_logging_run(experiment(ws, paste0("e-", value))), "`experiment`")
  run <- start_logging_run(experiment(ws, "e"))
  refused(set_run_tags(run, list(a = value)), "`tags$a`")
  refused(create_child_run(run, name = value), "`name`")
  refused(create_child_runs(run, tag_key = value, tag_values = "a"), "`tag_key`")
  expect_length(get_run_tags(run), 0L)
  complete_run(run)
})
