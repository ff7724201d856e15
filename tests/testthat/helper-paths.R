# Where things are, in the source tree and in the installed package.

# The top of the source tree, or NULL: `make check` names it to tests that run from the tarball.
source_top <- function() {
  top <- Sys.getenv("ESPALIER_SOURCE", test_path("..", ".."))
  if (dir.exists(file.path(top, "tools", "bindgen"))) normalizePath(top)
}

# A file of the core: of the source tree, else of the installed package
core_file <- function(...) {
  source <- testthat::test_path("..", "..", "python-core", "src", "espalier", ...)
  if (file.exists(source)) return(normalizePath(source))
  system.file("python", "espalier", ..., package = "espalier")
}

prelude_path <- function() core_file("runner", "prelude.R")

rscript_path <- function() file.path(R.home("bin"), "Rscript")
