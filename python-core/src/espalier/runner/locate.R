# Where in the job's files the calls of an error stand. The prelude reads this file once an error has come, so until then
# the job runs as it does by hand, without source references. Base R alone.
# R's functions carry no lines there. So the files of the working copy are parsed again, and a call is looked for in the
# function, or the sourced file, that made it. What is found in no file, or in several places, gets no line.
#
# locate_calls() returns "file:line" for each call, file relative to the top, and "" where that is not known.
# locate_syntax_error() does the same for an error that came before any call.
# - calls: as sys.calls() returns them.
# - stack: `functions`, `frames` (environments) and `parents` (numbers) of all calls of the session, as sys.function(),
#   sys.frame() and sys.parents() return them.
# - at: the number of each call in the stack; one more than there are for a call of R's own code, which has no frame.
# - top: the folder of the job. own_folder, of this environment: that of this file. script: its entry script, as R was started with it.
locate_calls <- function(calls, stack, at, top, script) {
  top <- normalizePath(top, "/")
  is_source <- vapply(stack$functions, function(f) identical(f, base::source) || identical(f, base::sys.source), NA)
  vapply(seq_along(calls), function(k) {
    tryCatch(place_of_call(calls[[k]], at[k], stack, is_source, top, script), error = function(e) "")
  }, "")
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
  ref <- attr(call, "srcref")
  if (!is.null(ref)) return(place_of_srcref(ref, top))
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
  file <- parsed(normalizePath(file.path(top, script), "/"))
  place_text(file, unique(lines_of(file, integer(), call)), top)
}

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
  lines <- unique(lines_of(file, now, call))
  place_text(file, if (length(lines) > 1L) line_at(file, now) else lines, top)
}

# The line of a call in the function that made it; where it stands there more than once, that of the function.
place_in_function <- function(call, f, top) {
  found <- functions_like(f, top)
  if (length(found) != 1L) return("")
  file <- parsed(found[[1L]]$path)
  lines <- unique(lines_of(file, found[[1L]]$at, call))
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
  attributes(call) <- NULL
  if (length(at) && is_function_node(file$plain[[at]])) at <- c(at, 3L)
  node <- if (length(at)) file$plain[[at]] else file$plain
  vapply(calls_like(node, at, call), function(path) line_at(file, path), 0L)
}

calls_like <- function(node, at, call) {
  if (is_function_node(node)) return(NULL)
  found <- if (identical(node, call)) list(at)
  for (i in seq_along(node)) if (is_inner(node, i)) found <- c(found, calls_like(node[[i]], c(at, i), call))
  found
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
