#' Use a web file as an input
#'
#' Use this in `inputs` of [estimator()] or [script_run_config()] if a job reads a file from the web. The file is
#' fetched when the job starts, and given to the job only if its content has the digest.
#'
#' It is fetched once for all your jobs, and kept in espalier's cache until no job has used it for 30 days. The job
#' finds its copy as any other input: `--data <path>`, the variable `ESPALIER_INPUT_DATA`, and `job_params()`.
#'
#' The digest makes runs repeatable: `reuse = TRUE` finds an earlier run by it, also from another address. Get it from
#' the publisher, or by `sha256sum <file>` in a shell. Proxies and certificates are those of this session
#' (`https_proxy`, `no_proxy`, `SSL_CERT_FILE`). A file may have 16 GB. `prepare_timeout_seconds` includes the time to
#' fetch it.
#'
#' @param url String: address of the file, `https` or `http`, without credentials. Redirects are followed.
#' @param sha256 String: SHA-256 of the content, 64 hexadecimal digits.
#' @return A list of class `espalier_input_url`.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument has the wrong type, or at submit the wrong form.
#' * `espalier_error_input_changed`: the file has another digest. The run fails before the job begins, and
#'   `get_run_details(run)$error$class` has this class.
#' * `espalier_error_input_missing`: likewise, if the file can't be fetched.
#' @seealso [run_output()], [estimator()]
#' @examples
#' digest <- "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#' data <- input_url("https://example.com/data.csv", sha256 = digest)
#' script_run_config("project", "train.R", inputs = list(data = data))
#' @export
input_url <- function(url, sha256) {
  check_string(url, "url")
  check_string(sha256, "sha256")
  new_value(list(url = url, sha256 = sha256), c("espalier_input_url", "espalier_input"))
}

#' @export
format.espalier_input_url <- function(x, ...) header("Input", encodeString(x$url), paste("SHA-256", x$sha256))
