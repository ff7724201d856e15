#' Define an environment
#'
#' Use these to name the packages that a script needs, so that each run gets the same ones. They also describe the
#' image, if the job runs in Docker.
#'
#' An environment is a value: nothing is looked up or installed before a run needs it, or before [build_environment()].
#' Equal definitions share an image, also under different names. `python_environment()` is the same for Python scripts.
#' Either may have packages of both languages. The arguments after `shm_size` aren't in azuremlsdk.
#'
#' @section Packages: `"glmnet"` or `"glmnet@4.1-8"` names a package of CRAN. Without a version it is the one that CRAN
#'   had on `snapshot_date`, or, without a date, the newest at the first build. [lock_environment()] keeps that one for
#'   good.
#' @section Secrets: A definition holds no token or password. Put it into the workspace's keyvault and name it:
#'   `keyvault_secret("name")`. URLs with credentials are refused. `environment_variables` are kept in plain text, with
#'   the workspace and with each run. A name that looks like a secret's gives a warning, once a session. Give secrets to
#'   jobs by `secrets` of [estimator()] instead.
#' @section Without Docker: R and Python packages are installed for this machine's R and Python. Debian packages,
#'   another version of R and a base image need a container: `compute_target = "docker"` of [estimator()].
#'
#' @param name String: letters, digits, `_`, `-` and `.`. Names that begin with `AzureML`, `Microsoft` or `espalier` are
#'   reserved.
#' @param version String or number. Leave it out, because [register_environment()] counts versions. It matters only if
#'   the workspace has an equal environment of that version.
#' @param environment_variables Named list or character vector of variables that jobs find. Default: none.
#' @param r_version String: version of R, `"4.3"` or `"4.3.1"`. Default: any.
#' @param rscript_path String: path of the Rscript to use as it is. Nothing is installed for R then. Default: none.
#' @param snapshot_date A day, `"2024-05-01"` or a `Date`: CRAN packages are those of that day. Default: none.
#' @param cran_packages,github_packages,bioconductor_packages Character vectors of packages. The first two also take
#'   [cran_package()] and [github_package()], or lists of them. Default: none.
#' @param custom_url_packages Character vector: URLs of source packages (`.tar.gz`). Default: none.
#' @param custom_docker_image String: the image to begin with. Default: `rocker/r-ver`, or `python`.
#' @param image_registry_details A [container_registry()] that has the image. Default: the one that its name stands for.
#' @param use_gpu Logical: whether jobs take a graphics processor, unless they set `gpus` themselves. Default: `FALSE`.
#' @param shm_size Shared memory of a container: `"2g"`, or a number of bytes. Default: Docker's 64 MB.
#' @param apt_packages Character vector: Debian packages of the image, such as `"libxml2-dev"`. Default: none.
#' @param repositories Named character vector of CRAN-like repositories. Default: `getOption("repos")`, as it is now,
#'   with CRAN as of `snapshot_date`. `character()` is CRAN alone. `CRAN` among the names replaces CRAN's address, and
#'   `{snapshot_date}` in an address stands for the day.
#' @param python_version String: version of Python, `"3.11"`. Default: any.
#' @param pip_packages,conda_packages Character vectors: lines as in a requirements file, and packages of conda
#'   (`"numpy=1.26"`). Default: none.
#' @param conda_channels Character vector: channels in the order of the search. Default: `"conda-forge"`.
#' @param python_path String: path of the Python to use as it is. Nothing is installed for Python then. Default: none.
#' @param pip_index_url,pip_extra_index_urls URLs of indexes in place of PyPI (a string), and besides it (a character
#'   vector). The first may name a user. Default: PyPI alone.
#' @param pip_index_password [keyvault_secret()] of that user's password. Default: none.
#' @param ... For `r_environment()` also the arguments of `python_environment()` about Python. For both, by name:
#'   * `base_dockerfile`: text or path of a Dockerfile in place of an image. See also [environment_from_dockerfile()].
#'   * `docker_steps`: character vector of further lines of the Dockerfile, after the Debian packages.
#'   * `ca_certificate`: path of a certificate (PEM) to trust in the image, as company proxies need.
#'   * `pip_config`: path of a `pip.conf` for the image.
#'   * `platform`: `"linux/amd64"` or `"linux/arm64"`. Default: that of the engine.
#'   * `description` (a string), `tags` (named text): for people. They don't change what is built.
#' @return An `Environment` object, which holds the definition only: it can be saved, and compared by `==`. `as.list()`
#'   returns its fields, named as in [environment_yaml].
#' @section Errors:
#' * `espalier_error_environment_invalid`: the definition is wrong or contradictory. The message names the field.
#' * `espalier_error_bad_name`: `name` breaks the rule.
#' * `espalier_error_bad_argument`: an argument has the wrong type, or isn't known.
#' * `espalier_error_needs_docker`: a job without a container uses an environment that needs one.
#' @seealso [register_environment()], [environment_from_renv_lockfile()], [write_environment()], [build_environment()]
#' @examplesIf espalier:::espalier_python_ready()
#' r_environment("tidy", cran_packages = c("glmnet", "ranger@0.16.0"), snapshot_date = "2024-05-01")
#' python_environment("trees", python_version = "3.11", pip_packages = c("lightgbm==4.3.0", "pandas"))
#' r_environment(
#'   "private", r_version = "4.3", apt_packages = "libxml2-dev",
#'   github_packages = github_package("user/repo@v1.0", auth_token = keyvault_secret("github"))
#' )
#' @export
r_environment <- function(name, version = NULL, environment_variables = NULL, r_version = NULL, rscript_path = NULL,
                          snapshot_date = NULL, cran_packages = NULL, github_packages = NULL,
                          custom_url_packages = NULL, bioconductor_packages = NULL, custom_docker_image = NULL,
                          image_registry_details = NULL, use_gpu = FALSE, shm_size = NULL, apt_packages = NULL,
                          repositories = NULL, ...) {
  r <- list(
    version = version_argument(r_version, "r_version"),
    rscript_path = program_argument(rscript_path, "rscript_path"),
    snapshot_date = date_argument(snapshot_date),
    repositories = named_strings(repositories, "repositories"),
    cran = cran_argument(cran_packages),
    github = github_argument(github_packages),
    urls = check_strings(custom_url_packages, "custom_url_packages"),
    bioconductor = check_strings(bioconductor_packages, "bioconductor_packages")
  )
  if (is.null(repositories)) r <- with_session_repositories(r)
  more <- further_arguments(list(...), names(.python_arguments))
  python <- more[intersect(names(.python_arguments), names(more))]
  names(python) <- .python_arguments[names(python)]
  new_environment(
    name, version, environment_variables, use_gpu, shm_size, more, r = said(r, always = TRUE),
    python = do.call(python_side, python),
    docker = docker_side(custom_docker_image, image_registry_details, apt_packages, more)
  )
}

