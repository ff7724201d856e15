# Where things are, in the source tree and in the installed package.

# The top of the source tree, or NULL: `make check` names it to tests that run from the tarball.
source_top <- function() {
  top <- Sys.getenv("ESPALIER_SOURCE", test_path("..", ".."))
  if (dir.exists(file.path(top, "tools", "bindgen"))) normalizePath(top)
}

prelude_path <- function() {
  source <- testthat::test_path("..", "..", "python-core", "src", "espalier", "runner", "prelude.R")
  if (file.exists(source)) return(normalizePath(source))
  system.file("python", "espalier", "runner", "prelude.R", package = "espalier")
}

rscript_path <- function() file.path(R.home("bin"), "Rscript")
