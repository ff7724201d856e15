# What R in a job asks for, against a bare run folder: nobody is there to do it but the test.

local_job <- function(env = parent.frame()) {
  ws <- withr::local_tempdir(.local_envir = env)
  dir <- run_folder(list(workspace = normalizePath(ws), id = "exp_1_0123abcd"))
  dir.create(dir, recursive = TRUE)
  withr::local_envvar(ESPALIER_RUN_DIR = dir, ESPALIER_EXPERIMENT = "exp", .local_envir = env)
  withr::local_options(espalier.request_timeout = 0.05, .local_envir = env)
  dir
}

# What the runner would do when the job asks
when_woken <- function(deed, env = parent.frame()) {
  old <- job_wake
  utils::assignInNamespace("job_wake", deed, "espalier")
  withr::defer(utils::assignInNamespace("job_wake", old, "espalier"), envir = env)
}

job_run <- function(dir) Run$new(identity = run_identity(dir))

a_child <- function(dir, id, state = "Running", parent = basename(dir), meta = "{}", error = "null") {
  child <- run_folder(list(workspace = run_identity(dir)[["workspace"]], id = id))
  dir.create(file.path(child, "user_logs"), recursive = TRUE)
  dir.create(file.path(dir, "children"), showWarnings = FALSE)
  file.create(file.path(dir, "children", id))
  writeLines(sprintf("{\"id\": \"%s\", \"parent\": \"%s\", \"type\": \"script\", \"created_at\": \"%s\"}", id, parent, id),
             file.path(child, "spec.json"))
  writeLines(sprintf("{\"tags\": %s, \"properties\": {}}", meta), file.path(child, "meta.json"))
  writeLines(sprintf("{\"state\": \"%s\", \"error\": %s}", state, error), file.path(child, "status.json"))
  Run$new(identity = run_identity(child))
}

test_that("a request that nobody answers is told, and nothing of it stays", {
  dir <- local_job()
  expect_error(create_child_run(job_run(dir)), class = "espalier_error_request_unanswered")
  expect_identical(list.files(file.path(dir, "requests"), all.files = TRUE, no.. = TRUE), character())
})

test_that("a request is whole and private, and its answer is taken", {
  dir <- local_job()
  seen <- list()
  when_woken(function() {
    file <- list.files(file.path(dir, "requests"), full.names = TRUE)
    seen[[length(seen) + 1L]] <<- list(mode = file.mode(file), asked = json_parse(readLines(file)), name = basename(file))
    writeLines("{\"run_ids\": [\"exp_2_0123abcd\"], \"notes\": [], \"warnings\": []}", sub("json$", "answer.json", file))
    unlink(file)
  })
  child <- create_child_run(name = "one", outputs = ".")
  expect_identical(identity_of(child)[["id"]], "exp_2_0123abcd")
  expect_match(seen[[1]]$name, sprintf("^r-%d-[0-9a-f]{8}-[0-9]+[.]json$", Sys.getpid()))
  expect_identical(as.character(seen[[1]]$mode & "077"), "0")
  asked <- seen[[1]]$asked
  expect_identical(asked[c("format", "op", "parent")], list(format = 1, op = "create", parent = basename(dir)))
  expect_identical(normalizePath(asked$wanted[[1]]$collect_from), normalizePath("."))
  submit_child_run(config = script_run_config(command = "true", environment_variables = list(A = "!b")), tags = c(n = 1))
  expect_identical(seen[[2]]$asked$config$environment_variables, list(A = "!!b"))
  expect_identical(seen[[2]]$asked$tags, list(n = "1"))
  expect_null(seen[[2]]$asked$config$session$environment)
  expect_identical(list.files(file.path(dir, "requests")), character())
})

test_that("an error of the answer is raised as it would be in a session", {
  dir <- local_job()
  when_woken(function() {
    file <- list.files(file.path(dir, "requests"), full.names = TRUE)
    writeLines("{\"error\": {\"code\": \"source_missing\", \"message\": \"It \\u201cis\\u201d gone.\", \"hint\": \"Correct it.\"}}",
               sub("json$", "answer.json", file))
  })
  error <- expect_error(create_child_run(), class = "espalier_error_source_missing")
  expect_match(conditionMessage(error), "gone.\ni Correct it.", fixed = TRUE)
})