#' @rdname r_environment
#' @export
python_environment <- function(name, python_version = NULL, pip_packages = NULL, conda_packages = NULL,
                               conda_channels = NULL, python_path = NULL, pip_index_url = NULL,
                               pip_extra_index_urls = NULL, pip_index_password = NULL, version = NULL,
                               environment_variables = NULL, custom_docker_image = NULL, image_registry_details = NULL,
                               use_gpu = FALSE, shm_size = NULL, apt_packages = NULL, ...) {
  python <- python_side(
    python_version, pip_packages, conda_packages, conda_channels, python_path, pip_index_url, pip_extra_index_urls,
    pip_index_password, always = TRUE
  )
  more <- further_arguments(list(...))
  new_environment(
    name, version, environment_variables, use_gpu, shm_size, more, r = NULL, python = python,
    docker = docker_side(custom_docker_image, image_registry_details, apt_packages, more)
  )
}

# What both take besides; and how python_side() calls what r_environment() takes for it.
.further_arguments <- c("base_dockerfile", "docker_steps", "ca_certificate", "pip_config", "platform", "description", "tags")
.python_arguments <- c(
  python_version = "version", pip_packages = "pip", conda_packages = "conda", conda_channels = "channels",
  python_path = "path", pip_index_url = "index_url", pip_extra_index_urls = "extra_index_urls",
  pip_index_password = "index_password"
)

further_arguments <- function(given, known = character()) {
  refuse_unknown_options(names(given) %||% rep("", length(given)), c(.further_arguments, known))
  given
}

new_environment <- function(name, version, variables, use_gpu, shm_size, more, r, python, docker) {
  if (missing(name)) abort_missing("name")
  check_name(name)
  fields <- list(
    name = name,
    version = version_argument(version, "version"),
    description = check_string(more[["description"]], "description", null = TRUE),
    tags = named_strings(more[["tags"]], "tags"),
    r = r, python = python, docker = docker,
    variables = named_strings(variables, "environment_variables"),
    use_gpu = if (check_flag(use_gpu, "use_gpu")) TRUE,
    shm_size = size_argument(shm_size)
  )
  # (a side that leaves all open is a side)
  with_notes_told(Environment__from_mapping(Filter(Negate(is.null), fields)))
}

