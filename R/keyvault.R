#' Store and read secrets
#'
#' Use these for tokens and passwords that jobs, environments and registries need. The workspace's keyvault holds them
#' by name, encrypted.
#'
#' To let a job read secrets, give [estimator()] or [script_run_config()] their names as `secrets`. The job reads them
#' with [get_secrets_from_run()].
#'
#' @section Storage:
#' The values are encrypted (AES-256-GCM) in `keyvault.json` of the workspace. The names aren't. The key is a separate
#' file in espalier's state folder, which only you can read. `keyvault$get_details()` shows where. Without the key the
#' secrets are lost. Both files together reveal the secrets, so back them up to different places. A copy of the
#' workspace on another machine needs the key too.
#'
#' Older versions could use the keyring of the operating system, which a job in the background can't unlock. The error
#' explains how to get these secrets.
#'
#' @section Plain text:
#' Parameters, arguments, commands, variables, tags, names and environments are kept in plain text. Don't put secrets
#' there. A text that contains a value of 8 or more characters is refused if this session has set or read the value.
#'
#' @param workspace A [workspace()].
#' @param keyvault A keyvault of `get_default_keyvault()`.
#' @param secrets For `set_secrets()`, a named list or character vector of texts with at least 4 characters. Else a
#'   character vector of names. Names consist of letters, digits, `_`, `-` and `.`.
#' @return `get_default_keyvault()` returns a `Keyvault` object. `get_secrets()` returns a named list, with `NULL` for
#'   secrets that don't exist. Its values are strings that print as `<secret>`. `as.character()` returns the text.
#'   `list_secrets()` returns the sorted names, `set_secrets()` nothing, and `delete_secrets()` the deleted names,
#'   invisibly.
#' @section Errors:
#' * `espalier_error_bad_name`, `espalier_error_bad_argument`: a name or a value isn't valid.
#' * `espalier_error_keyvault_locked`: the key is missing, is another's, could be read by others, or an older version
#'   put the secrets into a keyring.
#' * `espalier_error_damaged`: the keyvault can't be read.
#' @seealso [get_secrets_from_run()], `vignette("secrets")`
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' keyvault <- get_default_keyvault(ws)
#' set_secrets(keyvault, list(github = "ghp_0123456789"))
#' list_secrets(keyvault)
#' get_secrets(keyvault, c("github", "none"))
#' delete_secrets(keyvault, "github")
#' @export
get_default_keyvault <- function(workspace) {
  check_object(workspace, "Workspace", "workspace")
  workspace$secrets
}

#' @rdname get_default_keyvault
#' @export
set_secrets <- function(keyvault, secrets) {
  check_object(keyvault, "Keyvault", "keyvault")
  if (!length(secrets)) return(invisible())
  if (!is.list(secrets) && !is.character(secrets)) abort_argument("secrets", "a named list of strings", secrets)
  check_names_once(names(secrets), "secrets")
  # (no message shows a value)
  plain <- lapply(as.list(secrets), bare_secret)
  wrong <- names(Filter(Negate(is_string), plain))
  if (length(wrong)) {
    espalier_abort("bad_argument", sprintf("Can't store the secret %s: its value must be one string.", paste0("`", wrong, "`", collapse = ", ")))
  }
  keyvault$set_secrets(plain)
  remember_secrets(Filter(function(value) nchar(value) >= 8L, unlist(plain)))
  invisible()
}

#' @rdname get_default_keyvault
#' @export
get_secrets <- function(keyvault, secrets) {
  check_object(keyvault, "Keyvault", "keyvault")
  lapply(keyvault$get_secrets(secret_names(secrets)), new_secret)
}

#' @rdname get_default_keyvault
#' @export
list_secrets <- function(keyvault) {
  check_object(keyvault, "Keyvault", "keyvault")
  keyvault$list_secrets()$name
}

#' @rdname get_default_keyvault
#' @export
delete_secrets <- function(keyvault, secrets) {
  check_object(keyvault, "Keyvault", "keyvault")
  invisible(keyvault$delete_secrets(secret_names(secrets)))
}

#' Read the secrets of a job
#'
#' Use it in a job's script to read the secrets that the job was given by `secrets` of [estimator()] or
#' [script_run_config()]. There it needs no Python. Elsewhere it reads them from the workspace's keyvault.
#'
#' The log shows `***` in place of the values, also if they are JSON-escaped, URL-encoded or in base64. Of a text with
#' several lines, each line of 4 or more characters is hidden. Values aren't hidden in files and metrics, or if the job
#' splits, compresses or encrypts them.
#'
#' @param run A run. In a job, `get_current_run()`.
#' @param secrets Character vector: names of secrets.
#' @return A named list of strings, which print as `<secret>`.
#' @section Errors:
#' * `espalier_error_secret_missing`: the run wasn't given the secret, or the keyvault doesn't have it any more.
#' @seealso [set_secrets()], `vignette("secrets")`
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' set_secrets(get_default_keyvault(ws), list(token = "abc-123-def"))
#' config <- script_run_config(command = "echo hello", secrets = "token")
#' run <- submit_experiment(experiment(ws, "secrets"), config)
#' get_secrets_from_run(run, "token")
#' @export
get_secrets_from_run <- function(run, secrets) {
  check_object(run, "Run", "run")
  secrets <- secret_names(secrets)
  id <- identity_of(run)[["id"]]
  if (!identical(id, basename(job_dir() %||% ""))) return(lapply(run$get_secrets(secrets), new_secret))
  given <- job_secrets()
  missing <- setdiff(unlist(secrets), names(given))
  if (length(missing)) {
    espalier_abort(
      "secret_missing",
      sprintf("Can't read the secret %s: the run %s wasn't given it.", paste(missing, collapse = ", "), id),
      "Give the job `secrets`, the names of secrets in the workspace's keyvault, when you submit it."
    )
  }
  lapply(given[unlist(secrets)], new_secret)
}

