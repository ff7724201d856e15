# The compiled half of the road of data: R vectors as Arrow structs (src/). It is loaded with the first data frame, not
# with the package: logging in a job needs none of it, but for parts, of which there are many.

.road <- new.env(parent = emptyenv())

#' One of the compiled routines
#' @noRd
road_routine <- function(name) road_routines()[[name]]

road_routines <- function() {
  refuse_forked()
  if (is.null(.road$routines)) road_load()
  .road$routines
}

road_load <- function() {
  file <- road_library()
  # (loading a file again would unload it first: see road_forget())
  loaded <- Filter(function(dll) identical(unclass(dll)$path, file), getLoadedDLLs())
  dll <- if (length(loaded)) loaded[[1L]] else tryCatch(dyn.load(file), error = function(e) {
    espalier_abort("internal", "Can't load the compiled part of espalier.",
                   "Install the package again; it must be built for this R.", parent = e)
  })
  .road$routines <- getDLLRegisteredRoutines(dll)$.Call
}

#' The routines that write the log of parts; NULL where they were compiled for another R, or not for this machine at all,
#' as may be in an image that the package is mounted into
#' @noRd
compiled_log <- function() {
  if (is.null(.road$logs)) {
    .road$logs <- tryCatch({
      if (is.null(.road$routines)) road_load()
      here <- unlist(getRversion())
      routine <- .road$routines$compiled_for
      .Call(routine) == 256 * here[1L] + here[2L]
    }, error = function(e) FALSE)
  }
  if (.road$logs) .road$routines
}

#' The library of the installed package, or the one that pkgload built in a source tree
#' @noRd
road_library <- function() {
  top <- getNamespaceInfo(topenv(), "path")
  name <- paste0("espalier", .Platform$dynlib.ext)
  places <- c(file.path(top, "libs", .Platform$r_arch, name), file.path(top, "src", name))
  found <- places[file.exists(places)]
  if (length(found)) found[1L] else places[1L]
}

#' For unloading the package. The library stays: Python may hold structs that it must release, R's collector knows
#' finalisers in it, and either would call into nothing.
#' @noRd
road_forget <- function() rm(list = ls(.road, all.names = TRUE), envir = .road)

#' A data frame or vector as a parcel: an external pointer that owns it until Python takes it
#' @noRd
road_export <- function(x, arg = "x") {
  routine <- road_routine("road_export")
  native_is_utf8 <- l10n_info()[["UTF-8"]] || Sys.getlocale("LC_CTYPE") %in% c("C", "POSIX")
  # (tryCatch() would cost as much as a small data frame does)
  exported <- withCallingHandlers(
    .Call(routine, x, native_is_utf8),
    simpleError = function(e) abort_unsupported(road_message(e), arg)
  )
  if (is.character(exported)) abort_unsupported(exported, arg)
  exported
}

#' The compiled code's message: names of columns stand in it as UTF-8, in any encoding of the session
#' @noRd
road_message <- function(e) {
  text <- conditionMessage(e)
  if (validUTF8(text)) Encoding(text) <- "UTF-8"
  text
}

#' Where a parcel's structs lie: decimal strings, the schema first
#' @noRd
road_addresses <- function(parcel) .Call(road_routine("road_addresses"), parcel)

#' The data frame or vector in structs at these addresses, which are taken over
#' @noRd
road_import <- function(addresses) {
  # what the core's half notes for R is believed, as what this half notes
  if (!identical(.road$token, .bridge$token)) {
    .Call(road_routine("road_token"), .bridge$token)
    .road$token <- .bridge$token
  }
  x <- withCallingHandlers(road_read(addresses), error = abort_unread)
  if (inherits(x, "data.table")) data_table_again(x) else x
}

abort_unread <- function(e) {
  why <- safe_line(road_message(e))
  espalier_abort("unsupported_data", paste0("Can't turn a table from Python into a data frame: ", why, "."),
                 "Convert the columns named in Python first, or leave them out.")
}

#' Memory is given back at once: it would else wait for a garbage collection, perhaps in a forked child. And
#' undisturbed: it calls Python, where an interrupt of R's would be lost, and the memory with it.
#' @noRd
road_read <- function(addresses) {
  routines <- road_routines()
  parcel <- .Call(routines$road_receive, addresses)
  on.exit(undisturbed(.Call(routines$road_release, parcel)))
  .Call(routines$road_import, parcel)
}

#' A data.table made by others than data.table has no room for further columns
#' @noRd
data_table_again <- function(x) {
  if (!requireNamespace("data.table", quietly = TRUE)) return(x)
  getExportedValue("data.table", "setalloccol")(x)
}

abort_unsupported <- function(what, arg) {
  espalier_abort(
    "unsupported_data", c(sprintf("Can't send `%s` to Python:", arg), paste0("  ", safe_line(what))),
    "Leave these columns out, or turn them into vectors, text or lists of plain values.",
    argument = arg, columns = what
  )
}
