# What help, README, vignettes and messages name is there after a plain `R CMD INSTALL`: vignettes, demos, files, pages
# of help, functions. (Links are in test-documentation.R, sizes in test-python-extras.R.)

texts <- function() {
  files <- c(document("README.md"), list.files(document("R"), "[.]R$", full.names = TRUE),
             list.files(document("vignettes"), "[.]R?md$", full.names = TRUE), list.files(document("demo"), "[.]R$", full.names = TRUE),
             list.files(document("docs"), "[.]md$", full.names = TRUE, recursive = TRUE),
             list.files(document("inst", "examples"), full.names = TRUE, recursive = TRUE))
  stats::setNames(lapply(files, function(file) paste(text_of(file), collapse = "\n")), basename(files))
}

# All matches of a pattern's group, each once
named_in <- function(text, pattern) {
  found <- regmatches(text, gregexpr(pattern, text, perl = TRUE))[[1L]]
  unique(sub(pattern, "\\1", found, perl = TRUE))
}
named <- function(pattern) unique(unlist(lapply(texts(), named_in, pattern)))

# (R CMD check installs what R CMD build has made; make installs as users do)
items <- function(found) found$results[, "Item"]

test_that("every vignette opens", {
  there <- items(utils::vignette(package = "espalier"))
  expect_setequal(there, sub("[.]Rmd$", "", list.files(document("vignettes"), "^[^_].*[.]Rmd$")))
  expect_identical(setdiff(named("vignette\\(\\\\?\"([a-z-]+)\\\\?\""), there), character())
  for (name in there) {
    page <- utils::vignette(name, package = "espalier")
    file <- file.path(page$Dir, "doc", page$PDF)
    expect_gt(file.size(file), 5000, label = name)
    expect_no_match(paste(text_of(file), collapse = "\n"), "was not run when this page was made", fixed = TRUE)
  }
})

test_that("the pages that a plain installation has are made of today's vignettes", {
  skip_if(!dir.exists(document("tools")), "not in a clone")
  sources <- list.files(document("vignettes"), "^[^_].*[.]Rmd$", full.names = TRUE)
  current <- vapply(sources, function(source) {
    page <- document("inst", "doc", sub("[.]Rmd$", ".html", basename(source)))
    file.exists(page) && any(grepl(tools::md5sum(source), text_of(page), fixed = TRUE))
  }, NA)
  expect_identical(basename(sources)[!current], character(), info = "`make pages` renders them")
})

test_that("every demo is there, and can be read", {
  there <- items(utils::demo(package = "espalier"))
  expect_true("demo" %in% there)
  expect_identical(setdiff(named("demo\\(\"([a-z]+)\", *(?:package *= *)?\"espalier\""), there), character())
  for (name in there) {
    file <- system.file("demo", paste0(name, ".R"), package = "espalier")
    expect_error(parse(file), NA)
  }
})

test_that("every file of the package that is named is installed", {
  calls <- named("(system[.]file\\((?:\"[^\"]+\", *)+package *= *\"espalier\"\\))")
  expect_gte(length(calls), 2L)
  for (call in calls) expect_true(nzchar(eval(parse(text = call))), info = call)
  # (paths of the repository, which README and docs name)
  # (tests/ may be those of the core)
  paths <- named("`((?:inst|docs|demo|vignettes|bench|tools)/[A-Za-z0-9_./-]+)`")
  made <- "^(demo/out|bench/out)" # (by make)
  expect_identical(Filter(function(path) !file.exists(document(path)) && !grepl(made, path), paths), character())
})

test_that("every page of help that is named is there", {
  aliases <- unlist(lapply(list.files(document("man"), "[.]Rd$", full.names = TRUE), function(page) {
    sub("^\\\\alias\\{(.*)\\}$", "\\1", grep("^\\\\alias", text_of(page), value = TRUE))
  }))
  topics <- named("`\\?([A-Za-z_.]+)`")
  expect_identical(setdiff(topics, aliases), character())
})

