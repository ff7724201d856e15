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

# Output of jobs, and names that users gave, are shown without control characters (C0, DEL, C1) but tab and newline, and without
# those by which text is shown in another order than it has.
safe_line <- function(x) {
  gsub("[\u0001-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]", "", enc2utf8(as.character(x)), perl = TRUE)
}

#' What a job printed, as a terminal shows it in the end: of a line that is written over again and again the last
#'
#' @param bytes Raw bytes, whole lines.
#' @noRd
settled_text <- function(bytes) {
  text <- rawToChar(bytes[bytes != as.raw(0L)])
  text <- if (validUTF8(text)) `Encoding<-`(text, "UTF-8") else iconv(text, "UTF-8", "UTF-8", sub = "?")
  if (!any(bytes == as.raw(13L) | bytes == as.raw(8L) | bytes == as.raw(27L))) return(safe_line(text))
  text <- gsub("\r+\n", "\n", text)
  text <- gsub("\033\\[(?:[01]?G|2K)", "\r", text, perl = TRUE)
  text <- gsub("\033(?:\\[[0-?]*[ -/]*[@-~]|\\][^\a\033\n]*(?:\a|\033\\\\)?|.)", "", text, perl = TRUE)
  while (grepl("[^\b\r\n]\b", text, perl = TRUE)) text <- gsub("[^\b\r\n]\b", "", text, perl = TRUE)
  text <- gsub("(?m)^[^\n]*\r(?=[^\n]*[^\\s])", "", text, perl = TRUE)
  safe_line(gsub("(?m)\r[ \t\r]*$", "", text, perl = TRUE))
}
