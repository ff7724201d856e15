# Messages of the verbs, in cli's markup. cli_inform() and cli_warn() would do, but need rlang, which nothing else here
# does and Debian's cli and reticulate do not bring along.

say <- function(message, .envir = parent.frame()) {
  espalier_inform(cli::format_message(message, .envir = .envir))
}

#' A warning of class `espalier_warning`, from plain text
#' @noRd
say_warning <- function(text) {
  espalier_warn_gently(cli::format_warning(c("!" = "{text}")))
}

#' The same once a session
#' @noRd
warn_once <- function(text) if (first_time(text)) say_warning(text)

# What a job printed or somebody named is shown without control characters (C0, DEL, C1) but tab and newline.
safe_line <- function(x) {
  gsub("[\u0001-\u0008\u000b-\u001f\u007f-\u009f]", "", enc2utf8(as.character(x)), perl = TRUE)
}
