# Stages the Python core into inst/python/espalier, so that the installed package carries it. Called by configure
# with the package's top folder as working directory. The truth stays in python-core/src; this copy is never edited.

stage_core <- function(source = "python-core", target = file.path("inst", "python", "espalier")) {
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
  cat("staged", length(files), "files of the Python core\n")
}

stage_core()
