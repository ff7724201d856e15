# Reading JSON in base R, for what a job has to know of other runs: records and answers, all of them small.

#' The value of a JSON text: objects become named lists, arrays lists, null NULL
#'
#' Strings are as they stand there: the tags of docs/protocol.md are not read.
#' @noRd
json_parse <- function(text) {
  text <- enc2utf8(paste(text, collapse = "\n"))
  pattern <- "\"(?:[^\"\\\\]++|\\\\.)*+\"|[][{},:]|[^][{},:\"\\s]++"
  tokens <- regmatches(text, gregexpr(pattern, text, perl = TRUE))[[1L]]
  at <- 0L
  take <- function() {
    at <<- at + 1L
    if (at > length(tokens)) abort_json() else tokens[[at]]
  }
  peek <- function() if (at < length(tokens)) tokens[[at + 1L]] else ""
  members <- function(end, member) {
    if (peek() == end) return(take())
    repeat {
      member()
      if (identical(following <- take(), end)) return()
      if (following != ",") abort_json()
    }
  }
  value <- function() {
    token <- take()
    if (token == "{") return(object())
    if (token == "[") return(array())
    if (startsWith(token, "\"")) return(json_unescape(token))
    if (token %in% names(.json_words)) return(.json_words[[token]])
    number <- suppressWarnings(as.double(token))
    if (is.na(number)) abort_json() else number
  }
  object <- function() {
    found <- empty_object()
    members("}", function() {
      key <- json_unescape(take())
      if (take() != ":") abort_json()
      found[key] <<- list(value())
    })
    found
  }
  array <- function() {
    found <- list()
    members("]", function() found[length(found) + 1L] <<- list(value()))
    found
  }
  result <- value()
  if (at < length(tokens)) abort_json() else result
}

.json_words <- list(true = TRUE, false = FALSE, null = NULL)

#' The text of a JSON string, quotes and all
#' @noRd
json_unescape <- function(token) {
  if (!startsWith(token, "\"")) abort_json()
  text <- substr(token, 2L, nchar(token) - 1L)
  if (!grepl("\\", text, fixed = TRUE)) return(text)
  pair <- "\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}"
  found <- gregexpr(paste0(pair, "|\\\\u[0-9a-fA-F]{4}|\\\\."), text, perl = TRUE)
  regmatches(text, found) <- list(vapply(regmatches(text, found)[[1L]], json_character, ""))
  text
}

json_character <- function(escape) {
  short <- c(b = "\b", f = "\f", n = "\n", r = "\r", t = "\t")
  kind <- substr(escape, 2L, 2L)
  if (kind != "u") return(if (kind %in% names(short)) short[[kind]] else kind)
  codes <- strtoi(substring(escape, seq(3L, nchar(escape), 6L), seq(6L, nchar(escape), 6L)), 16L)
  if (length(codes) == 2L) codes <- 0x10000 + (codes[1L] - 0xd800) * 0x400 + (codes[2L] - 0xdc00)
  # (R has no NUL, and half a pair is no character)
  if (codes == 0 || (codes >= 0xd800 && codes <= 0xdfff)) "\ufffd" else intToUtf8(codes)
}

abort_json <- function() espalier_abort("damaged", "Can't read a record: it isn't JSON.")
