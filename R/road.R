# The compiled half of the road of data: R vectors as Arrow structs (src/). It is loaded with the first data frame, not
# with the package: logging in a job needs none of it.

.road <- new.env(parent = emptyenv())

#' One of the compiled routines
#' @noRd
road_routine <- function(name) {
  if (is.null(.road$routines)) road_load()
  .road$routines[[name]]
}

road_load <- function() {
  file <- road_library()
  dll <- tryCatch(dyn.load(file), error = function(e) {
    espalier_abort("internal", "The compiled part of espalier could not be loaded.",
                   "Install the package again; it must be built for this R.", parent = e)
  })
  .road$file <- file
  .road$native_is_utf8 <- l10n_info()[["UTF-8"]] || Sys.getlocale("LC_CTYPE") %in% c("C", "POSIX")
  .road$routines <- getDLLRegisteredRoutines(dll)$.Call
  # what the core's half notes for R is believed, as what this half notes
  if (!is.null(.bridge$token)) .Call(.road$routines$road_token, .bridge$token)
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

road_unload <- function() {
  if (!is.null(.road$file)) dyn.unload(.road$file)
  rm(list = ls(.road, all.names = TRUE), envir = .road)
}

#' A data frame or vector as a parcel: an external pointer that owns it until Python takes it
#' @noRd
road_export <- function(x, arg = "x") {
  refused <- .Call(road_routine("road_refused"), x)
  if (length(refused)) abort_unsupported(refused, arg)
  tryCatch(
    .Call(road_routine("road_export"), x, .road$native_is_utf8),
    error = function(e) abort_unsupported(conditionMessage(e), arg)
  )
}

#' Where a parcel's structs lie: decimal strings, the schema first
#' @noRd
road_addresses <- function(parcel) .Call(road_routine("road_addresses"), parcel)

#' The data frame or vector in structs at these addresses, which are taken over
#' @noRd
road_import <- function(addresses) {
  x <- tryCatch(.Call(road_routine("road_import"), addresses), error = function(e) {
    espalier_abort("unsupported_data", paste0("A table from Python does not fit into R: ", conditionMessage(e), "."),
                   "Convert the columns named in Python first, or leave them out.")
  })
  if (inherits(x, "data.table")) data_table_again(x) else x
}

#' A data.table made by others than data.table has no room for further columns
#' @noRd
data_table_again <- function(x) {
  if (!requireNamespace("data.table", quietly = TRUE)) return(x)
  getExportedValue("data.table", "setalloccol")(x)
}

abort_unsupported <- function(what, arg) {
  espalier_abort(
    "unsupported_data", c(sprintf("`%s` cannot go to Python:", arg), paste0("  ", safe_line(what))),
    "Leave these columns out, or turn them into vectors, text or lists of plain values.",
    argument = arg, columns = what
  )
}