test_that("children, tags and metrics are asked for without Python", {
  dir <- local_job()
  asked <- NULL
  answer_with <- function(value) {
    when_woken(function() {
      file <- list.files(file.path(dir, "requests"), full.names = TRUE)
      asked <<- json_parse(readLines(file))
      writeLines(sprintf("{\"value\": %s}", value), sub("json$", "answer.json", file))
      unlink(file)
    }, parent.frame())
  }
  answer_with(sprintf("[{\"workspace\": \"/elsewhere\", \"id\": \"exp_2_0000000a\"}]"))
  found <- get_child_runs(recursive = TRUE, tags = list(f = "!1"))
  expect_identical(identity_of(found[[1]]), c(id = "exp_2_0000000a", workspace = run_identity(dir)[["workspace"]]))
  expect_identical(asked[c("op", "class", "member", "identity")],
                   list(op = "call", class = "Run", member = "get_children", identity = list(id = basename(dir))))
  expect_identical(asked$args, list(recursive = TRUE, tags = list(f = "!!1")))

  one <- a_child(dir, "exp_2_0000000a", "Completed")
  two <- a_child(dir, "exp_3_0000000b")
  dir.create(file.path(run_folder(identity_of(two)), "requests"))
  file.create(file.path(run_folder(identity_of(two)), "requests", "cancel.json"))
  expect_identical(vapply(list(one, two), get_run_status, ""), c("Completed", "CancelRequested"))
})

test_that("a table of an answer is a data frame", {
  table <- list(
    list(name = "n", kind = "integer", values = list(1, NULL)), list(name = "x", kind = "double", values = list(0.5, "!Inf")),
    list(name = "s", kind = "string", values = list("!!a", NULL))
  )
  expect_identical(
    result_frame(list(columns = table)), data.frame(n = c(1L, NA), x = c(0.5, Inf), s = c("!a", NA), stringsAsFactors = FALSE)
  )
})

test_that("waiting shows the log, marks the process, and tells how the run ended", {
  dir <- local_job()
  child <- a_child(dir, "exp_2_0000000a", "Completed")
  log <- file.path(run_folder(identity_of(child)), "user_logs", "std_log.txt")
  writeBin(c(charToRaw("first\n"), as.raw(c(0, 0x1b)), charToRaw("[1mlast")), log)
  marks <- NULL
  when_woken(function() {
    marks <<- lapply(list.files(file.path(dir, "requests"), full.names = TRUE), function(file) json_parse(readLines(file)))
  })
  expect_output(said <- said_by(wait_for_run_completion(child)), "^first\nlast$")
  expect_identical(said, "Run exp_2_0000000a: Completed.\n")
  expect_identical(marks[[1]]$pid, as.numeric(Sys.getpid()))
  expect_identical(marks[[1]]$folders, list(normalizePath(run_folder(identity_of(child)))))
  expect_identical(sprintf("%.0f", marks[[1]]$start), process_start(Sys.getpid()))
  expect_length(list.files(file.path(dir, "requests")), 0L)

  failed <- a_child(dir, "exp_3_0000000b", "Failed", error = "{\"message\": \"bad\", \"log_tail\": [\"a\", \"b\"]}")
  error <- expect_error(wait_for_run_completion(failed, show_output = FALSE), class = "espalier_error_run_failed")
  expect_match(conditionMessage(error), "Run exp_3_0000000b failed: bad", fixed = TRUE)
  expect_identical(error$run_id, "exp_3_0000000b")
  expect_length(list.files(file.path(dir, "requests")), 0L)
  gone <- Run$new(identity = c(workspace = run_identity(dir)[["workspace"]], id = "exp_4_0000000c"))
  expect_error(wait_for_run_completion(gone), class = "espalier_error_run_missing")
})

test_that("a log that grows is shown in whole lines", {
  file <- withr::local_tempfile()
  cat("one\ntw", file = file)
  expect_output(offset <- show_log(file, 0, FALSE), "^one$")
  expect_identical(offset, 4)
  cat("o\n", file = file, append = TRUE)
  expect_output(offset <- show_log(file, offset, FALSE), "^two$")
  expect_identical(show_log(file, offset, TRUE), offset)
  expect_identical(show_log("/no/such", 7, TRUE), 7)
})

test_that("a process is known by its start", {
  expect_match(process_start(Sys.getpid()), "^[0-9]+$")
  expect_identical(process_start(0L), NA_character_)
})
