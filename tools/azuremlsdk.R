# Makes the table of vignette("azuremlsdk") from NAMESPACE, R/ and the list of the ancestor's verbs, azuremlsdk.tsv.
# Usage: Rscript tools/azuremlsdk.R [TOP [FILE]]
args <- commandArgs(TRUE)
top <- if (length(args)) args[[1L]] else "."
out <- if (length(args) > 1L) args[[2L]] else file.path(top, "vignettes", "_azuremlsdk.md")

ancestor <- utils::read.delim(file.path(top, "tools", "azuremlsdk.tsv"), quote = "", colClasses = "character")
exported <- parseNamespaceFile(basename(normalizePath(top)), dirname(normalizePath(top)))$exports

# ---- what is there -----------------------------------------------------------------------------------------

# The arguments of each function, read from its definition: nothing has to be installed
definitions <- function(files) {
  found <- list()
  for (expression in unlist(lapply(files, parse, keep.source = FALSE))) {
    is_function <- is.call(expression) && identical(expression[[1L]], quote(`<-`)) && is.call(expression[[3L]]) &&
      identical(expression[[3L]][[1L]], quote(`function`))
    if (is_function) found[[as.character(expression[[2L]])]] <- as.list(expression[[3L]][[2L]])
  }
  found
}

ours <- definitions(list.files(file.path(top, "R"), "[.]R$", full.names = TRUE))
theirs <- lapply(ancestor$arguments, function(text) as.list(str2lang(sprintf("function(%s) NULL", text))[[2L]]))
names(theirs) <- ancestor$verb

default <- function(arguments, name) paste(deparse(arguments[[name]]), collapse = " ")
code <- function(text) sprintf("`%s`", text)

# What a caller of the ancestor's verb notices: arguments that are gone or moved, and other defaults
changed_arguments <- function(verb) {
  before <- theirs[[verb]]
  now <- ours[[verb]]
  if (!identical(names(before), utils::head(names(now), length(before)))) {
    return(sprintf("Its arguments are %s.", paste(code(names(now)), collapse = ", ")))
  }
  other <- Filter(function(name) default(before, name) != default(now, name), names(before))
  if (length(other)) {
    sprintf("By default %s.", paste(code(paste(other, "=", vapply(other, default, "", arguments = now))), collapse = ", "))
  }
}

new_arguments <- function(verb) {
  new <- setdiff(names(ours[[verb]]), names(theirs[[verb]]))
  if (!length(new)) return()
  shown <- paste(code(utils::head(new, 3L)), collapse = ", ")
  if (length(new) > 3L) shown <- sprintf("%s and %d more", shown, length(new) - 3L)
  sprintf("Also has %s.", shown)
}

# ---- the table ---------------------------------------------------------------------------------------------

facts_of <- function(verb, instead, note) {
  if (!verb %in% exported) {
    if (nzchar(instead)) return(c("replaced", paste(c(instead, note[nzchar(note)]), collapse = ". ")))
    return(c("not here", note))
  }
  # (what replaced it before it was here says nothing now)
  differs <- c(changed_arguments(verb), if (nzchar(note) && !nzchar(instead)) note)
  c(if (length(differs)) "different" else "same", paste(c(differs, new_arguments(verb)), collapse = " "))
}

facts <- t(mapply(facts_of, ancestor$verb, ancestor$instead, ancestor$note))
state <- facts[, 1L]
is_here <- state %in% c("same", "different")

# Functions that the table names must be there: ours, or those of an ordinary session
named <- unique(unlist(regmatches(facts[, 2L], gregexpr("(?<![A-Za-z_.:$])[A-Za-z_.]+(?=\\()", facts[, 2L], perl = TRUE))))
unknown <- named[!named %in% exported & !vapply(named, exists, NA)]
if (length(unknown)) stop("The table names functions that don't exist: ", toString(unknown))

row <- function(...) paste0("| ", paste(gsub("|", "\\|", trimws(c(...)), fixed = TRUE), collapse = " | "), " |")
counts <- table(factor(state, c("same", "different", "replaced", "not here")))
lines <- c(
  "<!-- Made by tools/azuremlsdk.R. -->", "",
  sprintf("Of the %d verbs %d are the same, %d are different, %d are replaced, and %d are not here.",
          nrow(ancestor), counts[[1L]], counts[[2L]], counts[[3L]], counts[[4L]])
)
for (topic in unique(ancestor$topic)) {
  rows <- which(ancestor$topic == topic)
  verbs <- code(paste0(ancestor$verb[rows], ifelse(is_here[rows], "()", "")))
  lines <- c(lines, "", paste("###", topic), "", row("azuremlsdk", "espalier", "instead, or what differs"), row("---", "---", "---"),
             mapply(row, verbs, state[rows], facts[rows, 2L], USE.NAMES = FALSE))
}
writeLines(enc2utf8(lines), out, useBytes = TRUE)
