# Parts of a definition, each a small classed list: packages, a registry, the name of a secret.

#' Describe packages of an environment
#'
#' Use these in [r_environment()] if a package comes from a certain repository, or from a private one. Text is enough
#' otherwise: `"glmnet"`, or `"glmnet@4.1-8"` for one version.
#'
#' @param name String: name of the package.
#' @param version String: exactly this version. Default: the newest that the repositories have.
#' @param repo String: the repository, a URL or a name among `repositories` of [r_environment()]. The default stands for
#'   the repositories of the environment, with CRAN as of its `snapshot_date`.
#' @param repository String: `"user/repo"`, with `"/subfolder"` if the package lies in one, and `"@ref"` (a branch, tag
#'   or commit) or `"#12"` (a pull request).
#' @param auth_token [keyvault_secret()] of the token for a private repository. Default: none.
#' @return A list of class `espalier_package`.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument has the wrong type. [r_environment()] checks names.
#' @seealso [r_environment()], [keyvault_secret()]
#' @examples
#' cran_package("glmnet", "4.1-8")
#' github_package("user/repo/subfolder@v1.0", auth_token = keyvault_secret("github"))
#' @export
cran_package <- function(name, version = NULL, repo = "https://cloud.r-project.org") {
  check_string(name, "name")
  if (!is.null(version)) version <- check_string(as.character(version), "version")
  check_string(repo, "repo", null = TRUE)
  # (the ancestor's default is no wish: it would lead past the snapshot date)
  if (identical(sub("/+$", "", as.character(repo)), "https://cloud.r-project.org")) repo <- NULL
  new_part("package", list(name = name, version = version, repository = repo))
}

#' @rdname cran_package
#' @export
github_package <- function(repository, auth_token = NULL) {
  check_string(repository, "repository")
  pattern <- "^([^/@#]+/[^/@#]+)(?:/([^@#]+))?(?:@([^#]+)|#([0-9]+))?$"
  parts <- regmatches(repository, regexec(pattern, repository, perl = TRUE))[[1L]]
  if (!length(parts)) {
    abort_argument("repository", "written as user/repo, user/repo/subfolder, user/repo@ref or user/repo#12", repository)
  }
  none_if_empty <- function(x) if (nzchar(x)) x
  ref <- if (nzchar(parts[5L])) sprintf("refs/pull/%s/head", parts[5L]) else none_if_empty(parts[4L])
  new_part("package", list(
    repository = parts[2L], subdir = none_if_empty(parts[3L]), ref = ref, auth_token = secret_argument(auth_token, "auth_token")
  ))
}

#' Describe a registry of images
#'
#' Use this for `image_registry_details` of [r_environment()] if an environment begins with an image of a private
#' registry.
#'
#' @param address String: address of the registry, such as `"registry.example.org:5000"`. Default: none.
#' @param username String: name to log in with. Default: none.
#' @param password [keyvault_secret()] of the password. Default: none.
#' @return A list of class `espalier_registry`.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument has the wrong type, or the password is text.
#' @seealso [r_environment()], [set_image_registry()]
#' @examples
#' container_registry("registry.example.org", "me", keyvault_secret("registry"))
#' @export
container_registry <- function(address = NULL, username = NULL, password = NULL) {
  new_part("registry", list(
    address = check_string(address, "address", null = TRUE), username = check_string(username, "username", null = TRUE),
    password = secret_argument(password, "password")
  ))
}

#' Name a secret in place of its value
#'
#' Use this where a token or password is needed, in [github_package()], [container_registry()] and [r_environment()].
#' Only the name is recorded. The value is taken from the workspace's keyvault when it is needed.
#'
#' @param name String: name of the secret in the keyvault.
#' @return A list of class `espalier_secret_name`.
#' @section Errors:
#' * `espalier_error_bad_argument`: `name` isn't one string.
#' @seealso [set_secrets()]
#' @examples
#' keyvault_secret("github")
#' @export
keyvault_secret <- function(name) {
  new_part("secret_name", list(secret = check_string(name, "name")))
}

new_part <- function(kind, fields) {
  new_value(fields, paste0("espalier_", kind))
}

#' A secret by its name; its text is refused, and never shown
#' @noRd
secret_argument <- function(x, arg) {
  if (is.null(x)) return(NULL)
  if (inherits(x, "espalier_secret_name")) return(unclass(x))
  espalier_abort(
    "bad_argument", sprintf("Can't use the text of a secret in `%s`: give its name.", arg),
    c("Put the text into the workspace's keyvault, and name it here:",
      "  set_secrets(get_default_keyvault(ws), list(<name> = \"...\"))",
      sprintf("  %s = keyvault_secret(\"<name>\")", arg)),
    argument = arg
  )
}

