# Errors and messages: one helper each, so that every condition of the package has a class.
# Base R only: these run inside jobs too.

#' Signal an error of class `espalier_error_<code>`
#'
#' @param code Which kind of failure; stable, one of the core's documented codes.
#' @param message What failed and what was seen.
#' @param hint What to do next, or `NULL`.
#' @param ... Named fields of the condition, for programs.
#' @param call The call to show.
#' @param parent The condition that caused this one, or `NULL`.
#' @noRd
espalier_abort <- function(code, message, hint = NULL, ..., call = verb_call(), parent = NULL) {
  hint <- if (length(hint) && any(nzchar(hint))) paste(hint, collapse = "\n")
  # (the last line of a failed run's error is the place of its log)
  remedy <- if (!is.null(hint) && code != "run_failed") paste("i", gsub("\n", "\n  ", hint)) else hint
  text <- c(paste(message, collapse = "\n"), remedy)
  if (inherits(parent, "condition")) {
    text <- c(text, paste("Caused by:", conditionMessage(parent)))
  }
  fields <- list(message = paste(text, collapse = "\n"), call = call, code = code, hint = hint,
                 parent = parent)
  extra <- list(...)
  fields[names(extra)] <- extra
  stop(structure(
    class = c(paste0("espalier_error_", code), "espalier_error", "error", "condition"),
    fields
  ))
}

#' The verb that the user called, as a call without its arguments; `NULL` where none was, as in a method
#' @noRd
verb_call <- function() {
  space <- topenv()
  if (!isNamespace(space)) return(NULL)
  for (i in seq_len(sys.nframe())) {
    if (!identical(environment(sys.function(i)), space)) next
    # (a method of plot() is called by its own name)
    name <- sub("^((auto)?plot)[.].*", "\\1", verb_name(sys.call(i)))
    if (name %in% c(getNamespaceExports(space), "plot", "autoplot")) return(call(name))
  }
}

#' The name of the function that a call calls; empty where it has none
#' @noRd
verb_name <- function(call) {
  name <- call[[1L]]
  if (is.call(name) && identical(name[[1L]], as.name("::"))) name <- name[[3L]]
  if (is.name(name)) as.character(name) else ""
}

#' Say something, as a message condition of the given class
#' @noRd
espalier_inform <- function(message, class = NULL) {
  text <- paste0(paste(message, collapse = "\n"), "\n")
  message(structure(
    class = c(class, "espalier_message", "message", "condition"),
    list(message = text, call = NULL)
  ))
  invisible()
}

#' Warn; where warnings are errors (`options(warn = 2)`) it is only a message
#'
#' For what must never end a job.
#' @noRd
espalier_warn_gently <- function(message, class = NULL) {
  if (isTRUE(getOption("warn") >= 2)) {
    return(espalier_inform(paste("Warning:", message), class))
  }
  warning(structure(
    class = c(class, "espalier_warning", "warning", "condition"),
    list(message = paste(message, collapse = "\n"), call = NULL)
  ))
  invisible()
}

.said <- new.env(parent = emptyenv())

#' Say something once a session
#' @param id What is remembered as shown.
#' @param kind The end of its class. (R dispatches on no long names of classes.)
#' @noRd
inform_once <- function(id, message, kind = id) {
  if (first_time(id)) espalier_inform(message, paste0("espalier_message_", kind))
  invisible()
}

#' Whether something has not been shown in this session; from now on it has
#' @noRd
first_time <- function(id) {
  # (R takes no long names, and in a locale that has not all of their characters it warns)
  id <- substr(iconv(enc2utf8(id), "UTF-8", "ASCII", sub = "byte"), 1L, 2000L)
  if (!is.null(.said[[id]])) return(FALSE)
  .said[[id]] <- TRUE
  TRUE
}

#' Forget that something was shown, so that it is shown again
#' @noRd
inform_again <- function(id) {
  if (!is.null(.said[[id]])) rm(list = id, envir = .said)
  invisible()
}
