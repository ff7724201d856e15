# Renders the vignettes whose source has changed into inst/doc, so that they open after a plain R CMD INSTALL, which
# renders nothing. `make pages` calls this with the installed package. A page ends with a digest of its source.

digest_of <- function(source) unname(tools::md5sum(source))

is_current <- function(source, page) {
  file.exists(page) && any(grepl(digest_of(source), readLines(page, warn = FALSE), fixed = TRUE))
}

render_page <- function(source, page) {
  # (in a folder of its own: no path of this machine's clone gets into the page)
  work <- tempfile("pages-")
  dir.create(work)
  on.exit(unlink(work, recursive = TRUE))
  file.copy(list.files("vignettes", full.names = TRUE), work)
  script <- sprintf("rmarkdown::render('%s', output_file = 'page.html', quiet = TRUE)", basename(source))
  status <- withr::with_dir(work, system2("Rscript", c("-e", shQuote(script))))
  made <- file.path(work, "page.html")
  if (status != 0L || !file.exists(made)) stop("can't render ", source, call. = FALSE)
  text <- readLines(made, warn = FALSE, encoding = "UTF-8")
  # (names of folders that mean something on this machine only)
  text <- gsub(normalizePath(tempdir()), "/tmp", gsub(work, "/tmp", text, fixed = TRUE), fixed = TRUE)
  text <- gsub("/tmp/Rtmp[A-Za-z0-9]+", "/tmp", text)
  host <- Sys.info()[["nodename"]]
  private <- c(getwd(), if (nchar(host) > 4L) host, "was not run when this page was made")
  found <- Filter(function(word) any(grepl(word, text, fixed = TRUE)), private)
  if (length(found)) stop(source, " renders to a page that contains ", paste(found, collapse = ", "), call. = FALSE)
  writeLines(c(text, sprintf("<!-- %s %s -->", source, digest_of(source))), page, useBytes = TRUE)
  message(page)
}

sources <- list.files("vignettes", "^[^_].*[.]Rmd$", full.names = TRUE)
pages <- file.path("inst", "doc", sub("[.]Rmd$", ".html", basename(sources)))
dir.create("inst/doc", FALSE, TRUE)
unlink(setdiff(list.files("inst/doc", "[.]html$", full.names = TRUE), pages))
outdated <- !mapply(is_current, sources, pages)
failed <- Filter(function(at) inherits(try(render_page(sources[at], pages[at])), "try-error"), which(outdated))
if (length(failed)) quit(status = 1L)
