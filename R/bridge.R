# The bridge to the Python core: the only R file that names reticulate. One JSON text goes in, one comes out
# (inst/python/espalier_bridge/calls.py is the other end), because reticulate's own converters lose NA, integers
# beyond 2^31 and more. Python starts at the first call, never when the package is loaded.

.bridge <- new.env(parent = emptyenv())

#' Call one method of the core
#'
#' @param class,method What to call; only what the described API lists is reachable.
#' @param identity The object's identity, a named character vector; `NULL` for a class method.
#' @param args_json The arguments as a JSON object.
#' @param decode Reads the result; one of the `result_*()` functions.
#' @return The decoded result.
#' @noRd
core_call <- function(class, method, identity = NULL, args_json = "{}", decode = result_json) {
  look_again()
  without <- answer_in_job(class, method, identity, args_json)
  if (!is.null(without)) return(decode(without$value))
  callable <- bridge_callable()
  request <- core_request(class, method, identity, args_json)
  ask <- function() {
    response <- undisturbed(callable(request))
    if (nzchar(response)) jsonlite::parse_json(response)
  }
  response <- ask()
  while (provide_extra(response)) response <- ask()
  core_answer(response, decode)
}

#' A call of Python that no interrupt leaves by a jump; one that comes meanwhile is seen right after it
#'
#' In reticulate up to 1.28 an interrupt calls R from within Python, and if R leaves from there, Python's stack is lost:
#' the next call crashes R. So calls are short, and what may take long goes by `core_call_long()`. A time limit of the
#' user's (setTimeLimit()) that is reached meanwhile is lost there, but for the text of its error: it is raised again.
#' @noRd
undisturbed <- function(code) {
  before <- geterrmessage()
  result <- suspendInterrupts({
    # (reticulate lets R print that error, and run the handler of all errors)
    old <- options(show.error.messages = FALSE, error = NULL)
    result <- tryCatch(list(keeping_seed(code)), error = identity)
    options(old)
    result
  })
  if (inherits(result, "error")) stop(result)
  if (!identical(before, after <- geterrmessage())) raise_time_limit(after)
  Sys.sleep(0) # (here R looks for interrupts and time limits)
  result[[1L]]
}

#' The errors of R's time limits, in the words of this session's language
#' @noRd
raise_time_limit <- function(text) {
  limits <- c(
    "reached elapsed time limit", "reached session elapsed time limit", "reached CPU time limit",
    "reached session CPU time limit"
  )
  for (limit in gettext(limits, domain = "R")) if (grepl(limit, text, fixed = TRUE)) stop(limit, call. = FALSE)
}

core_request <- function(class, method, identity, args_json) {
  who <- if (is.null(identity)) "null" else identity_json(identity)
  paste0("{\"class\":\"", class, "\",\"member\":\"", method, "\",\"identity\":", who, ",\"args\":", args_json, "}")
}

#' An identity as a JSON object; each call has one, and often that of the call before
#' @noRd
identity_json <- function(identity) {
  if (identical(identity, .bridge$last$identity)) return(.bridge$last$json)
  # (one assignment: an interrupt between two would leave the one without the other)
  .bridge$last <- list(identity = identity, json = new_identity_json(identity))
  .bridge$last$json
}

new_identity_json <- function(identity) {
  text <- json_string(c(names(identity), identity), "identity")
  keys <- seq_along(identity)
  paste0("{", paste0(text[keys], ":", text[-keys], collapse = ","), "}")
}

#' What the core answered: its warnings, then its error or its value; NULL for neither
#' @noRd
core_answer <- function(response, decode) {
  for (said in response$warnings) warn_from_core(said)
  if (!is.null(response$error)) raise_core_error(response$error)
  decode(response$value)
}

#' The functions for calls that may take long: start, look, cancel, abandon; after making sure that this process may use them
#' @noRd
bridge_jobs <- function() {
  bridge_callable()
  .bridge$jobs
}

#' The cached callable, after making sure that this process may use it
#' @noRd
bridge_callable <- function() {
  refuse_forked()
  if (is.null(.bridge$call)) keeping_session(bridge_connect()) else .bridge$call
}

