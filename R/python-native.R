# The compiled scanner of source folders, built with the private environment where that can be done. Nothing needs it:
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

#' Build it into a new environment, if there is a compiler; that it fails is no failure
#' @param install Installs into the environment what it is given.
#' @noRd
fill_native <- function(env, install) {
  if (native_unwanted() || !nzchar(native_source()) || !nzchar(native_compiler())) return(invisible())
  out <- install(native_source())
  writeLines(out$lines, native_log(env))
  if (out$status != 0L) {
    say(c("!" = "The compiled scanner could not be built, see {.path {native_log(env)}}.",
          " " = "espalier works without it; snapshots of large folders take longer."))
  }
}

native_unwanted <- function() tolower(Sys.getenv("ESPALIER_NATIVE")) %in% c("no", "false", "0")

native_log <- function(env) file.path(env, "native.log")

native_file <- function(env) Sys.glob(file.path(env, "lib", "python3*", "site-packages", "espalier_native*.so"))

#' @param python The interpreter that runs the core, or NULL where that is not known.
#' @noRd
sitrep_native <- function(python) {
  what <- "compiled scanner"
  if (native_unwanted()) return(fact(what, "switched off", "by ESPALIER_NATIVE"))
  if (is.null(python)) return(fact(what, "not looked at"))
  env <- dirname(dirname(python))
  built <- native_file(env)
  if (length(built)) return(fact(what, "built", built[1L]))
  fact(what, "not built", paste0(native_lacks(env, python), "; without it snapshots of large folders take longer"))
}

#' Why it is not built, and what to do
#' @noRd
native_lacks <- function(env, python) {
  if (Sys.info()[["sysname"]] != "Linux") return("it is for Linux")
  packages <- "Debian, Ubuntu: sudo apt install g++ libssl-dev python3-dev"
  if (!identical(dirname(env), managed_root())) {
    return(sprintf("this Python is your own: %s -m pip install %s builds it", python, native_source()))
  }
  again <- paste0(packages, "; then install_espalier(force = TRUE)")
  if (!nzchar(native_compiler())) return(paste0("there is no C++ compiler; ", again))
  if (file.exists(native_log(env))) return(sprintf("building it failed, see %s; %s", native_log(env), again))
  "install_espalier(force = TRUE) builds it"
}