#' The secrets that this process's job was given: a named list (python-core/src/espalier/vault/channel.py)
#' @noRd
job_secrets <- function(path = Sys.getenv("ESPALIER_SECRETS")) {
  if (!nzchar(path)) return(list())
  size <- file.size(path)
  if (is.na(size)) {
    espalier_abort(
      "secret_missing", "Can't find the secrets of this job any more.",
      "Its run has ended, or this process runs as another user or in another container."
    )
  }
  bytes <- readBin(path, "raw", size)
  newline <- as.raw(10L)
  at <- match(newline, bytes) + 1L
  if (is.na(at) || rawToChar(bytes[seq_len(at - 2L)]) != "espalier secrets 1") {
    espalier_abort("damaged", "Can't read the secrets of this job: their record is damaged.", "Submit the job again.")
  }
  found <- list()
  while (at <= length(bytes)) {
    end <- at - 1L + match(newline, bytes[at:length(bytes)])
    words <- strsplit(rawToChar(bytes[at:(end - 1L)]), " ", fixed = TRUE)[[1L]]
    size <- as.integer(words[2L])
    value <- rawToChar(bytes[end + seq_len(size)])
    Encoding(value) <- "UTF-8"
    found[[words[1L]]] <- value
    at <- end + size + 2L
  }
  found
}

secret_names <- function(secrets) {
  if (missing(secrets)) abort_missing("secrets")
  if (!is.character(secrets) || anyNA(secrets)) abort_argument("secrets", "a character vector of names", secrets)
  as.list(enc2utf8(unname(secrets)))
}

# ---- a string that does not show itself -------------------------------------------------------------------

#' @noRd
new_secret <- function(value) {
  if (is.null(value)) return(NULL)
  remember_secrets(unclass(value))
  structure(value, class = c("espalier_secret", "character"))
}

# Values that this session has set or read, so that they are recognised where c() and paste() have made plain text of them.
read_secrets <- new.env(parent = emptyenv())

remember_secrets <- function(values) read_secrets$values <- union(read_secrets$values, unname(values))

bare_secret <- function(value) if (inherits(value, "espalier_secret")) as.character(value) else value

is_secret_text <- function(x) {
  if (inherits(x, "espalier_secret")) return(TRUE)
  if (!is.character(x)) return(FALSE)
  # (a short value stands in other texts by chance)
  long <- Filter(function(value) nchar(value) >= 8L, read_secrets$values)
  any(x %in% read_secrets$values, vapply(long, function(value) any(grepl(value, x, fixed = TRUE)), NA))
}

#' What these arguments hold is written into records, shown, and seen by other processes
#' @noRd
refuse_secrets <- function(x, arg) {
  secret <- vapply(as.list(x), is_secret_text, NA)
  if (inherits(x, "espalier_secret")) secret[] <- TRUE
  if (!any(secret)) return(invisible())
  named <- names(x)[secret]
  where <- if (length(named)) paste0(arg, "$", named, collapse = ", ") else arg
  espalier_abort(
    "bad_argument", sprintf("Can't use a secret's value in `%s`: it would stand in the run's records.", where),
    paste0(
      "Give the job `secrets`, the names of what it may read. It reads them with get_secrets_from_run(), and can set ",
      "the variable itself: Sys.setenv(NAME = ...)."
    ),
    argument = arg
  )
}

#' @export
format.espalier_secret <- function(x, ...) rep("<secret>", length(x))

#' @export
print.espalier_secret <- function(x, ...) {
  cat(format(x), sep = "\n")
  invisible(x)
}

#' @rawNamespace S3method(utils::str,espalier_secret)
str.espalier_secret <- function(object, ...) cat(" <secret>\n")

#' @export
`[.espalier_secret` <- function(x, i) new_secret(unclass(x)[i])

#' @export
`[[.espalier_secret` <- function(x, i) new_secret(unclass(x)[[i]])

#' @export
c.espalier_secret <- function(...) new_secret(c(unlist(lapply(list(...), unclass))))

#' @export
toString.espalier_secret <- function(x, ...) toString(format(x))

# (the names of secrets aren't secret)
#' @export
object_facts.Keyvault <- function(x) {
  names <- x$list_secrets()$name
  list(secrets = if (length(names)) shortened(names) else "none")
}

#' @export
summary.Keyvault <- function(object, ...) object$list_secrets()
