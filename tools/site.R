# Builds the site in .build/site: the reference, the articles, the news, and the documents of docs/; then follows its
# links. Usage: Rscript tools/site.R, at the top of the sources, with the package installed
# Nothing is asked of CRAN: neither whether it has this package nor where the sites of packages are that aren't installed.
options(pkgdown.internet = FALSE)
utils::assignInNamespace("CRAN_urls", function() data.frame(Package = character(), URL = character()), "downlit")
pkg <- pkgdown::as_pkgdown(".")
out <- pkg$dst_path
unlink(out, recursive = TRUE)
dir.create(out, recursive = TRUE)
problems <- character()

# ---- pages -------------------------------------------------------------------------------------------------

# A Markdown document as a page of the site, at the place it has in the sources, so that links to it hold
build_document <- function(file) {
  html <- system2("pandoc", c("--from=gfm", "--to=html", shQuote(file)), stdout = TRUE)
  html <- paste(gsub("(href=\"[^\":]+)[.]md([\"#])", "\\1.html\\2", html), collapse = "\n")
  title <- sub("^# *", "", grep("^# ", readLines(file, encoding = "UTF-8"), value = TRUE)[1L])
  path <- sub("[.]md$", ".html", file)
  dir.create(file.path(out, dirname(path)), recursive = TRUE, showWarnings = FALSE)
  body <- sub("<h1[^>]*>.*?</h1>", "", html) # (the template has the title)
  pkgdown::render_page(pkg, "title-body", list(pagetitle = title, title = title, body = body), path, quiet = TRUE)
}

# README and NEWS link to other places of the sources than the site has
relink <- function(page, changes) {
  text <- paste(readLines(file.path(out, page), encoding = "UTF-8"), collapse = "\n")
  for (old in names(changes)) text <- gsub(old, changes[[old]], text)
  writeLines(text, file.path(out, page), useBytes = TRUE)
}

build <- function() {
  pkgdown::init_site(pkg)
  pkgdown::build_home(pkg, preview = FALSE)
  pkgdown::build_reference(pkg, examples = FALSE, preview = FALSE)
  pkgdown::build_articles(pkg, preview = FALSE)
  pkgdown::build_news(pkg, preview = FALSE)
  relink("index.html", c("\"vignettes/_?([a-z-]+)[.](Rmd|html)" = "\"articles/\\1.html", "[.]md([\"#])" = ".html\\1",
                         "\"NEWS[.]html" = "\"news/index.html"))
  relink("news/index.html", c("href=\"(docs|inst)/" = "href=\"../\\1/"))
  documents <- list.files("docs", recursive = TRUE, full.names = TRUE)
  lapply(c(grep("[.]md$", documents, value = TRUE), "inst/executors.md", "python-core/README.md"), build_document)
  others <- grep("[.]md$", documents, value = TRUE, invert = TRUE)
  invisible(file.copy(others, file.path(out, others)))
}

# (examples aren't run, so it doesn't matter whether they could be)
withCallingHandlers(build(), warning = function(w) {
  if (!startsWith(conditionMessage(w), "@examplesIf")) problems <<- c(problems, conditionMessage(w))
})

# ---- links -------------------------------------------------------------------------------------------------

# Where the links and images of a page lead that aren't files of the site
dead_links <- function(page) {
  text <- paste(readLines(file.path(out, page), warn = FALSE, encoding = "UTF-8"), collapse = "\n")
  found <- unlist(regmatches(text, gregexpr("\\b(href|src)=\"[^\"]*", text, perl = TRUE)))
  found <- sub("^[a-z]+=\"", "", found)
  paths <- utils::URLdecode(sub("[#?].*$", "", found[!grepl("^([a-z]+:|//|#|$)", found)]))
  dead <- unique(paths[!file.exists(file.path(out, dirname(page), paths)) & nzchar(paths)])
  if (length(dead)) sprintf("%s links to %s, which isn't there", page, dead)
}

pages <- list.files(out, "[.]html$", recursive = TRUE)
problems <- c(problems, unlist(lapply(setdiff(pages, "404.html"), dead_links)))
if (length(problems)) {
  writeLines(c("Problems of the site:", unique(problems)))
  quit(status = 1L)
}
cat(sprintf("%d pages in %s\n", length(pages), out))
