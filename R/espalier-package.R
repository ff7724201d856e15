#' Train models in runs that are recorded
#'
#' Use espalier to run training scripts outside of your session. It freezes the script's folder, runs the script, records
#' everything in plain files, and returns the results as R objects.
#'
#' @section Start here:
#' `vignette("first-model", package = "espalier")` shows the first run. [espalier_sitrep()] reports whether everything is in
#' place. [espalier_errors] lists the classes of errors.
#'
#' @section Options and variables:
#' \describe{
#'   \item{`ESPALIER_PYTHON`}{The Python from which espalier makes its private environment.}
#'   \item{`ESPALIER_UV`}{The `uv` that makes it.}
#'   \item{option `espalier.install`, `ESPALIER_INSTALL`}{`TRUE` or `yes`: install Python packages that a verb needs, without
#'     a question. `FALSE` or `no`: never. See [install_espalier()].}
#'   \item{`ESPALIER_WHEELS`}{A folder of wheels, from which Python packages are installed without a network.}
#'   \item{option `espalier.python`}{The Python to run in this session, in place of the private environment. So are
#'     `RETICULATE_PYTHON`, `RETICULATE_PYTHON_ENV` and `VIRTUAL_ENV`.}
#'   \item{option `espalier.outside_links`}{`"refuse"`, `"keep"` or `"copy"`: what becomes of links that lead out of a frozen
#'     folder. See [preview_snapshot()].}
#'   \item{option `espalier.record_diff`}{`FALSE`: runs don't record what isn't committed. See [get_run_provenance()].}
#'   \item{`ESPALIER_STATE_DIR`}{The folder of the queue of this host and user.}
#' }
#'
#' @keywords internal
"_PACKAGE"
