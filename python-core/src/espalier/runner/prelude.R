# What the runner adds to an R job, read as its user profile (R_PROFILE_USER). Base R alone.
# It records uncaught errors and warnings in the run's event log (docs/protocol.md), sends plots
# drawn without a device to outputs/plots/, sets the seed, then reads the profile it displaced;
# when R ends it records with which versions it ran.
# Before and after all that R searches packages where the submitting session did, whatever its start-up files say.
# R processes that the job starts read this file too, for that alone.
# It leaves no objects behind and changes nothing else that the script or its output shows.
local({
  run <- Sys.getenv("ESPALIER_RUN_DIR")
  profile <- Sys.getenv("ESPALIER_PREVIOUS_R_PROFILE_USER", NA)
  libraries <- strsplit(Sys.getenv("ESPALIER_LIBRARY_PATHS"), .Platform$path.sep, fixed = TRUE)[[1L]]
  # (those of another R are of no use)
  if (!Sys.getenv("ESPALIER_LIBRARY_R") %in% c("", paste(R.version$major, R.version$minor, sep = "."))) libraries <- NULL
  # R processes started by the job are ordinary ones, but for the libraries; a profile that reads that of the user, as
  # renv's does, finds the displaced one.
  own_profile <- Sys.getenv("R_PROFILE_USER")
  if (is.na(profile)) Sys.unsetenv("R_PROFILE_USER") else Sys.setenv(R_PROFILE_USER = profile)
  own_library <- file.path(run, ".job", "R")
  if (nzchar(Sys.getenv("ESPALIER_INNER_R"))) run <- "" else Sys.setenv(ESPALIER_INNER_R = "yes")

  # ---- the session's libraries, in its order ----
  set_libraries <- function() {
    if (!length(libraries)) return(invisible())
    places <- libraries[dir.exists(libraries)]
    holding <- function(package) places[file.exists(file.path(places, package, "DESCRIPTION"))]
    if (!length(holding("espalier")) && dir.exists(own_library)) places <- c(places, own_library)
    if (!length(holding("utils"))) places <- c(places, .Library)
    # renv's sandbox hides R's own library and those of the site
    if (!normalizePath(.Library, "/") %in% normalizePath(places, "/")) {
      rebind(".Library", holding("utils")[1L])
      rebind(".Library.site", character())
    }
    assign(".lib.loc", unique(normalizePath(places, "/")), envir = environment(.libPaths))
    # (for those that read no start-up file, `Rscript --vanilla`)
    Sys.setenv(R_LIBS = paste(places, collapse = .Platform$path.sep))
  }
  rebind <- function(name, value) {
    unlockBinding(name, baseenv())
    assign(name, value, envir = baseenv())
    lockBinding(name, baseenv())
  }
  set_libraries()

  # ---- the event log ----
  log <- new.env(parent = emptyenv())
  log$pid <- -1L
  log$errors <- 0L
  log$own_frames <- 0L

  # Text without the job's secrets as they are; its runner hides them in other encodings, when the job has ended.
  hide <- function(x) {
    if (is.null(log$secrets)) log$secrets <- tryCatch(secret_parts(), error = function(e) character())
    for (part in log$secrets) x <- gsub(part, "***", x, fixed = TRUE)
    x
  }
  # the secrets, and of those with several lines each line, the longest first (vault/channel.py, vault/masking.py)
  secret_parts <- function() {
    path <- Sys.getenv("ESPALIER_SECRETS")
    if (!nzchar(path)) return(character())
    bytes <- readBin(path, "raw", file.size(path))
    found <- character()
    at <- match(as.raw(10L), bytes) + 1L
    while (at <= length(bytes)) {
      end <- at - 1L + match(as.raw(10L), bytes[at:length(bytes)])
      size <- as.integer(sub("^.* ", "", rawToChar(bytes[at:(end - 1L)])))
      found <- c(found, rawToChar(bytes[end + seq_len(size)]))
      at <- end + size + 2L
    }
    Encoding(found) <- "UTF-8"
    found <- unique(trimws(c(found, unlist(strsplit(found, "\n", fixed = TRUE)))))
    found <- unique(c(found, iconv(found, "UTF-8", "ASCII", sub = "Unicode"))) # (as in locales without the character)
    found <- found[nchar(found) >= 4L]
    found[order(-nchar(found))]
  }

  # a plain JSON string of the first `width` characters
  string <- function(x, width) {
    x <- paste(as.character(x), collapse = "\n")
    if (Encoding(x) == "bytes" || !validUTF8(x)) {
      if (Encoding(x) != "latin1") x <- iconv(x, "UTF-8", "UTF-8", sub = "byte")
    } else if (Encoding(x) == "unknown") {
      Encoding(x) <- "UTF-8" # a no-op for ASCII
    }
    x <- hide(enc2utf8(x))
    if (nchar(x, "chars") > width) x <- paste0(substr(x, 1L, width - 3L), "...")
    x <- gsub("\"", "\\\"", gsub("\\", "\\\\", x, fixed = TRUE), fixed = TRUE)
    if (grepl("[\\x01-\\x1f]", x, perl = TRUE, useBytes = TRUE)) {
      for (code in 1:31) x <- gsub(rawToChar(as.raw(code)), sprintf("\\u%04x", code), x, fixed = TRUE)
    }
    paste0("\"", x, "\"")
  }
  now <- function() {
    time <- unclass(Sys.time())
    sprintf("%.0f.%06d", floor(time), as.integer((time - floor(time)) * 1e6))
  }
  open_log <- function() {
    log$pid <- Sys.getpid()
    log$seq <- 0L
    log$warnings <- 0L
    # the last eight digits of a temporary name: random, and R's generator stays untouched
    hex <- sub("^.*(.{8})$", "\\1", basename(tempfile("00000000")))
    log$writer <- sprintf("rprelude-%d-%s", log$pid, hex)
    dir.create(file.path(run, "events"), showWarnings = FALSE, mode = "0755")
    log$path <- file.path(run, "events", paste0(log$writer, ".jsonl"))
    append_line(log$path, sprintf(
      "{\"type\":\"writer\",\"format\":1,\"writer\":\"%s\",\"pid\":%d,\"host\":%s,\"time\":%s}",
      log$writer, log$pid, string(Sys.info()[["nodename"]], 255L), now()
    ))
  }
  # what is made here others never write, whatever the umask is
  closed <- function(code) {
    old <- Sys.umask(NA)
    Sys.umask(as.octmode(bitwOr(as.integer(old), 18L)))
    on.exit(Sys.umask(old))
    code
  }
  append_line <- function(path, line) {
    con <- closed(file(path, open = "ab", encoding = "native.enc"))
    on.exit(close(con))
    writeLines(line, con, useBytes = TRUE)
  }
  append_event <- function(type, body) {
    head <- sprintf("{\"type\":\"%s\",\"seq\":%d,\"time\":%s,", type, log$seq, now())
    line <- paste0(head, body, "}")
    # (more than R's buffer of 4096 bytes would be several writes)
    if (nchar(line, "bytes") > 4095L) line <- paste0(head, "\"payload\":\"", write_payload(body), "\"}")
    append_line(log$path, line)
    log$seq <- log$seq + 1L
  }
  write_payload <- function(body) {
    name <- sprintf("payloads/%s-%d.json", log$writer, log$seq)
    path <- file.path(run, name)
    dir.create(dirname(path), showWarnings = FALSE, mode = "0755")
    temporary <- file.path(dirname(path), paste0(".tmp-", basename(path)))
    on.exit(unlink(temporary))
    append_line(temporary, paste0("{", body, "}"))
    # (a full disk is no error in R; three bytes are the braces and the newline)
    if (file.size(temporary) != nchar(body, "bytes") + 3) stop("the payload could not be written")
    if (!file.rename(temporary, path)) stop("the payload could not be renamed")
    name
  }
  text_of <- function(call) deparse(call, width.cutoff = 300L, nlines = 1L)[1L]
  call_field <- function(call) if (is.null(call)) "null" else string(text_of(call), 300L)
  message_of <- function(cond) {
    tryCatch(paste(conditionMessage(cond), collapse = "\n"), error = function(e) "")
  }
  # Whether the condition was only offered by signalCondition(), which goes on if nobody takes it.
  only_offered <- function(frame) {
    frame > 1L && identical(sys.function(frame - 1L), signalCondition)
  }

  # ---- errors and warnings nobody caught ----
  # `frame` is the handler's own; the calls are those before it, outermost first.
  record_error <- function(cond, frame) {
    if (log$pid != Sys.getpid()) open_log()
    if (log$errors >= 100L) return()
    log$errors <- log$errors + 1L
    calls <- sys.calls()[seq_len(frame - 1L)]
    last <- length(calls)
    if (last && identical(calls[[last]][[1L]], quote(.handleSimpleError))) calls <- calls[-last]
    stack <- seq_along(calls)
    shown <- stack[stack > log$own_frames]
    left_out <- length(shown) - 49L
    if (left_out > 1L) shown <- shown[-(20L + seq_len(left_out))]
    found <- tryCatch(suppressWarnings(places_of(calls, shown, cond)), error = function(e) list(places = character(), inner = 0L))
    places <- found$places
    texts <- vapply(calls[shown], text_of, "")
    lines <- vapply(texts, string, "", 300L, USE.NAMES = FALSE)
    # (the last place may be that of a call without a frame)
    known <- which(nzchar(places[seq_along(lines)]))
    lines[known] <- sub("\"$", "", lines[known])
    lines[known] <- paste0(lines[known], " at ", substring(vapply(places[known], string, "", 300L, USE.NAMES = FALSE), 2L))
    lines <- lines[seq_len(length(lines) - found$inner)]
    if (left_out > 1L) lines <- append(lines, sprintf("\"... (%d more calls)\"", left_out), 20L)
    while (sum(nchar(lines, "bytes") + 1L) > 14000L) lines <- lines[-(length(lines) %/% 2L)]
    classes <- vapply(class(cond), string, "", 100L, USE.NAMES = FALSE)
    place <- rev(places[nzchar(places)])
    call <- conditionCall(cond)
    # (R writes `pkg::f` as loadNamespace(x), where x is of no use)
    if (inherits(cond, "packageNotFoundError") && identical(call, quote(loadNamespace(x)))) call[[2L]] <- cond$package
    append_event("error", sprintf(
      "\"message\":%s,\"call\":%s,\"place\":%s,\"class\":[%s],\"traceback\":[%s]%s",
      string(message_of(cond), 1500L), call_field(call), if (length(place)) string(place[1L], 300L) else "null",
      paste(classes[seq_len(min(10L, length(classes)))], collapse = ","), paste(lines, collapse = ","),
      tryCatch(package_fields(cond), error = function(e) "")
    ))
  }
  # The R package that is missing, and where it was searched.
  package_fields <- function(cond) {
    if (!inherits(cond, "packageNotFoundError")) return("")
    libraries <- if (length(cond$lib.loc)) cond$lib.loc else .libPaths()
    libraries <- vapply(as.character(libraries)[seq_len(min(20L, length(libraries)))], string, "", 300L)
    sprintf(",\"package\":%s,\"libraries\":[%s]", string(cond$package, 100L), paste(libraries, collapse = ","))
  }
  # `places`: "file:line" of each call that is shown, as far as they are in the job's files, and of the error's own, which
  # has no frame in R's own code. `inner`: how many of the last calls only raised the error. See locate.R.
  places_of <- function(calls, shown, cond) {
    error_call <- conditionCall(cond)
    locating <- new.env(parent = baseenv())
    locating$own_folder <- normalizePath(dirname(own_profile), "/")
    sys.source(file.path(locating$own_folder, "locate.R"), locating, keep.source = FALSE)
    top <- Sys.getenv("ESPALIER_WORK_DIR")
    script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
    script <- gsub("~+~", " ", script, fixed = TRUE)
    all <- seq_along(calls)
    if (!length(all) && is.null(error_call)) {
      return(list(places = locating$locate_syntax_error(message_of(cond), top, script), inner = 0L))
    }
    stack <- list(calls = calls, functions = lapply(all, sys.function), frames = lapply(all, sys.frame), parents = sys.parents()[all])
    has_frame <- is.null(error_call) || any(vapply(calls, identical, NA, error_call))
    asked <- c(calls[shown], if (!has_frame) list(error_call))
    places <- locating$locate_calls(asked, stack, c(shown, if (!has_frame) length(all) + 1L), top, script)
    list(places = places, inner = locating$count_inner(stack, shown))
  }
  record_warning <- function(cond) {
    if (log$pid != Sys.getpid()) open_log()
    if (log$warnings >= 1000L) return()
    log$warnings <- log$warnings + 1L
    append_event("warning", sprintf(
      "\"message\":%s,\"call\":%s", string(message_of(cond), 1500L), call_field(conditionCall(cond))
    ))
  }
  # Recording never fails the script and is silent.
  quietly <- function(expr) {
    tryCatch(suppressWarnings(expr), error = function(e) NULL)
    invisible()
  }
  on_error <- function(cond) {
    frame <- sys.nframe()
    # rlang::abort() first offers its condition, then ends R by one that is no error: the first is the one to record
    if (only_offered(frame)) log$offered <- cond else quietly(record_error(cond, frame))
  }
  on_rlang_error <- function(cond) {
    offered <- log$offered
    if (inherits(cond, "error") || is.null(offered)) return(invisible())
    if (inherits(offered, "rlang_error")) quietly(record_error(offered, sys.nframe()))
  }
  # Interrupted, R unwinds and ends, with its finalizers but without .Last.
  on_interrupt <- function(cond) log$interrupted <- TRUE
  run_last <- function() {
    last <- get0(".Last", globalenv(), mode = "function", inherits = FALSE)
    if (isTRUE(log$interrupted) && !is.null(last)) tryCatch(last(), error = function(e) message("Error in .Last(): ", conditionMessage(e)))
  }
  on_warning <- function(cond) {
    if (!only_offered(sys.nframe()) && getOption("warn") >= 0) quietly(record_warning(cond))
  }

  # R calls no handler of an error that leaves no stack for one: the text of its last error is recorded at R's end.
  record_last_error <- function() {
    text <- geterrmessage()
    if (log$errors || !nzchar(text)) return()
    if (log$pid != Sys.getpid()) open_log()
    append_event("last_error", sprintf("\"message\":%s", string(text, 1500L)))
  }

  # ---- what R ran with, as it is at its end ----
  # Nothing is loaded for it. R loads its compiler, 30 ms, for what it calls a second time or what has a loop: so all
  # functions of this part are called once, or are R's own.
  own_pid <- Sys.getpid()
  session_texts <- function(places, packages, versions) {
    list(
      version = R.version.string, interpreter = R.home(), platform = R.version$platform, host = Sys.info()[["nodename"]],
      system = c(if (isNamespaceLoaded("utils")) getNamespace("utils")$osVersion, "")[1L], locale = Sys.getlocale(),
      blas = c(extSoftVersion()["BLAS"], "")[1L], command = commandArgs()[seq_len(min(100L, length(commandArgs())))],
      rng = RNGkind(), libraries = places, package = packages, package_version = versions
    )
  }
  record_session <- function() {
    folder <- file.path(run, "sessions")
    dir.create(folder, showWarnings = FALSE, mode = "0755")
    if (length(list.files(folder)) >= 100L) return() # (a shell loop may start any number)
    packages <- sort(setdiff(loadedNamespaces(), "base"), method = "radix")
    versions <- vapply(lapply(packages, getNamespaceInfo, "spec"), `[[`, "", "version")
    libraries <- c(.Library, dirname(vapply(packages, getNamespaceInfo, "", "path")))
    packages <- c("base", packages)
    places <- unique(libraries)
    texts <- session_texts(places, packages, c(paste(R.version$major, R.version$minor, sep = "."), versions))
    plain <- enc2utf8(iconv(unlist(texts, use.names = FALSE), "", "UTF-8", sub = "byte"))
    plain <- substr(gsub("[[:cntrl:]]", " ", plain), 1L, 1000L)
    plain <- paste0("\"", gsub("\"", "\\\"", gsub("\\", "\\\\", plain, fixed = TRUE), fixed = TRUE), "\"")
    fields <- split(plain, rep(factor(names(texts), names(texts)), lengths(texts)))
    fields <- vapply(fields, paste, "", collapse = ",")
    json <- sprintf(
      paste0(
        "{\"format\":1,\"language\":\"r\",\"time\":%s,\"pid\":%d,\"version\":%s,\"interpreter\":%s,\"platform\":%s,\"host\":%s,",
        "\"system\":%s,\"locale\":%s,\"blas\":%s,\"command\":[%s],\"rng\":[%s],\"libraries\":[%s],\"packages\":{\"package\":[%s],",
        "\"version\":[%s],\"attached\":[%s],\"library\":[%s]}}\n"
      ),
      sprintf("%.3f", unclass(Sys.time())), own_pid, fields[[1L]], fields[[2L]], fields[[3L]], fields[[4L]],
      fields[[5L]], fields[[6L]], fields[[7L]], fields[[8L]], fields[[9L]], fields[[10L]], fields[[11L]], fields[[12L]],
      paste(ifelse(packages %in% .packages(), "true", "false"), collapse = ","),
      paste(match(libraries, places) - 1L, collapse = ",")
    )
    # (the last eight digits of a temporary name are random, and R's generator stays untouched)
    random <- sub("^.*(.{8})$", "\\1", basename(tempfile("00000000")))
    path <- file.path(folder, sprintf("rprelude-%d-%s.json", own_pid, random))
    temporary <- file.path(folder, paste0(".tmp-", basename(path)))
    on.exit(unlink(temporary))
    # (as bytes: a text connection would put them into the locale's encoding)
    closed(writeBin(charToRaw(json), temporary))
    file.rename(temporary, path)
  }
  # (also when R ends by an error; not in forks, which end without, nor when it is killed)
  on_end <- function(e) {
    if (Sys.getpid() != own_pid) return(invisible())
    run_last()
    quietly(record_session())
    quietly(record_last_error())
  }

  # ---- plots without a device ----
  plots <- new.env(parent = emptyenv())
  plots$n <- 0L
  plots$pid <- Sys.getpid()
  plot_device <- function(width = 7, height = 7, ...) {
    folder <- file.path(run, "outputs", "plots")
    # (not recursively: a run's folder that has been moved or deleted is not made again)
    for (each in c(dirname(folder), folder)) dir.create(each, showWarnings = FALSE, mode = "0755")
    if (!dir.exists(folder)) folder <- tempdir()
    plots$n <- plots$n + 1L
    prefix <- paste0(
      "plot", if (plots$n > 1L) plots$n,
      if (plots$pid != Sys.getpid()) paste0("-p", Sys.getpid()), "-"
    )
    stem <- gsub("%", "%%", file.path(folder, prefix), fixed = TRUE)
    tryCatch(
      suppressWarnings(grDevices::png(paste0(stem, "%03d.png"), width, height, units = "in", res = 120)),
      error = function(e) grDevices::pdf(paste0(stem, "%03d.pdf"), width, height, onefile = FALSE)
    )
    invisible()
  }

  if (nzchar(run)) {
    if (exists("globalCallingHandlers", baseenv())) {
      globalCallingHandlers(error = on_error, warning = on_warning, rlang_error = on_rlang_error, interrupt = on_interrupt)
    } else {
      options(error = function() {
        last <- simpleError(sub("\n$", "", geterrmessage()))
        quietly(record_error(last, sys.nframe()))
        quit("no", 1L, FALSE)
      })
    }
    options(device = plot_device)
    reg.finalizer(globalenv(), on_end, onexit = TRUE) # (globalenv() is never collected before the end)
    seed <- Sys.getenv("ESPALIER_SEED")
    if (nzchar(seed)) set.seed(as.integer(seed))
  }

  # ---- the displaced profile, as R reads it: expression by expression, in the workspace ----
  if (is.na(profile)) {
    profile <- if (file.exists(".Rprofile")) ".Rprofile" else path.expand("~/.Rprofile")
  }
  if (nzchar(profile) && file.exists(profile)) {
    log$own_frames <- sys.nframe() + 2L # (those of eval)
    for (expr in parse(profile, keep.source = FALSE)) eval(expr, globalenv())
    log$own_frames <- 0L
  }
  set_libraries()
  if (length(libraries)) Sys.setenv(R_PROFILE_USER = own_profile)
})
