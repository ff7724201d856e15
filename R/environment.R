#' Define an environment
#'
#' An environment says which packages of R and Python a script needs, and what its image is made of if it runs in Docker.
#' It is a value: nothing is looked up or installed before a run needs it, or [build_environment()] is called. Equal
#' definitions give the same image, also under different names. [compare_environments()] shows what makes two different.
#'
#' `r_environment()` has azuremlsdk's arguments; those after `shm_size` are espalier's own. `python_environment()` is the
#' same for Python scripts. Either may have both sides.
#'
#' @section Packages: `cran_packages` is a character vector, `"glmnet"` or `"glmnet@4.1-8"`, or [cran_package()]s. With
#'   `snapshot_date`, what has no version is what CRAN had on that day; without, what is newest when the environment is
#'   first built; [lock_environment()] keeps that for good.
#' @section Secrets: no definition holds a token or password. Put it into the workspace's keyvault and name it:
#'   `keyvault_secret("name")`. URLs with credentials in them are refused.
#'   What `environment_variables` hold is kept in plain text, with the workspace and with each run: for a variable whose name
#'   looks like that of a secret (`DB_PASSWORD`, but also `TOKENIZERS_PARALLELISM`) there is a warning, once a session. Give a
#'   secret to jobs by `secrets` of [estimator()] instead.
#' @section Without Docker: R and Python packages are installed for this machine's R and Python. What only an image can have
#'   (Debian packages, another version of R, a base image) is an error then, `espalier_error_needs_docker`: such jobs run in a
#'   container, with `compute_target = "docker"` of [estimator()].
#'
#' @param name Its name: letters, digits, `_`, `-` and `.`. Names that begin with `AzureML`, `Microsoft` or `espalier` are
#'   reserved.
#' @param version Leave it out: [register_environment()] gives versions, 1, 2, 3 and so on. One that is given counts only where
#'   the workspace has an equal environment of that version.
#' @param environment_variables Named list or character vector of variables that jobs find.
#' @param r_version Version of R, `"4.3"` or `"4.3.1"`; a string, for as numbers 4.10 and 4.1 are the same.
#' @param rscript_path The Rscript to use as it is, with the packages it has; then nothing is installed for R.
#' @param snapshot_date A day, `"2024-05-01"` or a `Date`: CRAN packages are those of that day.
#' @param cran_packages,github_packages,bioconductor_packages Packages: character vectors, or made by [cran_package()] and
#'   [github_package()].
#' @param custom_url_packages URLs of source packages (`.tar.gz`).
#' @param custom_docker_image The image to begin with, instead of `rocker/r-ver` or `python`. See also [environment_from_docker_image()].
#' @param image_registry_details Where that image lies, [container_registry()].
#' @param use_gpu `TRUE`: jobs take a graphics processor, unless they say how many (`gpus` of [estimator()]).
#' @param shm_size How much shared memory a container has, `"2g"`.
#' @param apt_packages Debian packages to install into the image, such as `"libxml2-dev"`.
#' @param repositories Named character vector of CRAN-like repositories. `CRAN` among them replaces CRAN's own address. In
#'   addresses `{snapshot_date}` stands for the day. By default those of the session, `getOption("repos")`, as they are
#'   now: they become part of the definition. With a `snapshot_date`, CRAN is that of the day instead. `character()` for
#'   CRAN alone.
#' @param python_version Version of Python, `"3.11"`.
#' @param pip_packages,conda_packages Python packages: lines as in a requirements file, and packages of conda
#'   (`"numpy=1.26"`).
#' @param conda_channels Where those are looked for, the first first.
#' @param python_path The Python to use as it is; then nothing is installed for Python.
#' @param pip_index_url,pip_extra_index_urls Where pip packages are looked for, instead of PyPI or besides. The URL may name
#'   a user.
#' @param pip_index_password [keyvault_secret()] of the password for it.
#' @param ... For `r_environment()` also the arguments of `python_environment()` about Python. For both, by name:
#'   * `base_dockerfile`: the text of a Dockerfile, or its file, instead of an image. See also [environment_from_dockerfile()].
#'   * `docker_steps`: character vector of further lines of the Dockerfile, after the Debian packages.
#'   * `ca_certificate`: path of a certificate (PEM) to trust in the image, as company proxies need.
#'   * `pip_config`: path of a `pip.conf` for the image.
#'   * `platform`: `"linux/amd64"` or `"linux/arm64"`. Default: that of the engine.
#'   * `description`, `tags`: texts for people, `tags` by name. They don't change what is built.
#' @return An `Environment` object: nothing but the definition, so it can be saved, and compared by `==`. `as.list()` gives
#'   its fields, as [environment_yaml] has them.
#' @section Errors: `espalier_error_environment_invalid`, which names the field; `espalier_error_bad_name`,
#'   `espalier_error_bad_argument`. A warning of class `espalier_warning` about variables that look like secrets.
#' @seealso [register_environment()], [environment_from_renv_lockfile()] and other files, [write_environment()].
#' @examplesIf espalier:::espalier_python_ready()
#' env <- r_environment(
#'   "tidy", r_version = "4.3", snapshot_date = "2024-05-01",
#'   cran_packages = c("glmnet", "ranger@0.16.0"),
#'   github_packages = github_package("user/repo@v1.0", auth_token = keyvault_secret("github")),
#'   apt_packages = "libxml2-dev"
#' )
#' env
#' python_environment("trees", python_version = "3.11", pip_packages = c("lightgbm==4.3.0", "pandas"))
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
    abort_argument(arg, "a string", x, "Quote it, \"4.3\": as numbers 4.10 and 4.1 are the same.")
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
