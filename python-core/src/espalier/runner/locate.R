# Where in the job's files the calls of an error stand. The prelude reads this file once an error has come, so until then
# the job runs as it does by hand, without source references. Base R alone.
# R's functions carry no lines there. So the files of the working copy are parsed again, and a call is looked for in the
# function, or the sourced file, that made it. What is found in no file, or in several places, gets no line.
#
# locate_calls() returns "file:line" for each call, file relative to the top, and "" where that is not known.
# locate_syntax_error() does the same for an error that came before any call.
# count_inner() returns how many of the last calls are those by which R's own code raised the error.
# - calls: as sys.calls() returns them.
# - stack: `calls`, `functions`, `frames` (environments) and `parents` (numbers) of all calls of the session, as sys.calls(), sys.function(),
#   sys.frame() and sys.parents() return them.
# - at: the number of each call in the stack; one more than there are for a call of R's own code, which has no frame.
# - top: the folder of the job. own_folder, of this environment: that of this file. script: its entry script, as R was started with it.
locate_calls <- function(calls, stack, at, top, script) {
  top <- normalizePath(top, "/")
  is_source <- vapply(stack$functions, function(f) identical(f, base::source) || identical(f, base::sys.source), NA)
  vapply(seq_along(calls), function(k) {
    tryCatch(place_of_call(as_written(calls[[k]], at[k], stack), at[k], stack, is_source, top, script), error = function(e) "")
  }, "")
}

count_inner <- function(stack, at) {
  raising <- c("stop", "signalCondition", "withRestarts", "withOneRestart", "doWithOneRestart")
  count <- 0L
  for (k in rev(at)) {
    name <- stack$calls[[k]][[1L]]
    by <- stack$parents[k]
    by_r <- by > 0L && !is_own(stack$functions[[k]]) && !is_own(stack$functions[[by]])
    if (!by_r || !is.name(name) || !as.character(name) %in% raising) break
    count <- count + 1L
  }
  count
}

# A call as it stands in files. `pkg::f` leaves no frame where pkg is missing: there is one of loadNamespace() instead, and
# what stands for the call is the package's name.
as_written <- function(call, at, stack) {
  if (at > length(stack$functions) || !identical(call, quote(loadNamespace(x)))) return(call)
  package <- stack$frames[[at]]$package
  if (is.character(package) && length(package) == 1L) structure(list(package), class = "espalier_prefix") else call
}

# Where the entry script has a syntax error with this message: R reads the script statement by statement, so the error
# comes without calls and lines. "" where the script has none, or another.
locate_syntax_error <- function(message, top, script) {
  if (!length(script)) return("")
  top <- normalizePath(top, "/")
  path <- normalizePath(file.path(top, script), "/")
  found <- tryCatch({
    parse(path, keep.source = FALSE)
    ""
  }, error = conditionMessage)
  found <- strsplit(found, "\n", fixed = TRUE)[[1L]][1L]
  at <- regmatches(found, regexec(":([0-9]+):[0-9]+: (.+)$", found))[[1L]]
  if (length(at) != 3L) return("")
  # (a string without an end has two names)
  text <- if (endsWith(at[3L], "INCOMPLETE_STRING")) gettext("unexpected end of input", domain = "R") else at[3L]
  if (!grepl(text, message, fixed = TRUE)) return("")
  # (an unexpected end is behind the last line)
  text_of_place(path, min(as.integer(at[2L]), length(readLines(path, warn = FALSE))), top)
}

place_of_call <- function(call, at, stack, is_source, top, script) {
  ref <- if (is.call(call)) attr(call, "srcref")
  if (!is.null(ref)) return(place_of_srcref(ref, top))
  if (!is.call(call)) return(place_of_prefix(call, at, stack, is_source, top, script))
  parent <- if (at > length(stack$functions)) at - 1L else stack$parents[at]
  while (parent > 0L && !is_own(stack$functions[[parent]])) {
    # (a promise that is evaluated late may name a later call, or itself, as its parent)
    above <- stack$parents[parent]
    parent <- if (above < parent) above else 0L
  }
  sourcing <- max(0L, which(is_source & seq_along(is_source) < at))
  if (sourcing > parent) {
    place <- place_in_sourced(call, stack$frames[[sourcing]], top)
    if (nzchar(place)) return(place)
  }
  if (parent > 0L) return(place_in_function(call, stack$functions[[parent]], top))
  if (sourcing || !length(script)) return("")
  place_in_script(call, top, script)
}

place_in_script <- function(call, top, script) {
  file <- parsed(normalizePath(file.path(top, script), "/"))
  place_text(file, only_line(lines_of(file, integer(), call), call), top)
}

# R calls loadNamespace() from nowhere: `pkg::` stands in one of the functions and sourced files around it, or in the script.
place_of_prefix <- function(call, at, stack, is_source, top, script) {
  for (k in rev(seq_len(at - 1L))) {
    f <- stack$functions[[k]]
    place <- if (is_source[k]) place_in_sourced(call, stack$frames[[k]], top) else if (is_own(f)) place_in_function(call, f, top) else ""
    if (nzchar(place)) return(place)
  }
  if (length(script)) place_in_script(call, top, script) else ""
}

# Of a call that stands in several lines it isn't known which one it was. Of a package that is missing it was the first.
only_line <- function(lines, call) if (is.call(call)) unique(lines) else sort(lines)[seq_len(min(1L, length(lines)))]