#' Threads and locks of the parent's Python do not exist in a forked child: a call could hang for ever
#'
#' A child of a session that had no Python may start its own.
#' @noRd
refuse_forked <- function() {
  here <- Sys.getpid()
  if (identical(.bridge$pid, here)) return(invisible())
  if (!is.null(.bridge$pid) || (is_forked() && !is.null(python_running()))) abort_forked()
  invisible()
}

#' Whether parallel made this process by a fork
#' @noRd
is_forked <- function() {
  # (parallel tells it by no other way; a fork without parallel has no name to ask for)
  .Platform$OS.type == "unix" && isNamespaceLoaded("parallel") && asNamespace("parallel")$isChild()
}

abort_forked <- function() {
  espalier_abort(
    "forked", "Can't use the core in this process: it was forked from a session that had started Python.",
    c("Forked workers (mclapply, multicore futures) can't use the core. Logging in a job works in them.",
      "Use PSOCK clusters, callr or mirai, or call espalier in the parent only."),
    pid = Sys.getpid(), parent_pid = .bridge$pid
  )
}

bridge_forget <- function() {
  rm(list = ls(.bridge, all.names = TRUE), envir = .bridge)
}

#' Start Python (or join the one that runs), load the core, cache the callable
#' @noRd
bridge_connect <- function() {
  load_reticulate()
  running <- python_running()
  choice <- python_choose(running)
  if (nzchar(choice$env)) note_on_reticulate()
  variables <- all_variables()
  entry <- tryCatch(bridge_boot(choice), error = function(e) abort_start(e, choice))
  folders <- core_folders()
  cache <- file.path(cache_folder(), "pycache")
  connect <- entry$connect
  state <- jsonlite::parse_json(
    connect(folders$core, cache, as.character(jsonlite::toJSON(core_requirements())), choice$env)
  )
  state$how <- choice$how
  state$chosen <- is_users_choice(choice, state)
  # (what is started from a Python of the user's finds its folder first, as reticulate has it)
  if (nzchar(choice$env)) entry$own_environment(variables_json(variables))
  abort_if_unmet(state)
  bridge_complete(entry, state)
  .bridge$state <- state
  .bridge$add_site <- entry$add_site
  bridge_offer(entry, state)
  .bridge$token <- state$token
  .bridge$pid <- Sys.getpid()
  .bridge$jobs <- list(
    start = entry$jobs$start, look = entry$jobs$look, cancel = entry$jobs$cancel, abandon = entry$jobs$abandon
  )
  .bridge$call <- entry$call
  .bridge$call
}

#' A session has one Python. A session that has attached reticulate is mostly one that wants another than espalier's own
#' @noRd
note_on_reticulate <- function() {
  if ("package:reticulate" %in% search()) {
    inform_once("own_python", c(
      "espalier starts this session's Python: its private one, because none was chosen.",
      "To use another with reticulate, restart R and call reticulate::use_python() before the first call of espalier."
    ))
  }
}

#' With reticulate comes Matrix, whose classes leave so much garbage when they are made that R's heap grows to twice what
#' it needs, and stays so: 60 MB. Collected at shorter intervals it is not left, in the same time.
#' @noRd
load_reticulate <- function() {
  before <- gctorture2(200000L)
  on.exit(gctorture2(before))
  keeping_seed_at_top_level(loadNamespace("reticulate"))
}

