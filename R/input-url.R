#' Use a web file as an input
#'
#' `inputs = list(data = input_url("https://example.com/data.csv", sha256 = "..."))` gives a job a file that is fetched when
#' the job starts. It is fetched once for all your jobs, kept in espalier's cache until no job has used it for 30 days, and
#' given to a job only if its content has the digest. The job finds its copy as any other input: `--data <path>`, the
#' variable `ESPALIER_INPUT_DATA`, and `job_params()`.
#'
#' The digest is what makes runs repeatable: `reuse = TRUE` finds an earlier run by it, also from another address. Get it
#' from the publisher, or by `sha256sum <file>` in a shell. Proxies and certificates are those of this session
#' (`https_proxy`, `no_proxy`, `SSL_CERT_FILE`). A file may have 16 GB. Fetching it counts towards
#' `prepare_timeout_seconds`.
#'
#' @param url Address of the file, `https` or `http`, without credentials. Redirects are followed.
#' @param sha256 SHA-256 of its content, 64 hexadecimal digits.
#' @return An object that names the file, for `inputs`.
#' @section Errors: At submit: `espalier_error_bad_argument`. The run fails before the job begins, with
#'   `espalier_error_input_changed` in `get_run_details(run)$error$class` if the file has another digest, and with
#'   `espalier_error_input_missing` if it can't be fetched.
#' @seealso [run_output()], [estimator()]
#' @examples
#' digest <- "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#' data <- input_url("https://example.com/data.csv", sha256 = digest)
#' data
#' script_run_config("project", "train.R", inputs = list(data = data))
#' @export
input_url <- function(url, sha256) {
  check_string(url, "url")
  check_string(sha256, "sha256")
  new_value(list(url = url, sha256 = sha256), c("espalier_input_url", "espalier_input"))
}

#' @export
format.espalier_input_url <- function(x, ...) header("Input", encodeString(x$url), paste("SHA-256", x$sha256))
