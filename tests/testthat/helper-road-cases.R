# What crosses between R and Python, one case a row. test-fidelity.R holds each of them to be true; tools/fidelity.R
# makes the tables of docs/data-between-r-and-python.md of them. Plain R, nothing of the package.

#' One row
#'
#' @param name What it is, for people.
#' @param value A function that makes it. A column is a data frame whose last column is the thing.
#' @param arrow Arrow's format in Python, of the last column; `NULL` where there is none or many.
#' @param python What Python sees, as `seen()` says it; `NULL` where it is too long to write down.
#' @param lost,rebuilt What is lost when Python makes a new table of it, in words, and a function that makes what R
#'   gets then of the value; `NULL` if nothing is.
#' @param note For people.
#' @param needs Packages without which there is no such thing.
#' @param slow Whether it takes seconds and gigabytes.
case <- function(name, value, arrow = NULL, python = NULL, lost = NULL, rebuilt = NULL, note = "", needs = character(),
                 slow = FALSE) {
  list(name = name, value = value, arrow = arrow, python = python, lost = lost, rebuilt = rebuilt, note = note,
       needs = needs, slow = slow)
}

column <- function(x) structure(list(x = x), class = "data.frame", row.names = .set_row_names(NROW(x)))

marked <- function(x, encoding) {
  Encoding(x) <- encoding
  x
}

# A frame of the columns alone
plain_frame <- function(x) {
  structure(unclass(x)[seq_along(x)], names = names(x), class = "data.frame", row.names = .set_row_names(NROW(x)))
}

bare <- function(x) {
  attributes(x) <- NULL
  x
}

# The last column changed
last_as <- function(change) function(x) {
  x[[length(x)]] <- change(x[[length(x)]])
  x
}

fidelity_cases <- function() {
  list(
    "Numbers and logical values" = cases_numbers(), "Text" = cases_text(), "Factors" = cases_factors(),
    "Dates and times" = cases_times(), "Lists and data frames as columns" = cases_lists(),
    "Matrices as columns" = cases_matrices(), "Attributes of a column" = cases_attributes(),
    "Data frames" = cases_frames(), "Classes of data frames" = cases_classes(),
    "Vectors, matrices and lists" = cases_bare()
  )
}

cases_numbers <- function() list(
  case("logical", function() column(c(TRUE, NA, FALSE)), "b", "[True, None, False]"),
  case("integer", function() column(c(1L, NA, -5L)), "i", "[1, None, -5]"),
  case("double", function() column(c(1.5, NA, NaN, Inf, -Inf, -0)), "g", "[1.5, None, nan, inf, -inf, -0.0]",
       note = "`NA` and `NaN` are different, and so are 0 and -0"),
  case("raw", function() column(as.raw(c(0, 255))), "C", "[0, 255]"),
  case("complex", function() column(c(1+2i, NA, complex(real = NaN, imaginary = -0))), "+w:2<g>",
       "[(1+2j), None, (nan-0j)]", note = "pairs of numbers in Arrow"),
  case("integer64", function() column(bit64::as.integer64(c("9007199254740993", NA, "-1"))), "l",
       "[9007199254740993, None, -1]", needs = "bit64"),
  case("no rows", function() column(double()), "g", "[]")
)

cases_text <- function() list(
  case("character", function() column(c("a", NA, "", "\U1F600")), "u", "['a', None, '', '\U1F600']"),
  case("character, Latin-1", function() column(marked("caf\xe9", "latin1")), "u", "['caf\u00e9']",
       note = "comes back as UTF-8, which R holds to be identical"),
  case("character, few values in many rows", function() column(rep(c("aa", NA, "b"), 1000)), "i<u>",
       paste0("[", paste(rep(c("'aa'", "None", "'b'"), 1000), collapse = ", "), "]"),
       note = "from 1,000 rows on, where few values repeat"),
  case("character, over 2^31 bytes", function() column(rep(strrep(c("a", "b"), 2^22), length.out = 515)), "U", NULL,
       slow = TRUE)
)

cases_factors <- function() list(
  case("factor", function() column(factor(c("a", NA, "b"), levels = c("b", "a", "zz"))), "i<u>", "['a', None, 'b']",
       note = "levels and their order stay, unused ones too"),
  case("factor with a level `NA`", function() column(addNA(factor(c("a", NA)))), "i<u>", "['a', None]"),
  case("ordered", function() column(factor(c("lo", "hi"), c("lo", "hi"), ordered = TRUE)), "i<u> ordered",
       "['lo', 'hi']"),
  case("factor without values", function() column(factor(character(), "a")), "i<u>", "[]")
)

time_at <- function(x, ...) structure(x, class = c("POSIXct", "POSIXt"), ...)