#' The module espalier_bridge, imported in a Python started according to the choice
#' @noRd
bridge_boot <- function(choice) {
  # Without a locale (cron, a bare container) a Python inside R would take file names for ASCII. One on its own, like
  # the runner's, takes them for UTF-8 there; so this one starts in a locale that makes it do the same.
  locale <- Sys.getlocale("LC_CTYPE")
  bare <- locale %in% c("C", "POSIX")
  # (any choice the user made wins over the fallback)
  put_back <- set_variables(c(
    RETICULATE_PYTHON_FALLBACK = choice$fallback, LC_ALL = if (bare) "C.UTF-8",
    RETICULATE_CHECK_REQUIRED_PACKAGES = if (!checks_packages()) "false",
    # (else reticulate downloads one, although there is one)
    RETICULATE_UV = if (!is.null(choice$require) && !nzchar(Sys.getenv("RETICULATE_UV"))) find_uv()
  ))
  on.exit({
    put_back()
    if (bare) Sys.setlocale("LC_CTYPE", locale) # (Python has set it by the variable)
  })
  if (!is.null(choice$use)) reticulate::use_python(choice$use, required = TRUE)
  if (!is.null(choice$require)) reticulate_function("py_require")(choice$require)
  code <- c(
    "def boot(folder):",
    "    import sys",
    "    before = sys.pycache_prefix",
    "    if folder not in sys.path: sys.path.append(folder)",
    "    if before is None: sys.pycache_prefix = boot_cache",
    "    try:",
    "        import espalier_bridge",
    "    finally:",
    "        sys.pycache_prefix = before",
    "    return espalier_bridge"
  )
  cache <- file.path(cache_folder(), "pycache")
  code <- sub("boot_cache", json_string(cache), code, fixed = TRUE)
  names <- reticulate::py_run_string(paste(code, collapse = "\n"), local = TRUE, convert = FALSE)
  boot <- reticulate::py_get_item(names, "boot")
  reticulate::py_call(boot, core_folders()$bridge)
  # (imported anew because this one converts: its functions return strings)
  reticulate::import("espalier_bridge", convert = TRUE)
}

#' Set variables of the environment for a moment: nothing else of the session should see them
#' @return The function that puts back what was there.
#' @noRd
set_variables <- function(values) {
  set <- function(values) if (length(values)) do.call(Sys.setenv, as.list(values))
  old <- vapply(names(values), Sys.getenv, "", unset = NA)
  set(values)
  function() {
    Sys.unsetenv(names(old)[is.na(old)])
    set(old[!is.na(old)])
  }
}

#' Where the two halves of the Python code lie: beside each other when installed, apart in a source tree
#' @noRd
core_folders <- function() {
  top <- getNamespaceInfo(topenv(), "path")
  installed <- file.path(top, "python")
  if (dir.exists(file.path(installed, "espalier_bridge"))) return(list(core = installed, bridge = installed))
  source <- file.path(top, "python-core", "src")
  list(core = source, bridge = file.path(top, "inst", "python"))
}

abort_start <- function(error, choice) {
  espalier_abort(
    "python_missing", "Can't start Python.",
    c(sprintf("It was chosen by %s. reticulate %s can start Python %s.", choice$how, reticulate_version(),
              python_range()),
      "espalier_sitrep() reports each problem with its fix."),
    parent = error
  )
}

abort_if_unmet <- function(state) {
  if (utils::compareVersion(state$version, "3.9") < 0) {
    espalier_abort(
      "python_unmet",
      sprintf("Can't use this session's Python %s (%s): espalier needs 3.9 or later.", state$version, state$python),
      paste0("It was chosen by ", state$how, ". Restart R without that choice, or choose a newer Python."),
      python = state$python
    )
  }
  if (!is.null(state$foreign)) {
    espalier_abort(
      "python_unmet",
      sprintf("Can't use this session's Python: it has loaded another module named espalier, from %s.", state$foreign),
      "Restart R, and call espalier before the code that imports that module.", python = state$python
    )
  }
  for (need in Filter(function(need) isTRUE(need$loaded), state$unmet)) {
    espalier_abort(
      "python_unmet",
      sprintf("Can't use this session's Python: it has loaded %s %s, and espalier needs %s or later.", need$name, need$found,
              need$need),
      sprintf("Restart R and call espalier first, or run: %s -m pip install \"%s>=%s\"", shQuote(state$python),
              need$name, need$need),
      python = state$python, package = need$name
    )
  }
}

#' Where this Python lacks a package of ours, offer the one of our private environment, behind all others
#' @noRd
bridge_complete <- function(entry, state) {
  if (!length(state$unmet)) return(invisible())
  old <- vapply(Filter(function(need) !is.null(need$found), state$unmet), function(need) need$name, "")
  wanted <- vapply(state$unmet, function(need) sprintf("%s>=%s", need$name, need$need), "")
  site <- tryCatch(managed_site(), espalier_error = function(e) {
    espalier_abort(
      "python_unmet", sprintf("Can't use %s: it lacks %s.", state$python, paste(wanted, collapse = ", ")),
      sprintf("Run install_espalier(), or: %s -m pip install %s", shQuote(state$python),
              paste(shQuote(wanted), collapse = " ")),
      python = state$python, parent = e
    )
  })
  entry$add_site(site, as.character(jsonlite::toJSON(old)))
  invisible()
}

