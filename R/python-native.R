# The compiled scanner of source folders, an optional part that `install_espalier("scanner")` builds. Nothing needs it:
# without it snapshots of large folders take longer.

#' Its source code, as it lies beside the core; "" where that is missing
#' @noRd
native_source <- function() {
  core <- core_folders()$core
  places <- c(file.path(core, "espalier", "native"), file.path(dirname(core), "native"))
  c(places[file.exists(file.path(places, "pyproject.toml"))], "")[1L]
}

#' What its source code is: with another one goes another environment
#' @noRd
native_key <- function() {
  files <- list.files(native_source(), "[.](cpp|h|toml|txt)$", recursive = TRUE, full.names = TRUE)
  paste(c("native", substr(tools::md5sum(sort(files)), 1L, 6L)), collapse = " ")
}

#' The compiler that building it would take, "" where there is none (it is for Linux alone)
#' @noRd
native_compiler <- function() {
  if (Sys.info()[["sysname"]] != "Linux") return("")
  found <- Sys.which(c(Sys.getenv("CXX", "c++"), "g++", "clang++"))
  c(unname(found[nzchar(found)]), "")[1L]
}

#' Why it can't be built here, or ""
#' @noRd
native_lacks <- function() {
  if (Sys.info()[["sysname"]] != "Linux") return("it is for Linux")
  if (!nzchar(native_compiler())) return("it needs a C++ compiler; on Debian and Ubuntu: sudo apt install g++ libssl-dev python3-dev")
  ""
}