#' An environment, after its notes were shown
#' @noRd
with_notes_told <- function(environment) {
  for (note in unlist(environment$notes())) warn_once(note)
  environment
}

python_side <- function(version = NULL, pip = NULL, conda = NULL, channels = NULL, path = NULL, index_url = NULL,
                        extra_index_urls = NULL, index_password = NULL, always = FALSE) {
  conda <- said(list(
    channels = check_strings(channels, "conda_channels"), dependencies = check_strings(conda, "conda_packages")
  ))
  said(always = always, list(
    interpreter_path = program_argument(path, "python_path"),
    version = version_argument(version, "python_version"),
    conda = conda,
    pip = check_strings(pip, "pip_packages"),
    index_url = check_string(index_url, "pip_index_url", null = TRUE),
    extra_index_urls = check_strings(extra_index_urls, "pip_extra_index_urls"),
    index_password = secret_argument(index_password, "pip_index_password")
  ))
}

docker_side <- function(image, registry, apt_packages, more) {
  said(list(
    base_image = check_string(image, "custom_docker_image", null = TRUE),
    base_dockerfile = dockerfile_argument(more[["base_dockerfile"]]),
    registry = registry_argument(registry),
    apt = check_strings(apt_packages, "apt_packages"),
    steps = check_strings(more[["docker_steps"]], "docker_steps"),
    platform = check_string(more[["platform"]], "platform", null = TRUE),
    ca_certificate = file_text(more[["ca_certificate"]], "ca_certificate"),
    pip_config = file_text(more[["pip_config"]], "pip_config")
  ))
}

# ---- arguments -------------------------------------------------------------------------------------

#' The fields that say something; NULL when none does
#' @noRd
said <- function(fields, always = FALSE) {
  fields <- Filter(length, fields)
  if (length(fields)) fields else if (always) empty_object()
}

#' A version is text; a number may have lost a digit
#' @noRd
version_argument <- function(x, arg) {
  if (is.null(x)) return(NULL)
  if (inherits(x, "numeric_version")) return(as.character(x))
  if (arg == "version" && is.numeric(x)) return(format(check_number(x, arg), scientific = FALSE))
  if (is.numeric(x) && !is.object(x)) {
    abort_argument(arg, "a string", x, "Quote it, \"4.3\". As numbers, 4.10 and 4.1 are the same.")
  }
  enc2utf8(check_string(x, arg))
}

date_argument <- function(x) {
  if (is.null(x)) return(NULL)
  if (inherits(x, c("Date", "POSIXt")) && length(x) == 1L && !is.na(x)) return(format(x, "%Y-%m-%d"))
  check_string(x, "snapshot_date")
}

#' Bytes, or text such as "2g"
#' @noRd
size_argument <- function(x) {
  if (is.null(x)) return(NULL)
  if (is.numeric(x)) return(format(check_number(x, "shm_size"), scientific = FALSE))
  check_string(x, "shm_size")
}

#' The program that is there: by its path, or by its name where PATH finds it
#' @noRd
program_argument <- function(x, arg) {
  if (is.null(x)) return(NULL)
  check_string(x, arg)
  if (startsWith(x, "~")) path.expand(x) else x
}

dockerfile_argument <- function(x) {
  if (is.null(x)) return(NULL)
  if (!is.character(x) || !length(x) || anyNA(x)) abort_argument("base_dockerfile", "text, or the name of a file", x)
  if (length(x) > 1L) return(paste(enc2utf8(x), collapse = "\n"))
  if (grepl("\n", x, fixed = TRUE) || grepl("^\\s*(FROM|ARG)\\s", x, ignore.case = TRUE)) return(enc2utf8(x))
  file_text(x, "base_dockerfile")
}

#' The text of a file
#' @noRd
file_text <- function(path, arg) {
  if (is.null(path)) return(NULL)
  path <- path_argument(path, arg)
  if (!utils::file_test("-f", path)) {
    espalier_abort("bad_argument", sprintf("Can't find the file %s, given as `%s`.", encodeString(path), arg), argument = arg)
  }
  text <- paste(readLines(path, warn = FALSE, encoding = "UTF-8"), collapse = "\n")
  if (!validUTF8(text)) abort_argument(arg, "a file of UTF-8 text", path)
  paste0(text, "\n")
}

