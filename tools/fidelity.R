# Writes the tables of docs/data-between-r-and-python.md from the tests. Usage: Rscript tools/fidelity.R [TOP [FILE]]
args <- commandArgs(TRUE)
top <- if (length(args)) args[[1L]] else "."
page <- file.path(top, "docs", "data-between-r-and-python.md")
out <- if (length(args) > 1L) args[[2L]] else page
for (name in c("helper-road-cases.R", "helper-road-python.R")) {
  source(file.path(top, "tests", "testthat", name), encoding = "UTF-8")
}

# ---- words ---------------------------------------------------------------------------------------------

arrow_words <- c(
  b = "bool", i = "int32", l = "int64", g = "float64", C = "uint8", u = "string", U = "large_string", n = "null",
  tdD = "date32", "+s" = "struct", "+L" = "large_list", "+w" = "fixed_size_list[2]", tss = "timestamp[s]",
  tsu = "timestamp[us]", tsn = "timestamp[ns]"
)

# A format string in Arrow's own words: "i<u>" is dictionary<string>, "tsu:UTC" is timestamp[us, UTC]
in_words <- function(format) {
  if (is.null(format)) return("")
  inner <- if (grepl("<", format)) in_words(sub("^[^<]*<(.*)>.*$", "\\1", format))
  outer <- sub("<.*$", "", format)
  if (outer == "i" && length(inner)) {
    return(sprintf("dictionary<%s%s>", inner, if (grepl(" ordered$", format)) ", ordered" else ""))
  }
  word <- arrow_words[[sub(":.*$", "", outer)]]
  if (grepl("^ts", outer)) word <- sub("]", sub("^ts.:(.*)$", ", \\1]", outer), word, fixed = TRUE)
  if (length(inner)) sprintf("%s<%s>", word, inner) else word
}

class_in_words <- function(x, unwrap = TRUE) {
  if (unwrap && is.data.frame(x) && identical(names(x), "x")) x <- x[[1L]]
  if (is.null(x)) return("`NULL`")
  words <- if (is.matrix(x) || is.array(x)) c(typeof(x), class(x)) else if (is.object(x)) class(x) else typeof(x)
  paste0("`", unique(words), "`", collapse = " ")
}

code <- function(text) if (grepl("`", text)) paste("``", text, "``") else paste0("`", text, "`")

# (a bar would end the cell)
row <- function(...) paste0("| ", paste(gsub("|", "\\|", c(...), fixed = TRUE), collapse = " | "), " |")

table_of <- function(header, rows) c(row(header), row(rep("---", length(header))), rows, "")

# ---- tables ----------------------------------------------------------------------------------------------

crossing_row <- function(case) {
  short <- length(case$python) && nchar(case$python) <= 60 && case$python != "ValueError"
  python <- c(if (length(case$arrow)) code(in_words(case$arrow)), if (short) code(case$python))
  lost <- if (is.null(case$lost)) "identical" else if (grepl("^is ", case$lost)) case$lost else paste("without", case$lost)
  row(case$name, if (case$slow) "`character`" else class_in_words(case$value(), length(case$arrow) > 0L),
      paste(python, collapse = ": "), "identical", lost, case$note)
}

crossing <- function(title, cases) {
  c(paste("###", title), "",
    table_of(c("R", "class", "Python sees", "back unchanged", "back rebuilt", "note"), vapply(cases, crossing_row, "")))
}

refusals <- function(cases) {
  table_of(c("what", "the error says"), vapply(cases, function(case) row(case$name, code(case$says)), ""))
}

made_row <- function(case) {
  if (is.character(case$gives)) return(row(case$name, "refused", code(case$gives)))
  row(case$name, class_in_words(case$gives()), case$note)
}

makings <- function(title, cases) {
  c(paste("###", title), "", table_of(c("Python", "R gets", "note"), vapply(cases, made_row, "")))
}

cases <- fidelity_cases()
python <- python_cases()
mark <- "<!-- Made by tools/fidelity.R of the cases in tests/testthat/helper-road-*.R, each of them a test. -->"
before <- readLines(page, encoding = "UTF-8")
lines <- c(
  before[seq_len(match(mark, before))], "",
  "## From R to Python and back", "", unlist(Map(crossing, names(cases), cases)),
  "## What Python cannot get", "", refusals(refused_cases()),
  "## From Python to R", "", unlist(Map(makings, names(python), python))
)
connection <- file(out, "wb")
writeLines(enc2utf8(lines), connection, useBytes = TRUE)
close(connection)