test_that("every verb that README, vignettes and messages name is exported", {
  # (verbs of others, which are named beside ours)
  others <- c("py_require", "use_python", "log_metric", "tuning_run", "use_virtualenv", "to_pydict", "to_list", "to_numpy")
  exported <- getNamespaceExports("espalier")
  own <- ls(asNamespace("espalier"), all.names = TRUE)
  read <- texts()
  read <- read[grepl("[.]Rmd$|README|demo[.]R$", names(read))]
  verbs <- unique(unlist(lapply(read, named_in, "`([a-z]+_[a-z_]+)\\(\\)`")))
  expect_gt(length(verbs), 20L)
  unknown <- setdiff(verbs, c(exported, others))
  expect_identical(Filter(function(verb) !exists(verb), unknown), character())
})

# Arguments that calls in a text give by name to exported verbs which have no `...`, and that these don't have
unknown_arguments <- function(code) {
  found <- character()
  walk <- function(part) {
    if (!is.call(part)) return(if (is.pairlist(part)) lapply(as.list(part), function(each) if (!missing(each)) walk(each)))
    called <- part[[1L]]
    if (is.call(called) && identical(as.character(called)[-1L][1L], "espalier")) called <- called[[3L]]
    name <- if (is.name(called)) as.character(called) else ""
    if (name %in% getNamespaceExports("espalier")) {
      takes <- names(formals(getExportedValue("espalier", name)))
      given <- setdiff(names(part), "")
      if (!"..." %in% takes && length(setdiff(given, takes))) found <<- c(found, paste0(name, "(", setdiff(given, takes), " = )"))
    }
    for (each in as.list(part)) if (!missing(each)) walk(each)
  }
  for (each in code) if (!missing(each)) walk(each)
  found
}

# The R code of a document: chunks and spans, those that can be read as R
code_of <- function(lines) {
  fence <- "^[ >#']*`{3,}"
  at <- grep(fence, lines)
  in_chunk <- logical(length(lines))
  chunks <- list()
  for (i in seq_len(length(at) %/% 2L)) {
    from <- at[2L * i - 1L]
    to <- at[2L * i]
    in_chunk[from:to] <- TRUE
    if (grepl("`{3,}\\{?(r\\b|cat.*lang = \"r\")", lines[from], ignore.case = TRUE)) chunks <- c(chunks, list(lines[(from + 1L):(to - 1L)]))
  }
  text <- paste(sub("^#' ?", "", lines[!in_chunk]), collapse = "\n")
  spans <- regmatches(text, gregexpr("`[^`]+`", text))[[1L]]
  code <- c(lapply(chunks, paste, collapse = "\n"), gsub("\n", " ", gsub("`", "", spans)))
  unlist(lapply(code, function(each) tryCatch(as.list(parse(text = each, keep.source = FALSE)), error = function(e) NULL)))
}

test_that("calls that the documents show name arguments which exist", {
  expect_identical(unknown_arguments(expression(f(espalier::get_run(ws, value = 1)))), "get_run(value = )")
  found <- lapply(texts(), function(text) unknown_arguments(code_of(strsplit(text, "\n")[[1L]])))
  # (scripts and sources are calls as a whole; of sources only the texts)
  demos <- list.files(document("demo"), "[.]R$", full.names = TRUE)
  found <- c(unlist(found), unlist(lapply(demos, function(file) unknown_arguments(parse(file, keep.source = FALSE)))))
  expect_identical(unname(found), character())
})

test_that("an argument that a paragraph names belongs to a verb which it names, or to jobs", {
  exported <- getNamespaceExports("espalier")
  formals_of <- function(verbs) unlist(lapply(verbs, function(verb) names(formals(getExportedValue("espalier", verb)))))
  of_jobs <- c(formals_of(c("script_run_config", "submit_experiment")), unlist(lapply(.flat_options, names)))
  for (file in c(document("README.md"), list.files(document("vignettes"), "[.]Rmd$", full.names = TRUE))) {
    lines <- text_of(file)
    at <- cumsum(grepl("^(`{3}|~{3})", lines)) %% 2L == 1L | grepl("^`{3}", lines)
    lines[at] <- ""
    for (paragraph in strsplit(paste(lines, collapse = "\n"), "\n{2,}")[[1L]]) {
      verbs <- intersect(named_in(paragraph, "`([a-z_]+)\\("), exported)
      takes <- formals_of(verbs)
      if (!length(verbs) || "..." %in% takes) next
      unknown <- setdiff(named_in(paragraph, "`([a-z_.]+) = [^`]*`"), c(takes, of_jobs))
      expect_identical(unknown, character(), info = paste(basename(file), paragraph))
    }
  }
})
