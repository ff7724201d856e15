# Where things are, in the source tree and in the installed package.

prelude_path <- function() {
  source <- testthat::test_path("..", "..", "python-core", "src", "espalier", "runner", "prelude.R")
  if (file.exists(source)) return(normalizePath(source))
  system.file("python", "espalier", "runner", "prelude.R", package = "espalier")
}

rscript_path <- function() file.path(R.home("bin"), "Rscript")
