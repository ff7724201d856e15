# Images of a run: files under outputs/images/. Base R only.

#' Log an image to a run
#'
#' Use it to keep a plot with a run. It draws a plot, or copies an image file, into the run's `outputs/images/`. If the
#' name is taken, the file gets a number.
#'
#' @inheritParams log_to_run
#' @param name String: the image's name.
#' @param path Path of an image file. Give either this or `plot`.
#' @param plot A ggplot or lattice object, a plot of [grDevices::recordPlot()], or a function that draws.
#' @return The path of the stored file, invisibly, or `NULL` without a run.
#' @section Errors:
#' Inside a run, these are one warning, except for missing arguments:
#' * `espalier_error_bad_argument`: the file doesn't exist, `plot` can't be drawn, or not exactly one of the two is
#'   given.
#' * `espalier_error_bad_name`: the name isn't valid.
#' @seealso [upload_files_to_run()], [log_metric_to_run()]
#' @export
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' run <- start_logging_run(experiment(ws, "notes"))
#' if (capabilities("png")) log_image_to_run("cars", plot = function() plot(cars))
#' complete_run(run)
#' get_run_file_names(run)
log_image_to_run <- function(name, path = NULL, plot = NULL, description = "", run = NULL) {
  if (missing(name)) abort_missing("name")
  label <- log_label(name, run)
  if (is.null(path) == is.null(plot)) {
    espalier_abort("bad_argument", "Can't log the image: give either `path` or `plot`.",
                   sprintf("The call has %s.", if (is.null(path)) "neither" else "both"))
  }
  about <- log_description(description, run)
  is_image <- or_else(run, "image", { check_image(path, plot); TRUE }, FALSE)
  dir <- log_target(run)
  if (!is.null(dir) && is_image) dir <- log_folder(dir)
  if (is.null(dir) || !is_image) return(invisible())
  file <- tryCatch(store_image(dir, as_label(name), path, plot), error = function(e) {
    warn_of_doubt("plot", sprintf("Can't record the image %s: %s", label, conditionMessage(e)))
  })
  if (is.null(file)) return(invisible())
  artifact <- paste0("outputs/images/", basename(file))
  log_event(dir, "image", label, paste0("\"path\":", json_string(artifact), about))
  invisible(file)
}

check_image <- function(path, plot) {
  if (is.null(path)) {
    drawable <- is.function(plot) || inherits(plot, c("recordedplot", "ggplot", "trellis", "grob"))
    if (!drawable) {
      abort_argument("plot", "a ggplot, a lattice plot, a recorded plot or a function that draws", plot)
    }
    return(invisible())
  }
  check_string(path, "path")
  if (!file.exists(path) || dir.exists(path)) {
    espalier_abort("bad_argument", sprintf("Can't find the image file `%s`.", path),
                   sprintf("The working directory is `%s`.", getwd()), argument = "path", path = path)
  }
}

#' Store the image in the run's folder. An error of the disk gives one warning
#' @noRd
store_image <- function(dir, name, path, plot) {
  folder <- file.path(dir, "outputs", "images")
  # (not recursively: the folder of a deleted or moved run isn't made again)
  for (each in c(dirname(folder), folder)) make_run_folder(each)
  extension <- if (is.null(path)) "png" else tolower(sub("^.*[.]([A-Za-z0-9]{1,8})$|.*", "\\1", basename(path)))
  temporary <- tempfile(paste0(".tmp-", Sys.getpid(), "-"), folder)
  on.exit(unlink(temporary))
  # (before drawing: R's devices make files that other users may write, if the umask allows it)
  closed_to_writers(file.create(temporary))
  if (is.null(path)) {
    extension <- draw_image(plot, temporary)
  } else {
    copied <- suppressWarnings(file.copy(path, temporary, overwrite = TRUE, copy.mode = FALSE))
  }
  if (if (is.null(path)) !isTRUE(file.size(temporary) > 0) else !copied) {
    logging_failed(dir, "the image could not be stored")
    return(NULL)
  }
  claim_name(temporary, folder, safe_file_name(name), extension)
}

#' Draw to a PNG file (a PDF if R can't make a PNG); returns the extension
#' @noRd
draw_image <- function(plot, file) {
  before <- grDevices::dev.cur()
  type <- tryCatch(suppressWarnings({
    grDevices::png(gsub("%", "%%", file, fixed = TRUE), width = 7, height = 5, units = "in", res = 144)
    "png"
  }), error = function(e) {
    grDevices::pdf(gsub("%", "%%", file, fixed = TRUE), width = 7, height = 5)
    "pdf"
  })
  device <- grDevices::dev.cur()
  on.exit({
    grDevices::dev.off(device)
    if (before > 1L) grDevices::dev.set(before)
  })
  if (is.function(plot)) {
    plot()
  } else if (inherits(plot, "recordedplot")) {
    grDevices::replayPlot(plot)
  } else if (inherits(plot, "grob")) {
    grid::grid.draw(plot)
  } else {
    print(plot)
  }
  type
}

#' Link a finished file to the first free name of name.ext, name-2.ext, ...; safe between processes
#' @noRd
claim_name <- function(temporary, folder, stem, extension) {
  extension <- if (nzchar(extension)) paste0(".", extension) else ""
  n <- 1L
  repeat {
    file <- file.path(folder, paste0(stem, if (n > 1L) paste0("-", n), extension))
    if (!file.exists(file)) {
      if (suppressWarnings(file.link(temporary, file))) return(file)
      # no hard links here
      if (!file.exists(file) && file.rename(temporary, file)) return(file)
    }
    n <- n + 1L
  }
}

#' Letters, digits, `_`, `-` and `.` of a name, at most 80
#' @noRd
safe_file_name <- function(name) {
  safe <- gsub("[^A-Za-z0-9_.-]+", "-", to_utf8(name), perl = TRUE)
  safe <- substr(gsub("^[-.]+|[-.]+$", "", safe), 1L, 80L)
  if (nzchar(safe)) safe else "image"
}
