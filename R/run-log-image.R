# Images of a run: files under outputs/images/. Base R only.

#' Log an image to a run
#'
#' Copies an image file, or draws a plot, into the run's `outputs/images/`.
#'
#' @inheritParams log_to_run
#' @param name Name of the image.
#' @param path An image file. Give either this or `plot`.
#' @param plot A plot: a ggplot or lattice object, what [grDevices::recordPlot()] returned, or a
#'   function that draws.
#' @return The path of the file, invisibly (`NULL` when there is no run).
#' @export
#' @examples
#' dir <- tempfile("run")
#' dir.create(dir)
#' run <- list(run_dir = dir) # any run object will do
#' if (capabilities("png")) {
#'   log_image_to_run("cars", plot = function() plot(cars), run = run)
#' }
log_image_to_run <- function(name, path = NULL, plot = NULL, description = "", run = NULL) {
  label <- check_label(name)
  if (is.null(path) == is.null(plot)) {
    espalier_abort("bad_argument", sprintf(
      "log_image_to_run() needs either `path` or `plot`, and was given %s.",
      if (is.null(path)) "neither" else "both"
    ))
  }
  check_image(path, plot)
  about <- json_description(description)
  dir <- log_target(run)
  if (is.null(dir)) return(invisible())
  file <- store_image(dir, name, path, plot)
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
    espalier_abort("bad_argument", sprintf("`path` must be an image file; there is no file `%s`.", path),
                   sprintf("The working directory is `%s`.", getwd()), argument = "path", path = path)
  }
}

#' Put the image where it belongs. An error of the plot is the user's; one of the disk is told once
#' @noRd
store_image <- function(dir, name, path, plot) {
  folder <- file.path(dir, "outputs", "images")
  if (!dir.exists(folder)) dir.create(folder, recursive = TRUE, showWarnings = FALSE)
  extension <- if (is.null(path)) "png" else tolower(sub("^.*[.]([A-Za-z0-9]{1,8})$|.*", "\\1", basename(path)))
  temporary <- tempfile(paste0(".tmp-", Sys.getpid(), "-"), folder)
  on.exit(unlink(temporary))
  if (is.null(path)) {
    extension <- draw_image(plot, temporary, folder)
  } else {
    suppressWarnings(file.copy(path, temporary))
  }
  if (!file.exists(temporary)) {
    logging_failed(dir, "the image could not be stored")
    return(NULL)
  }
  claim_name(temporary, folder, safe_file_name(name), extension)
}

#' Draw to a PNG file (a PDF where R cannot make one); the extension
#' @noRd
draw_image <- function(plot, file, folder) {
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