cases_times <- function() list(
  case("Date", function() column(as.Date(c("2020-01-01", NA))), "tdD", "[datetime.date(2020, 1, 1), None]"),
  case("Date stored as integer", function() column(structure(c(1L, NA), class = "Date")), "tdD",
       "[datetime.date(1970, 1, 2), None]"),
  case("Date with fractions or `Inf`", function() column(structure(c(1.5, NA, Inf), class = "Date")), "g",
       "[1.5, None, inf]", note = "days since 1970: Arrow's dates are whole"),
  case("POSIXct with a zone", function() column(time_at(c(1577869200, NA), tzone = "Europe/Berlin")),
       "tsu:Europe/Berlin", "[datetime.datetime(2020, 1, 1, 9, 0, tzinfo=datetime.timezone.utc), None]",
       note = "`to_list()` gives instants in UTC"),
  case("POSIXct without a zone (`NULL`)", function() column(time_at(c(0, NA))), "tsu:UTC",
       "[datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), None]"),
  case("POSIXct without a zone (`\"\"`)", function() column(time_at(c(0, NA), tzone = "")), "tsu:UTC",
       "[datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), None]"),
  case("POSIXct stored as integer", function() column(time_at(c(0L, NA))), "tss:UTC",
       "[datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), None]"),
  case("POSIXct with microseconds", function() column(time_at(0.000001, tzone = "UTC")), "tsu:UTC",
       "[datetime.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)]"),
  case("POSIXct finer than that", function() column(time_at(1600000000.1234567, tzone = "UTC")), "tsn:UTC",
       "ValueError", note = "most of `Sys.time()`; `to_list()` refuses, Python's own times end at microseconds"),
  case("POSIXct finer than 1 ns, or infinite", function() column(time_at(c(Inf, 1e-12, NaN, NA), tzone = "UTC")), "g",
       "[inf, 1e-12, nan, None]", note = "seconds since 1970"),
  case("POSIXlt", function() column(as.POSIXlt(time_at(c(0, NA), tzone = "America/New_York"))),
       "tsu:America/New_York", "[datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), None]",
       "is POSIXct", last_as(as.POSIXct)),
  case("difftime", function() column(as.difftime(c(1, NA, 2.5), units = "mins")), "g", "[1.0, None, 2.5]",
       note = "Python sees the numbers, not the unit"),
  case("difftime stored as integer", function() column(as.difftime(c(1L, NA), units = "days")), "i", "[1, None]")
)

with_list <- function(...) {
  x <- list(...)
  column(x)
}

cases_lists <- function() list(
  case("list of vectors of one type", function() with_list(c("a", NA), character(), NULL, "z"), "+L<u>",
       "[['a', None], [], None, ['z']]", note = "`NULL` is `None`"),
  case("list of anything", function() with_list(1:3, "a", list(2, b = mtcars), NULL), "l", "[0, 1, 2, 3]",
       note = "Python gets row numbers, the elements stay in R"),
  case("list of `NULL`", function() with_list(NULL, NULL), "n", "[None, None]"),
  case("list with names", function() with_list(a = 1, b = 2), "+L<g>", "[[1.0], [2.0]]", "names", last_as(unname)),
  case("data frame", function() column(data.frame(p = c("x", NA), q = c(1.5, NA))), "+s",
       "[{'p': 'x', 'q': 1.5}, {'p': None, 'q': None}]")
)

cases_matrices <- function() list(
  case("double, with column names", function() column(matrix(c(1, NA, 3, 4), 2, dimnames = list(NULL, c("u", "v")))),
       "+s", "[{'u': 1.0, 'v': 3.0}, {'u': None, 'v': 4.0}]"),
  case("character", function() column(matrix(c("a", NA, "c", "d"), 2)), "+s",
       "[{'1': 'a', '2': 'c'}, {'1': None, '2': 'd'}]"),
  case("logical", function() column(matrix(c(TRUE, NA), 1)), "+s", "[{'1': True, '2': None}]"),
  case("raw", function() column(matrix(as.raw(1:2), 1)), "+s", "[{'1': 1, '2': 2}]"),
  case("complex", function() column(matrix(c(1i, NA), 1)), "+s", "[{'1': 1j, '2': None}]"),
  case("no columns", function() column(matrix(0, 2, 0)), "+s", "[{}, {}]"),
  case("with row names", function() column(matrix(1:2, 2, dimnames = list(c("r", "s"), "u"))), "+s",
       "[{'u': 1}, {'u': 2}]", "row names", last_as(function(m) unname_rows(m))),
  case("array of three dimensions", function() column(array(1:8, c(2, 2, 2))), "+s",
       "[{'1': 1, '2': 3, '3': 5, '4': 7}, {'1': 2, '2': 4, '3': 6, '4': 8}]", "is a matrix",
       last_as(function(a) matrix(a, 2)))
)

