#' espalier: training jobs on your own machines
#'
#' Give espalier a folder with a training script, and it freezes the folder, runs the script detached from your
#' session, records everything in plain files, and hands the results back as R objects.
#'
#' @section Start here:
#' `vignette("first-model", package = "espalier")` is the shortest way in;
#' [espalier_sitrep()] says whether everything is in place.
#'
#' @section Errors:
#' Every error has the class `espalier_error_<code>`, then `espalier_error`. One that Python raised carries the
#' traceback in its field `parent`.
#'
#' @section Options and variables:
#' \describe{
#'   \item{`ESPALIER_PYTHON`}{The Python from which espalier makes its private environment.}
#'   \item{`ESPALIER_UV`}{The `uv` to make it with.}
#'   \item{option `espalier.install`, `ESPALIER_INSTALL`}{`TRUE` or `yes`: install Python packages that a verb needs, without
#'     a question. `FALSE` or `no`: never. See [install_espalier()].}
#'   \item{`ESPALIER_WHEELS`}{A folder of wheels, from which Python packages are installed without a network.}
#'   \item{option `espalier.python`}{The Python to run in this session, instead of the private environment;
#'     `RETICULATE_PYTHON`, `RETICULATE_PYTHON_ENV` and `VIRTUAL_ENV` are honoured too.}
#'   \item{option `espalier.outside_links`}{What becomes of links that lead out of a folder that is frozen:
#'     `"refuse"`, `"keep"` or `"copy"`; see [preview_snapshot()].}
#'   \item{option `espalier.record_diff`}{`FALSE`: jobs do not record what is not committed; see [get_run_provenance()].}
#'   \item{`ESPALIER_STATE_DIR`}{Where the queue of this host and user lies.}
#' }
#'
#' @keywords internal
"_PACKAGE"
