# What the documents say must be true: their code runs, their links lead somewhere, their lists are complete.

# The fenced blocks of one language, as character vectors of lines
code_blocks <- function(path, language) {
  lines <- text_of(path)
  fences <- grep("^```", lines)
  opening <- fences[c(TRUE, FALSE)]
  closing <- fences[c(FALSE, TRUE)]
  blocks <- Map(function(from, to) lines[seq_len(to - from - 1L) + from], opening, closing)
  blocks[lines[opening] == paste0("```", language)]
}

test_that("README's R code parses, and its first session runs as pasted", {
  blocks <- code_blocks(document("README.md"), "r")
  expect_gte(length(blocks), 2L)
  for (block in blocks) expect_error(parse(text = block), NA)

  skip_if_no_core()
  skip_if_not_installed("MASS")
  is_session <- vapply(blocks, function(block) any(grepl("submit_experiment(", block, fixed = TRUE)), NA)
  is_script <- vapply(blocks, function(block) any(grepl("job_params(", block, fixed = TRUE)), NA)
  expect_equal(c(sum(is_session), sum(is_script)), c(1L, 1L))
  # (.here keeps the workspace in this folder, whatever lies above it)
  folder <- local_project(project.txt = "", .here = "", "project/train.R" = blocks[is_script][[1L]])
  result <- run_script(blocks[is_session][[1L]], folder)
  expect_equal(result$status, 0L, info = result$printed)
  expect_match(result$printed, "Tested on 332 women", fixed = TRUE)
  expect_match(result$printed, "accuracy", fixed = TRUE)
  expect_true(dir.exists(file.path(folder, ".espalier", "demo")))
  expect_false(file.exists(file.path(folder, "model.rds")))
})

test_that("README's failure looks like one", {
  lines <- text_of(document("README.md"))
  from <- grep("^Error in wait_for_run_completion", lines)
  expect_length(from, 1L)
  pasted <- lines[from:(grep("^```$", lines[-seq_len(from)])[1L] + from - 1L)]
  skip_if_no_core()
  skip_if_not_installed("MASS")
  run <- c(
    "library(espalier)",
    sprintf("est <- estimator(\"%s\", entry_script = \"train-broken.R\")", document("inst", "examples", "pima")),
    "run <- submit_experiment(experiment(workspace(\"demo\"), \"pima\"), est)",
    "wait_for_run_completion(run, show_output = FALSE)"
  )
  result <- run_script(run, local_project(project.txt = "", .here = ""))
  printed <- strsplit(result$printed, "\n", fixed = TRUE)[[1L]]
  printed <- printed[seq(grep("^Error in wait", printed), length(printed) - 1L)]  # "Execution halted"
  printed <- printed[!startsWith(printed, "Calls: ")]  # (Rscript alone)
  plain <- function(x) sub("[^ ]*/runs/../", ".../runs/00/", gsub("pima_[0-9]+_[0-9a-f]{8}", "pima_1_0", x))
  expect_identical(plain(printed), plain(pasted))
})

test_that("README's script also runs by hand", {
  skip_if_not_installed("MASS")
  blocks <- code_blocks(document("README.md"), "r")
  is_script <- vapply(blocks, function(block) any(grepl("job_params(", block, fixed = TRUE)), NA)
  result <- run_script(blocks[is_script][[1L]], withr::local_tempdir())
  expect_equal(result$status, 0L, info = result$printed)
  expect_match(result$printed, "recorded nowhere", fixed = TRUE)
})

# Where the links of a Markdown file lead, those to other places left out
relative_links <- function(path) {
  lines <- text_of(path)
  inside <- cumsum(grepl("^```", lines)) %% 2L == 1L
  found <- unlist(regmatches(lines[!inside], gregexpr("\\]\\([^)\\s]+\\)", lines[!inside], perl = TRUE)))
  targets <- sub("#.*$", "", gsub("^\\]\\(|\\)$", "", found))
  targets[nzchar(targets) & !grepl("^[a-z]+:", targets)]
}