registry_argument <- function(x) {
  if (is.null(x)) return(NULL)
  if (!is.list(x)) abort_argument("image_registry_details", "made by container_registry()", x)
  if (inherits(x, "espalier_registry")) return(unclass(x))
  x$password <- secret_argument(x$password, "image_registry_details$password")
  Filter(Negate(is.null), x)
}

# ---- methods ---------------------------------------------------------------------------------------

#' @export
as.list.Environment <- function(x, ...) {
  result_json(jsonlite::parse_json(identity_of(x)[["definition"]]))
}

#' @export
object_title.Environment <- function(x) {
  fields <- jsonlite::parse_json(identity_of(x)[["definition"]])
  paste(c(fields$name, fields$version), collapse = ", version ")
}

#' @export
summary.Environment <- function(object, ...) {
  structure(list(text = get_environment_yaml(object)), class = "espalier_environment_text")
}

#' @export
print.espalier_environment_text <- function(x, ...) {
  cat(safe_line(x$text))
  invisible(x)
}

# (what is shown needs no Python: everything is in the object)
#' @export
object_facts.Environment <- function(x) {
  all <- as.list(x)
  c(environment_r_facts(all$r), environment_python_facts(all$python), environment_docker_facts(all$docker), Filter(length, list(
    description = all$description,
    tags = if (length(all$tags)) paste(names(all$tags), unlist(all$tags), sep = " = "),
    variables = if (length(all$variables)) {
      shown <- hide_secrets(all$variables)
      paste0(names(shown), "=", unlist(shown))
    },
    gpu = if (isTRUE(all$use_gpu)) "yes",
    "shared memory" = all$shm_size
  )))
}

environment_r_facts <- function(r) {
  if (is.null(r)) return(NULL)
  if (!is.null(r$rscript_path)) return(list(R = paste(r$rscript_path, "as it is")))
  base <- paste(c(if (!is.null(r$version)) r$version else "any version",
                  if (!is.null(r$snapshot_date)) paste("CRAN of", r$snapshot_date)), collapse = ", ")
  at <- function(package) paste0(package$name, if (!is.null(package$version)) paste0("@", package$version))
  from <- function(package) {
    paste0(package$repository, if (!is.null(package$subdir)) paste0("/", package$subdir),
           if (!is.null(package$ref)) sub("^@refs/pull/([0-9]+)/head$", "#\\1", paste0("@", package$ref)))
  }
  Filter(length, list(
    R = base, CRAN = shortened(vapply(r$cran, at, "")), GitHub = shortened(vapply(r$github, from, "")),
    Bioconductor = shortened(unlist(r$bioconductor)), URLs = shortened(unlist(r$urls)),
    repositories = if (length(r$repositories)) shortened(paste(names(r$repositories), unlist(r$repositories), sep = " = "))
  ))
}

environment_python_facts <- function(python) {
  if (is.null(python)) return(NULL)
  if (!is.null(python$interpreter_path)) return(list(Python = paste(python$interpreter_path, "as it is")))
  Filter(length, list(
    Python = if (is.null(python$version)) "any version" else python$version,
    pip = shortened(unlist(python$pip)), conda = shortened(unlist(python$conda$dependencies)),
    channels = shortened(unlist(python$conda$channels)), index = python$index_url
  ))
}

environment_docker_facts <- function(docker) {
  if (is.null(docker)) return(NULL)
  context <- docker$build_context
  Filter(length, list(
    image = docker$base_image,
    Dockerfile = if (!is.null(docker$base_dockerfile)) sprintf("%d lines", length(strsplit(docker$base_dockerfile, "\n")[[1L]])),
    "build context" = if (is.null(context$path)) context$snapshot else context$path,
    registry = docker$registry$address, Debian = shortened(unlist(docker$apt)),
    steps = if (length(docker$steps)) sprintf("%d lines", length(docker$steps)),
    platform = docker$platform, certificate = if (!is.null(docker$ca_certificate)) "given"
  ))
}

#' A list of packages on a line, not too long
#' @noRd
shortened <- function(items, most = 8L) {
  if (length(items) <= most) return(items)
  c(items[seq_len(most - 1L)], sprintf("and %d more", length(items) - most + 1L))
}
