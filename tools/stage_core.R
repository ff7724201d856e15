# Stages the Python core into inst/python/espalier, so that the installed package carries it. Called by configure
# with the package's top folder as working directory. The truth stays in python-core/src; this copy is never edited.
# (tools/python-core leads there: R CMD build puts the folder in its place, since a tarball may have no other at its top)

# Where links become plain files (a zip, a checkout on Windows), the folder itself is the source.
core_source <- function() {
  link <- file.path("tools", "python-core")
  if (dir.exists(link) || !dir.exists("python-core")) link else "python-core"
}

stage_core <- function(source = core_source(), target = file.path("inst", "python", "espalier")) {
  from <- file.path(source, "src", "espalier")
  if (!file.exists(file.path(from, "__init__.py"))) {
    stop("espalier's Python core is missing: no ", from, "/__init__.py below ", getwd(), ".\n",
         "Install from a complete checkout or from a tarball made by R CMD build.", call. = FALSE)
  }
  unlink(target, recursive = TRUE)
  if (file.exists(target)) stop("cannot empty ", target, call. = FALSE)
  files <- list.files(from, recursive = TRUE, all.files = TRUE, no.. = TRUE)
  files <- files[!grepl("(^|/)(__pycache__|[.][^/]*_cache)(/|$)|[.]py[co]$", files)]
  for (folder in unique(dirname(file.path(target, files)))) dir.create(folder, FALSE, TRUE)
  copied <- file.copy(file.path(from, files), file.path(target, files), copy.mode = FALSE)
  # The requirements are written down once, in pyproject.toml; the installed package reads them there too.
  copied <- c(copied, file.copy(file.path(source, "pyproject.toml"), file.path(target, "pyproject.toml")))
  # The source code of the scanner goes along: it is compiled into the private environment.
  code <- file.path("src", list.files(file.path(source, "native", "src")))
  native <- file.path("native", c("CMakeLists.txt", "pyproject.toml", code))
  dir.create(file.path(target, "native", "src"), FALSE, TRUE)
  copied <- c(copied, file.copy(file.path(source, native), file.path(target, native)))
  if (!all(copied)) {
    stop("cannot copy to ", target, ": ", paste(c(files, "pyproject.toml", native)[!copied], collapse = ", "), call. = FALSE)
  }
}

# Makes the pages in inst/doc the package's vignettes: R CMD INSTALL renders none, and finds those of a list only.
# A package that R CMD build has made has its own list.
stage_vignettes <- function() {
  sources <- list.files("vignettes", "^[^_].*[.]Rmd$", full.names = TRUE)
  pages <- sub("[.]Rmd$", ".html", basename(sources))
  there <- file.exists(file.path("inst", "doc", pages))
  list <- file.path("build", "vignette.rds")
  is_built <- !is.na(read.dcf("DESCRIPTION", "Packaged")[1L]) && file.exists(list)
  if (is_built || !any(there)) return(invisible())
  unlink(list.files(file.path("inst", "doc"), "[.]Rmd$", full.names = TRUE))
  file.copy(sources[there], file.path("inst", "doc"))
  title <- function(source) {
    line <- grep("VignetteIndexEntry", readLines(source, 20L, warn = FALSE, encoding = "UTF-8"), value = TRUE)
    sub(".*VignetteIndexEntry[{](.*)[}].*", "\\1", line[1L])
  }
  index <- data.frame(
    File = basename(sources[there]), Title = vapply(sources[there], title, ""), PDF = pages[there], R = "",
    row.names = NULL
  )
  index$Depends <- index$Keywords <- rep(list(character()), nrow(index))
  dir.create("build", FALSE)
  saveRDS(index, list, version = 2L)
}

stage_core()
stage_vignettes()