unname_rows <- function(m) {
  rownames(m) <- NULL
  m
}

cases_attributes <- function() list(
  case("a class of another package", function() column(structure(1:3, class = "haven", label = "hello")), "i",
       "[1, 2, 3]", "class and attributes", last_as(bare), note = "attributes of any kind, also functions"),
  case("`I()`", function() column(I(c(1, 2))), "g", "[1.0, 2.0]", "class", last_as(bare)),
  case("names of a column", function() column(c(a = 1, b = NA)), "g", "[1.0, None]", "names", last_as(unname)),
  case("a class on top of Date", function() column(structure(1, class = c("mine", "Date"))), "tdD",
       "[datetime.date(1970, 1, 2)]", "the class on top", last_as(function(x) structure(1, class = "Date")))
)

cases_frames <- function() list(
  case("row names", function() data.frame(x = 1:2, row.names = c("a", "b")), NULL, "{'x': [1, 2]}", "row names",
       plain_frame, note = "make them a column for Python"),
  case("integer row names", function() data.frame(x = 1:3)[c(3, 1), , drop = FALSE], NULL, "{'x': [3, 1]}",
       "row names", plain_frame),
  case("character row names, no rows", function() data.frame(row.names = character()), NULL, "{}", "row names",
       plain_frame),
  case("no rows", function() iris[0, 4:5], NULL, "{'Petal.Width': [], 'Species': []}"),
  case("no columns", function() data.frame(matrix(nrow = 3, ncol = 0)), NULL, "{}"),
  case("neither", function() data.frame(), NULL, "{}"),
  case("equal column names", function() stats::setNames(data.frame(1, 2), c("a", "a")), NULL,
       "{'a': [1.0], 'a': [2.0]}", note = "by place: `table.columns[1]`"),
  case("empty column name", function() stats::setNames(data.frame(1, 2), c("", "b")), NULL, "{'': [1.0], 'b': [2.0]}"),
  case("10,000 columns", function() {
    data.frame(rep(list(c(1, NA)), 10000), fix.empty.names = FALSE, check.names = FALSE)
  }, NULL, NULL),
  case("`iris`", function() iris, NULL, NULL),
  case("attributes of the frame", function() structure(data.frame(x = 1), about = sum), NULL, "{'x': [1.0]}",
       "attributes", plain_frame)
)

cases_classes <- function() list(
  case("tibble", function() tibble::tibble(a = 1:2, b = list(1, 2)), NULL, "{'a': [1, 2], 'b': [[1.0], [2.0]]}",
       "class", plain_frame, needs = "tibble"),
  case("grouped tibble", function() dplyr::group_by(dplyr::tibble(g = c(1, 1, 2)), g), NULL, "{'g': [1.0, 1.0, 2.0]}",
       "class and groups", plain_frame, needs = "dplyr"),
  case("data.table", function() data.table::data.table(a = 1:2, b = c("x", NA)), NULL,
       "{'a': [1, 2], 'b': ['x', None]}", "class", plain_frame, needs = "data.table",
       note = "columns are copied: `:=` changes them in place"),
  case("data.table with a key", function() data.table::data.table(a = 2:1, key = "a"), NULL, "{'a': [1, 2]}",
       "class and key", plain_frame, needs = "data.table")
)

cases_bare <- function() list(
  case("vector", function() c(1, NA), "g", "[1.0, None]", note = "Python gets a table of one column without name"),
  case("vector with names", function() c(a = "x", b = NA), "u", "['x', None]", "names", unname),
  case("vector of length 0", function() integer(), "i", "[]"),
  case("one value", function() TRUE, "b", "[True]"),
  case("factor", function() factor("a"), "i<u>", "['a']"),
  case("POSIXct", function() time_at(0, tzone = "UTC"), "tsu:UTC",
       "[datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)]"),
  case("matrix", function() matrix(1:4, 2, dimnames = list(c("r", "s"), NULL)), "i", "[1, 2, 3, 4]",
       "dimensions and their names", bare, note = "column after column"),
  case("array", function() array(c(1, NA), c(1, 1, 2)), "g", "[1.0, None]", "dimensions", bare),
  case("table", function() table(c("u", "u", "v")), "i", "[2, 1]", "is an integer vector", bare),
  case("`NULL`", function() NULL, NULL, "None"),
  case("list", function() list(1:2, "a", NULL), NULL, "[[1, 2], ['a'], None]", note = "a Python list of tables"),
  case("list with names", function() list(a = 1:2, b = data.frame(x = 1), c = list(TRUE, NULL)), NULL,
       "{'a': [1, 2], 'b': {'x': [1.0]}, 'c': [[True], None]}", note = "a Python dict"),
  case("empty list", function() list(), NULL, "[]"),
  case("empty list with names", function() structure(list(), names = character()), NULL, "{}")
)