#' The optional parts of our private environment serve a Python of the user's too, if it is of the same version
#' @noRd
bridge_offer <- function(entry, state) {
  env <- managed_env()
  if (is.null(env) || runs_in(env) || !fits_python(env, state$version)) return(invisible())
  entry$add_site(site_packages(env), "[]")
  for (name in extras_there(env)) entry$add_site(extra_folder(env, name), "[]")
}

#' Whether the Python of this session is that of our private environment
#' @noRd
runs_in <- function(env) identical(normalizePath(env), normalizePath(.bridge$state$prefix, mustWork = FALSE))

fits_python <- function(env, version) {
  minor <- sub("^([0-9]+[.][0-9]+).*", "\\1", version)
  basename(dirname(site_packages(env))) %in% c(paste0("python", minor), "Lib")
}

warn_from_core <- function(said) {
  warning(structure(
    class = c(if (said$category == "DamageWarning") "espalier_warning_damaged", "espalier_warning", "warning", "condition"),
    list(message = said$message, call = NULL, category = said$category)
  ))
}

#' Signal what the core reported; Python's traceback is the condition's parent
#' @noRd
raise_core_error <- function(error) {
  parent <- structure(
    class = c("espalier_python_traceback", "condition"),
    list(message = error$traceback, call = NULL, python_class = error$class)
  )
  fields <- result_json(error$fields)
  fields <- fields[!names(fields) %in% c("code", "message", "hint", "call", "parent", "")]
  # (names that jobs made up may stand in them)
  hint <- if (nzchar(error$hint)) safe_line(error$hint)
  shown <- if (error$code == "internal") parent # (of a refusal the message says enough)
  condition <- tryCatch(
    do.call(espalier_abort, c(list(error$code, safe_line(error$message), hint, parent = shown), fields)),
    error = identity
  )
  condition$parent <- parent
  stop(condition)
}

# ---- what other files ask of reticulate ------------------------------------------------------------

#' The Python that already runs in this session, or NULL
#' @noRd
python_running <- function() {
  if (!isNamespaceLoaded("reticulate") || !reticulate::py_available(initialize = FALSE)) return(NULL)
  reticulate::py_config()$python
}

reticulate_version <- function() utils::packageVersion("reticulate")

#' A function that only newer reticulates have, or NULL
#' @noRd
reticulate_function <- function(name) {
  if (name %in% getNamespaceExports("reticulate")) getExportedValue("reticulate", name)
}

#' Whether use_python(), use_virtualenv(), ... was called in this session
#' @noRd
reticulate_is_configured <- function() {
  if (!isNamespaceLoaded("reticulate")) return(FALSE)
  chosen <- tryCatch(get(".globals", asNamespace("reticulate"))$use_python_versions, error = function(e) NULL)
  length(chosen) > 0L
}

#' Whether reticulate, from 1.45 on, is to look whether what was declared by py_require() is installed, and to warn
#'
#' It declares numpy itself, which espalier does without, and asks uv, which asks a registry.
#' @noRd
checks_packages <- function() {
  nzchar(Sys.getenv("RETICULATE_CHECK_REQUIRED_PACKAGES")) || length(reticulate_required()) > 0L
}

#' Whether the user chose this session's Python, and it lasts: what reticulate makes of py_require() lies in its cache
#' @noRd
is_users_choice <- function(choice, state) {
  !nzchar(choice$env) && is.null(choice$require) && is.null(choice$fallback) &&
    !startsWith(state$prefix, file.path(tools::R_user_dir("reticulate", "cache"), ""))
}

#' The Python that the user chose for this session, or NULL
#' @noRd
python_chosen <- function() if (isTRUE(.bridge$state$chosen)) .bridge$state$python

#' Packages that others declared by py_require(), apart from reticulate's own default
#' @noRd
reticulate_required <- function() {
  declared <- if (isNamespaceLoaded("reticulate")) reticulate_function("py_require")
  if (is.null(declared)) return(character())
  tryCatch(setdiff(declared()$packages, "numpy"), error = function(e) character())
}
