# Optional parts of the private environment, each installed when a verb first needs it. A part is a folder of its own,
# extras/<name>, which a file of the environment puts on Python's path: so it is complete or absent.

#' What is known of the environment and its parts: `packages`, `modules`, `megabytes` to download, `because`
#' @noRd
known_extras <- function() {
  if (is.null(.extras$known)) {
    known <- jsonlite::read_json(file.path(core_folders()$core, "espalier", "base", "extras.json"))
    .extras$known <- c(known, list(scanner = list(
      packages = "the compiled scanner", megabytes = 30L, because = "it takes snapshots of large folders faster"
    )))
  }
  .extras$known
}

.extras <- new.env(parent = emptyenv())

extra_names <- function() setdiff(names(known_extras()), "base")

check_extras <- function(extras) {
  if (identical(extras, "all")) return(extra_names())
  unknown <- if (is.character(extras)) setdiff(extras, extra_names())
  if (!is.character(extras) || length(unknown)) {
    espalier_abort("bad_argument", sprintf("Can't install the part %s.", deparse(if (length(unknown)) unknown[[1L]] else extras)),
                   sprintf("`extras` takes \"all\", or any of %s.", paste0("\"", extra_names(), "\"", collapse = ", ")))
  }
  unique(extras)
}

extra_folder <- function(env, name) file.path(env, "extras", name)

extras_there <- function(env) Filter(function(name) is_whole(extra_folder(env, name)), extra_names())

#' Put the folders of all parts on the path of an environment that is being made; those that aren't there don't count
#' @noRd
list_extras <- function(env) {
  site <- site_packages(env)
  # (relative, because the environment is renamed when it is complete)
  up <- paste(rep("..", if (.Platform$OS.type == "windows") 2L else 3L), collapse = "/")
  paths <- file.path(up, "extras", extra_names())
  writeLines(paths, file.path(site, "espalier-extras.pth"))
}

#' Install a part, unless it is there; again, if its modules were deleted
#' @noRd
install_extra <- function(env, name, uv = find_uv(env), offer = TRUE) {
  extra <- known_extras()[[name]]
  folder <- extra_folder(env, name)
  whole <- is_whole(folder)
  damaged <- whole && !has_modules(folder, name)
  if (!whole || damaged) place_whole(folder, damaged, function(place) {
    say(c("i" = "Installing {extra$packages} ({extra$megabytes} MB) because {extra$because}."))
    fill_extra(env, name, place, uv)
  })
  if (offer) offer_extra(env, name)
}

has_modules <- function(folder, name) {
  modules <- unlist(known_extras()[[name]]$modules)
  all(file.exists(file.path(folder, modules)) | file.exists(file.path(folder, paste0(modules, rep(".py", length(modules))))))
}

fill_extra <- function(env, name, place, uv) {
  what <- if (name == "scanner") native_source() else core_requirements(name)
  stage <- paste("Installing", known_extras()[[name]]$packages)
  out <- if (!is.null(uv)) install_by_uv(env, uv, what, stage, place)
  if (is.null(out) || out$status != 0L) {
    unlink(place, recursive = TRUE)
    out <- install_by_pip(env, what, stage, place)
  }
  if (out$status != 0L) abort_extra(name, out$lines)
}

abort_extra <- function(name, said) {
  espalier_abort(
    "python_missing",
    c(sprintf("Can't install %s.", known_extras()[[name]]$packages), reasons_in(said)),
    if (name == "scanner") "It needs a C++ compiler; on Debian and Ubuntu: sudo apt install g++ libssl-dev python3-dev."
    else what_to_do(said),
    extra = name, output = said
  )
}

# ---- in a session ----------------------------------------------------------------------------------

#' Install what a call of the core lacked
#'
#' @param response What the core answered.
#' @return Whether the call is worth another try.
#' @noRd
provide_extra <- function(response) {
  error <- response$error
  # (a job installs nothing, and reads so in the core's error)
  if (is.null(error) || error$code != "extra_missing" || nzchar(job_dir() %||% "")) return(FALSE)
  name <- error$fields$extra
  env <- managed_env()
  if (is.null(env) || !runs_in(env)) abort_own_python(name)
  if (name %in% .bridge$offered) return(FALSE)
  if (!is_whole(extra_folder(env, name))) ask_for_extra(name)
  install_extra(env, name)
  TRUE
}

#' Put a part on the path of the Python that runs in this session, if there is one that it fits
#' @noRd
offer_extra <- function(env, name) {
  if (is.null(.bridge$add_site) || !fits_python(env, .bridge$state$version)) return(invisible())
  undisturbed(.bridge$add_site(extra_folder(env, name), "[]"))
  .bridge$offered <- c(.bridge$offered, name)
}

ask_for_extra <- function(name) {
  extra <- known_extras()[[name]]
  ask_consent(
    sprintf("install %s", extra$packages),
    sprintf("espalier needs %s (%s MB): %s.", extra$packages, extra$megabytes, extra$because),
    sprintf("install_espalier(\"%s\")", name), code = "extra_missing", extra = name
  )
}

#' A Python of the user's lacks a part: nothing is installed into it
#' @noRd
abort_own_python <- function(name) {
  extra <- known_extras()[[name]]
  python <- .bridge$state$python
  pip <- sprintf("%s -m pip install %s", shQuote(python), paste(shQuote(core_requirements(name)), collapse = " "))
  espalier_abort(
    "extra_missing", sprintf("Can't find %s in your Python %s: %s.", extra$packages, python, extra$because),
    sprintf("Install it: %s", pip), extra = name, install = pip
  )
}
