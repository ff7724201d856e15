#' Read an output of a run
#'
#' Use it to load a file that a job wrote, without copying it first. The ending of the name decides how it is read.
#'
#' | ending | read by | returns |
#' |---|---|---|
#' | `.rds` | [readRDS()] | the object |
#' | `.csv`, `.tsv` | [utils::read.csv()], [utils::read.delim()] with `check.names = FALSE` | a data frame |
#' | `.parquet` | the package nanoparquet or arrow | a data frame |
#' | `.feather`, `.arrow` | the package arrow | a data frame |
#' | `.json` | [jsonlite::fromJSON()] | lists, vectors, data frames |
#' | `.yaml`, `.yml` | the package yaml, which doesn't evaluate R code (`!expr`) | lists and vectors |
#' | `.txt`, `.log`, `.md`, `.html`, `.R`, `.py` | [readLines()], as UTF-8 | a character vector of lines |
#' | `.png`, `.jpg`, `.jpeg` | the packages png and jpeg | a [raster][grDevices::as.raster()], which [plot()] shows |
#'
#' Text and tables may also end in `.gz`, as in `data.csv.gz`.
#'
#' Reading an `.rds` file can run code that its author put there. Read only files of jobs that you trust.
#'
#' @param run A run. It may still be running.
#' @param name String: the file, as [get_run_file_names()] lists it, also without `outputs/`. Or the name of an output
#'   that the run declares (`outputs` of [script_run_config()]).
#' @param reader Function that gets the path of the file as its first argument. By default the one of the table.
#' @param ... More arguments for the reader.
#' @return The value of the reader, see the table.
#' @section Errors:
#' * `espalier_error_artifact_missing`: the run has no file of this name.
#' * `espalier_error_artifact_unsafe`: the file is a link or a folder.
#' * `espalier_error_bad_argument`: the ending isn't known, or its package isn't installed.
#'
#' A file that can't be read is an error of its reader.
#' @seealso [run_output()] for an input of another job, [download_file_from_run()] for a copy.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' job <- script_run_config(
#'   command = "printf 'x,y\n1,a\n' > outputs/table.csv; echo hello > outputs/note.txt"
#' )
#' run <- submit_experiment(experiment(ws, "outputs"), job)
#' wait_for_run_completion(run, show_output = FALSE)
#' read_run_output(run, "table.csv")
#' read_run_output(run, "outputs/note.txt")
#' read_run_output(run, "table.csv", reader = file.size)
#' @export
read_run_output <- function(run, name, reader = NULL, ...) {
  check_object(run, "Run", "run")
  check_string(name, "name")
  if (!is.null(reader) && !is.function(reader)) abort_argument("reader", "a function", reader)
  path <- tryCatch(run$get_file_path(name), espalier_error_artifact_missing = function(e) {
    if (!identical(run$get_status(), "Failed")) stop(e)
    espalier_abort("artifact_missing", sub("\n[^\n]*$", "", conditionMessage(e)),
                   "The run failed. print(run) shows the error, get_run_log(run) the log.")
  })
  if (is.null(reader)) reader <- reader_of(path, name)
  reader(path, ...)
}

#' What reads a file, by the ending of its name
#' @noRd
reader_of <- function(path, name) {
  ending <- tolower(tools::file_ext(sub("[.]gz$", "", path, ignore.case = TRUE)))
  reader <- .readers[[ending]]
  if (is.null(reader)) {
    known <- paste0(".", names(.readers), collapse = ", ")
    espalier_abort(
      "bad_argument", sprintf("Can't tell how to read \"%s\": its ending is none of %s.", shown_path(name), known),
      sprintf("Give `reader`, a function, or read the file itself: %s", shown_path(path)), argument = "name"
    )
  }
  packages <- reader$packages
  if (length(packages) && !any(vapply(packages, is_installed, NA))) {
    espalier_abort(
      "bad_argument",
      sprintf("Can't read \"%s\": the package %s isn't installed.", shown_path(name), paste(packages, collapse = " or ")),
      sprintf("Install it: install.packages(\"%s\").", packages[1L]), argument = "name"
    )
  }
  reader$read
}

.readers <- local({
  from <- function(packages, read) list(packages = packages, read = read)
  of <- function(package, name) getExportedValue(package, name)
  text <- from(NULL, function(path, ..., encoding = "UTF-8", warn = FALSE) readLines(path, ..., encoding = encoding, warn = warn))
  arrow <- from("arrow", function(path, ...) as.data.frame(of("arrow", "read_feather")(path, ...)))
  yaml <- from("yaml", function(path, ..., eval.expr = FALSE) of("yaml", "read_yaml")(path, ..., eval.expr = eval.expr))
  image <- function(package, name) from(package, function(path, ...) grDevices::as.raster(of(package, name)(path, ...)))
  table <- function(read) from(NULL, function(path, ..., check.names = FALSE) read(path, ..., check.names = check.names))
  list(
    rds = from(NULL, function(path, ...) readRDS(path, ...)),
    csv = table(utils::read.csv), tsv = table(utils::read.delim),
    # (the first that is installed; of the two nanoparquet has no dependencies)
    parquet = from(c("nanoparquet", "arrow"), function(path, ...) {
      package <- if (is_installed("nanoparquet")) "nanoparquet" else "arrow"
      as.data.frame(of(package, "read_parquet")(path, ...))
    }),
    feather = arrow, arrow = arrow,
    json = from("jsonlite", function(path, ...) of("jsonlite", "fromJSON")(file(path, encoding = "UTF-8"), ...)),
    yaml = yaml, yml = yaml,
    txt = text, log = text, md = text, html = text, r = text, py = text,
    png = image("png", "readPNG"), jpg = image("jpeg", "readJPEG"), jpeg = image("jpeg", "readJPEG")
  )
})