test_that("relative links in README, NEWS and docs lead to files", {
  top <- document()
  files <- c("README.md", "NEWS.md", file.path("docs", list.files(file.path(top, "docs"), "[.]md$", recursive = TRUE)))
  expect_gte(length(files), 7L)
  for (file in files) {
    targets <- relative_links(file.path(top, file))
    missing <- targets[!file.exists(file.path(top, dirname(file), targets))]
    expect_equal(missing, character(), info = file)
  }
})

test_that("the site's index has every vignette and every help page once, NEWS and help name what is exported", {
  lines <- text_of(document("_pkgdown.yml"))
  top <- cumsum(grepl("^[a-z]+:", lines))
  under <- function(key) {
    found <- grep("^ +- [A-Za-z]", lines[top == top[lines == paste0(key, ":")]], value = TRUE)
    sub("^ +- +", "", found[!grepl("- title:", found)])
  }
  expect_setequal(under("articles"), sub("[.]Rmd$", "", list.files(document("vignettes"), "^[^_].*[.]Rmd$")))
  listed <- under("reference")
  expect_equal(anyDuplicated(c(listed, under("articles"))), 0L)
  pages <- sub("[.]Rd$", "", list.files(document("man"), "[.]Rd$"))
  expect_true("ends_with(\"-class\")" %in% listed) # (each noun of the core brings one)
  expect_setequal(listed[!startsWith(listed, "ends_with(")], pages[!endsWith(pages, "-class")])

  exported <- getNamespaceExports("espalier")
  news <- paste(text_of(document("NEWS.md")), collapse = "\n")
  named <- vapply(exported, function(name) grepl(paste0("`", name, "()"), news, fixed = TRUE), NA)
  expect_equal(exported[!named], character())
  verbs <- unlist(regmatches(news, gregexpr("`[a-z_.]+[(][)]", news)))
  unknown <- setdiff(gsub("[`()]", "", verbs), c(exported, "plot"))
  expect_equal(unknown, character())
})

test_that("vignettes that help pages name exist", {
  pages <- list.files(c(document("R"), document("vignettes")), "[.](R|Rmd)$", full.names = TRUE)
  text <- unlist(lapply(pages, text_of))
  named <- unlist(regmatches(text, gregexpr("vignette\\(\"[a-z-]+\"", text)))
  named <- unique(gsub("^vignette\\(\"|\"$", "", named))
  expect_equal(named[!file.exists(document("vignettes", paste0(named, ".Rmd")))], character())
})

test_that("the help page of list_runs() has its columns and their types", {
  lines <- text_of(document("man", "list_runs.Rd"))
  from <- which(lines == "\\section{Columns}{")
  cells <- strsplit(lines[from:(from + which(lines[-seq_len(from)] == "}")[1L])], " *\\\\tab *")
  cells <- Filter(function(row) length(row) == 3L, cells)[-1L]
  documented <- gsub("\\\\(code|verb)\\{|\\}| ", "", vapply(cells, `[[`, "", 1L))
  types <- vapply(cells, `[[`, "", 2L)
  skip_if_no_core()
  ws <- local_workspace()
  run <- start_logging_run(experiment(ws, "e"))
  complete_run(run)
  suppressMessages(archive_run(run))
  found <- as.data.frame(list_runs(ws, include_archived = TRUE))
  patterns <- c("tag_*", "param_*", "metric_*")
  expect_setequal(setdiff(documented, patterns), names(found))
  expect_true(all(patterns %in% documented))
  words <- c(character = "text", integer = "integer", numeric = "double", POSIXct = "POSIXct")
  expect_identical(types[match(names(found), documented)], unname(words[vapply(found, function(column) class(column)[1L], "")]))
})

test_that("the table of vignette(\"azuremlsdk\") has all of the ancestor's verbs, and is what the code says", {
  new <- withr::local_tempfile()
  script <- document("tools", "azuremlsdk.R")
  expect_equal(system2(rscript_path(), c("--vanilla", shQuote(c(script, document(), new)))), 0L)
  committed <- text_of(document("vignettes", "_azuremlsdk.md"))
  expect_identical(committed, text_of(new), info = "Rscript tools/azuremlsdk.R makes it")
  verbs <- unlist(regmatches(committed, gregexpr("(?<=^[|] `)[a-z_]+", committed, perl = TRUE)))
  expect_length(unique(verbs), 163L)
})