#' @export
format.espalier_package <- function(x, ...) header("Package", c(x$name, x$repository)[1L], x$version)

#' @export
format.espalier_registry <- function(x, ...) header("Registry", x$address %||% "without an address")

#' @export
format.espalier_secret_name <- function(x, ...) header("Secret name", x$secret)

#' @export
value_facts.espalier_package <- function(x) {
  part_facts(unclass(x)[setdiff(names(x), c("name", "version", if (is.null(x$name)) "repository"))])
}

#' @export
value_facts.espalier_registry <- function(x) part_facts(unclass(x)[setdiff(names(x), "address")])

part_facts <- function(fields) lapply(fields, function(field) if (is.list(field)) paste("secret", field$secret) else field)

# ---- lists of packages -----------------------------------------------------------------------------

#' Packages of CRAN: a character vector (`"name"`, `"name@version"`), one cran_package(), or a list of these
#' @noRd
cran_argument <- function(x, arg = "cran_packages") {
  lapply(as_items(x, arg, "name"), function(item) {
    if (!is.character(item)) return(package_fields(item, arg, "name"))
    parts <- strsplit(item, "@", fixed = TRUE)[[1L]]
    if (length(parts) > 2L) abort_argument(arg, "made of names, or name@version", item)
    Filter(Negate(is.null), list(name = parts[1L], version = if (length(parts) == 2L) parts[2L]))
  })
}

#' Packages of GitHub, likewise
#' @noRd
github_argument <- function(x, arg = "github_packages") {
  lapply(as_items(x, arg, "repository"), function(item) {
    if (is.character(item)) item <- github_package(item)
    package_fields(item, arg, "repository")
  })
}

#' The items of a list of packages, each a string or a list of fields
#' @noRd
as_items <- function(x, arg, key) {
  if (is.null(x)) return(NULL)
  if (is.character(x)) {
    if (anyNA(x)) abort_argument(arg, "without NA", x)
    return(as.list(unname(x)))
  }
  if (inherits(x, "espalier_package") || (is.list(x) && key %in% names(x))) return(list(x))
  if (!is.list(x) || !is.null(names(x))) abort_argument(arg, "a character vector, or a list of packages", x)
  unlist(lapply(unname(x), as_items, arg = arg, key = key), recursive = FALSE)
}

package_fields <- function(item, arg, key) {
  fields <- unclass(item)
  if (!key %in% names(fields)) {
    verb <- if (key == "name") "cran_package()" else "github_package()"
    espalier_abort("bad_argument", sprintf("Can't use `%s`: an element isn't made by %s.", arg, verb), argument = arg)
  }
  # (lists as azuremlsdk makes them have no class, and a token in them is as plain)
  if (!is.null(fields$auth_token) && !inherits(item, "espalier_package")) {
    fields$auth_token <- secret_argument(fields$auth_token, sprintf("%s$auth_token", arg))
  }
  if (key == "name" && !inherits(item, "espalier_package")) names(fields)[names(fields) == "repo"] <- "repository"
  Filter(Negate(is.null), fields)
}

#' The R side of a definition with the session's repositories, where it asks for packages
#'
#' @param r Fields of the R side.
#' @noRd
with_session_repositories <- function(r) {
  if (!length(c(r$cran, r$github, r$urls, r$bioconductor))) return(r)
  found <- session_repositories()
  if (!is.null(r$snapshot_date)) {
    found <- found[names(found) != "CRAN" | grepl("{snapshot_date}", found, fixed = TRUE)]
  } else {
    found <- found[!grepl("{snapshot_date}", found, fixed = TRUE)]
  }
  if (length(found)) r$repositories <- as.list(found)
  r
}

#' options(repos) by name: without what stands for CRAN itself, which is the default
#' @noRd
session_repositories <- function() {
  urls <- unlist(getOption("repos"))
  urls <- urls[!is.na(urls) & grepl("://", urls, fixed = TRUE)]
  names <- sub("^[^A-Za-z]+", "", gsub("[^A-Za-z0-9_.-]+", "-", names(urls) %||% character(length(urls))))
  nameless <- which(!nzchar(names))
  names[nameless] <- paste0("repository", nameless)
  if (length(nameless) && !"CRAN" %in% names) names[nameless[1L]] <- "CRAN"
  urls <- stats::setNames(sub("/+$", "", urls), names)[!duplicated(names)]
  # (RStudio's own setting; both are addresses of one mirror)
  own <- c("https://cloud.r-project.org", "https://cran.rstudio.com")
  urls[names(urls) != "CRAN" | !sub("^http:", "https:", urls) %in% own]
}