# Whether a function is the user's: no package has it.
is_own <- function(f) is.function(f) && !is.primitive(f) && !isNamespace(topenv(environment(f)))

place_of_srcref <- function(ref, top) {
  source <- attr(ref, "srcfile")
  path <- source$filename
  if (!grepl("^(/|~)", path)) path <- file.path(source$wd, path)
  if (file.exists(path)) text_of_place(path, ref[1L], top) else ""
}

# The line of a call in the statement of a sourced file that is being evaluated; where it stands there more than once,
# that of the statement.
place_in_sourced <- function(call, frame, top) {
  path <- if (is.character(frame$filename)) frame$filename else frame$file
  for (folder in c(".", frame$owd)) {
    full <- if (grepl("^(/|~)", path)) path else file.path(folder, path)
    if (file.exists(full)) break
  }
  file <- parsed(normalizePath(full, "/"))
  now <- frame$i
  if (!identical(file$plain[[now]], frame$exprs[[now]])) return("")
  lines <- only_line(lines_of(file, now, call), call)
  place_text(file, if (length(lines) > 1L) line_at(file, now) else lines, top)
}

# The line of a call in the function that made it; where it stands there more than once, that of the function.
place_in_function <- function(call, f, top) {
  found <- functions_like(f, top)
  if (length(found) != 1L) return("")
  file <- parsed(found[[1L]]$path)
  lines <- only_line(lines_of(file, found[[1L]]$at, call), call)
  if (length(lines) > 1L) lines <- line_at(file, found[[1L]]$at)
  place_text(file, lines, top)
}

place_text <- function(file, lines, top) if (length(lines) == 1L) text_of_place(file$path, lines, top) else ""

text_of_place <- function(path, line, top) {
  path <- normalizePath(path, "/")
  if (dirname(path) == own_folder) return("") # (what renders documents)
  if (startsWith(path, paste0(top, "/"))) path <- substring(path, nchar(top) + 2L)
  paste0(path, ":", line)
}

# ---- files, parsed twice: with source references, which parts of equal code do not share, and without ----
files <- new.env(parent = emptyenv())

parsed <- function(path) {
  if (is.null(files[[path]])) {
    files[[path]] <- tryCatch(
      list(path = path, plain = parse(path, keep.source = FALSE), referred = parse(path, keep.source = TRUE)),
      error = function(e) list(path = path, plain = expression(), referred = expression())
    )
    files[[path]]$functions <- functions_in(files[[path]]$plain, integer())
  }
  files[[path]]
}

# The R files of the job; of very many the first.
scripts_below <- function(top) {
  found <- list.files(top, "[.][Rr]$", recursive = TRUE, full.names = TRUE)
  found <- found[file.size(found) < 1e6]
  normalizePath(found[seq_len(min(500L, length(found)))], "/")
}

# Where a function is written down: `path`, and the way to it through the parsed file.
functions_like <- function(f, top) {
  wanted <- list(formals(f), body(f))
  found <- list()
  for (path in scripts_below(top)) {
    file <- parsed(path)
    for (at in file$functions) {
      node <- file$plain[[at]]
      if (identical(list(node[[2L]], node[[3L]]), wanted)) found <- c(found, list(list(path = path, at = at)))
    }
  }
  found
}

is_function_node <- function(node) is.call(node) && identical(node[[1L]], quote(`function`))
# (an argument left out, as in x[, 1], must not be given a name)
is_inner <- function(node, i) !identical(node[[i]], quote(expr = )) && typeof(node[[i]]) %in% c("language", "pairlist", "expression")

# The ways to all functions in an expression.
functions_in <- function(node, at) {
  found <- if (is_function_node(node)) list(at)
  for (i in seq_along(node)) if (is_inner(node, i)) found <- c(found, functions_in(node[[i]], c(at, i)))
  found
}

# The lines of a call below a place, not in functions that are written down there.
lines_of <- function(file, at, call) {
  if (is.call(call)) attributes(call) <- NULL
  if (length(at) && is_function_node(file$plain[[at]])) at <- c(at, 3L)
  node <- if (length(at)) file$plain[[at]] else file$plain
  vapply(calls_like(node, at, call), function(path) line_at(file, path), 0L)
}

calls_like <- function(node, at, call) {
  if (is_function_node(node)) return(NULL)
  found <- if (if (is.call(call)) identical(node, call) else is_prefixed(node, call[[1L]])) list(at)
  for (i in seq_along(node)) if (is_inner(node, i)) found <- c(found, calls_like(node[[i]], c(at, i), call))
  found
}

# Whether an expression is `package::f`, or `package:::f`.
is_prefixed <- function(node, package) {
  is.call(node) && length(node) == 3L && as.character(node[[1L]])[1L] %in% c("::", ":::") && identical(as.character(node[[2L]]), package)
}

# The line at which the innermost statement begins, or the function that is asked for.
line_at <- function(file, at) {
  node <- file$referred
  refs <- attr(node, "srcref")
  line <- NA_integer_
  for (i in at) {
    if (length(refs) >= i) line <- refs[[i]][1L]
    node <- node[[i]]
    refs <- if (is.call(node) && identical(node[[1L]], quote(`{`))) attr(node, "srcref")
    if (is_function_node(node) && length(node) == 4L) line <- node[[4L]][1L]
  }
  line
}
