# One grammar for all exports (docs/decisions/0023-one-grammar.md). The ancestor's verbs keep their names and arguments;
# espalier's own, and what espalier added to the ancestor's, obey these rules.

# The ancestor's verbs: name -> arguments
ancestor_arguments <- function() {
  path <- document("tools", "azuremlsdk.tsv")
  skip_if_not(file.exists(path), "there is no list of the ancestor's verbs")
  verbs <- utils::read.delim(path, quote = "", colClasses = "character")
  arguments <- lapply(verbs$arguments, function(text) names(str2lang(sprintf("function(%s) NULL", text))[[2L]]))
  stats::setNames(arguments, verbs$verb)
}

own_arguments <- function(name, ancestor) {
  as.character(setdiff(names(formals(getExportedValue("espalier", name))), ancestor[[name]]))
}

exported <- function() sort(getNamespaceExports("espalier"), method = "radix")

own_exports <- function(ancestor) setdiff(exported(), names(ancestor))

is_required <- function(argument) identical(argument, quote(expr = ))

test_that("a name is verb + noun, or the noun that the function makes", {
  verbs <- c(
    "apply", "archive", "build", "cancel", "collect", "compare", "complete", "create", "delete", "download", "export", "fail",
    "get", "import", "install", "list", "load", "lock", "log", "plot", "preview", "prune", "read", "register", "restore", "run",
    "save", "set", "start", "submit", "take", "uninstall", "upload", "use", "verify", "wait", "write"
  )
  # (a description of something has no effect, so its name has no verb)
  nouns <- c(
    "best_run", "espalier_sitrep", "input_url", "job_params", "keyvault_secret", "python_environment", "run_output",
    "script_run_config", "workspace"
  )
  is_noun <- function(name) name %in% nouns || grepl("^environment_from_|_options$", name)
  ancestor <- ancestor_arguments()
  for (name in own_exports(ancestor)) {
    expect_true(is_noun(name) || grepl(sprintf("^(%s)_[a-z]", paste(verbs, collapse = "|")), name), info = name)
  }
  expect_setequal(setdiff(nouns, exported()), character())
})

test_that("what is needed comes first, and the workspace before it", {
  ancestor <- ancestor_arguments()
  for (name in own_exports(ancestor)) {
    arguments <- formals(getExportedValue("espalier", name))
    # (the parent is the run of the job, which stands where azuremlsdk has it)
    arguments <- arguments[!names(arguments) %in% c("...", "parent_run")]
    needed <- vapply(arguments, is_required, NA)
    expect_false(is.unsorted(!needed), info = paste(name, "has a needed argument after another"))
    if (isTRUE(needed["workspace"])) expect_identical(names(arguments)[1L], "workspace", info = name)
    # (one that only helps to find the thing comes right after it)
    if (identical(unname(needed["workspace"]), FALSE)) {
      expect_identical(which(names(arguments) == "workspace"), sum(needed) + 1L, info = name)
    }
  }
})

test_that("one word has one meaning, and one meaning one word", {
  words <- utils::read.delim(test_path("fixtures", "arguments.tsv"), header = FALSE, quote = "", col.names = c("name", "meaning"))
  expect_identical(words$name[duplicated(words$name)], character())
  expect_identical(words$meaning[duplicated(words$meaning)], character())
  ancestor <- ancestor_arguments()
  used <- lapply(stats::setNames(nm = exported()), own_arguments, ancestor)
  for (name in names(used)) expect_identical(setdiff(used[[name]], words$name), character(), info = name)
  theirs <- unlist(ancestor[intersect(names(ancestor), exported())])
  expect_identical(setdiff(words$name, c(unlist(used), theirs)), character())
})

test_that("durations name their unit, and a flag has a default", {
  ancestor <- ancestor_arguments()
  for (name in exported()) {
    own <- own_arguments(name, ancestor)
    expect_false(any(grepl("^(timeout|delay|wait|duration|interval)$", own)), info = name)
    flags <- intersect(own, c("any", "dry_run", "maximize", "overwrite", "refresh", "reuse", "show_output", "include_children"))
    for (flag in flags) expect_true(is.logical(formals(getExportedValue("espalier", name))[[flag]]), info = paste(name, flag))
  }
})

test_that("what a user names is deleted, what rules choose is listed first", {
  expect_identical(formals(delete_run)$dry_run, FALSE)
  expect_identical(formals(delete_experiment)$dry_run, FALSE)
  for (verb in list(collect_garbage, prune_images, prune_runs)) expect_identical(formals(verb)$dry_run, TRUE)
})

test_that("each argument of a job that has a builder names it", {
  jobs <- names(formals(script_run_config))
  builders <- grep("_options$", exported(), value = TRUE)
  of <- sub("_options$", "", builders)
  expect_true(all(of %in% jobs | paste0(of, "s") %in% jobs), info = paste(builders, collapse = ", "))
  for (name in builders) expect_s3_class(getExportedValue("espalier", name)(), paste0("espalier_", name))
})
