# What cannot go to Python, and what comes from there: further cases for test-fidelity.R and tools/fidelity.R. Plain R.

#' One thing that is refused
#'
#' @param name What it is, for people.
#' @param value A function that makes it.
#' @param says A part of the error.
refused <- function(name, value, says) list(name = name, value = value, says = says)

refused_cases <- function() list(
  refused("text marked as bytes", function() column(marked("fa\xe7ile", "bytes")),
          "column \"x\" has text that is neither UTF-8 nor marked with its encoding (element 1); convert it first"),
  refused("text that is no UTF-8 and not marked", function() column(c("a", marked("fa\xe7ile", "unknown"))),
          "column \"x\" has text that is neither UTF-8 nor marked with its encoding (element 2); convert it first"),
  refused("a list column with a function in it", function() with_list(1, mean), "x: element 2 has a function"),
  refused("with an environment", function() with_list(globalenv()), "x: element 1 has an environment"),
  refused("with a formula", function() with_list(y ~ x), "x: element 1 has an object of type language"),
  refused("with an S4 object", function() with_list(methods::getClass("numeric")),
          "x: element 1 has an S4 object of class classRepresentation"),
  refused("a list with dimensions", function() column(matrix(list(1, 2), 2)), "x: a list with dimensions"),
  refused("a factor with dimensions", function() structure(factor(1:4), dim = c(2, 2)), "x: a factor with dimensions"),
  refused("a damaged factor", function() column(structure(9L, levels = "a", class = "factor")),
          "column \"x\" is a factor whose element 1 has the code 9, and it has 1 levels"),
  refused("columns of different lengths", function() {
    structure(list(a = 1, b = 1:3), class = "data.frame", row.names = 1L)
  }, "column \"b\" has 3 rows where the data frame has 1"),
  refused("a function", function() mean, "x: a function"),
  refused("a connection", function() stdin(), "x: a connection"),
  refused("a list with some names", function() list(a = 1, 2), "Can't use `x`: not all of its elements have names."),
  refused("a list with a name twice", function() list(a = 1, a = 2), "Can't use `x`: it has the name \"a\" more than once"),
  refused("a list with a class", function() structure(list(1), class = "mine"),
          "a list with the attribute class; unclass() and attributes(x) <- NULL drop them")
)

#' One value of Python
#'
#' @param name,note For people.
#' @param code Python code that makes it as `x`.
#' @param gives A function that makes what R gets. A part of the error, if it is refused.
#' @param bit64 Whether the package bit64 is loaded in the session.
made <- function(name, code, gives, note = "", bit64 = FALSE) {
  list(name = name, code = code, gives = gives, note = note, bit64 = bit64)
}

python_cases <- function() {
  list("pyarrow" = cases_pyarrow(), "pandas" = cases_pandas(), "polars" = cases_polars(), "numpy" = cases_numpy(),
       "Python itself" = cases_python())
}

# Python packages that a section needs, with the line that imports them
python_imports <- c(
  pyarrow = "import pyarrow as pa, datetime as d, decimal, pyarrow.compute",
  pandas = "import pyarrow, pandas as pd", polars = "import polars as pl, datetime as d, decimal",
  numpy = "import numpy as np", "Python itself" = "import datetime as d, decimal, zoneinfo"
)

array_of <- function(...) sprintf("x = pa.table({'x': pa.array(%s)})", paste(..., sep = ", "))

secs <- function(...) as.difftime(c(...), units = "secs")

cases_pyarrow <- function() list(
  made("int8, int16, int32, uint8, uint16", array_of("[1, None]", "pa.int16()"), function() column(c(1L, NA))),
  made("int32 with -2^31", array_of("[-2**31, None]", "pa.int32()"), function() column(c(-2^31, NA)),
       "the value that is R's `NA`"),
  made("uint32", array_of("[2**32 - 1, None]", "pa.uint32()"), function() column(c(2^32 - 1, NA))),
  made("int64 up to 2^53", array_of("[2**53, None]"), function() column(c(2^53, NA))),
  made("int64 beyond, with bit64 loaded", array_of("[2**53 + 1, None]"),
       function() column(bit64::as.integer64(c("9007199254740993", NA))), bit64 = TRUE),
  made("int64 beyond, without", array_of("[2**53 + 1, None]"),
       "column \"x\": whole numbers beyond 2^53, which R's doubles would round; load the package bit64"),
  made("uint64 from 2^63", array_of("[2**63]", "pa.uint64()"), "column \"x\": a whole number of 2^63 or more"),
  made("float32, float64", array_of("[1.5, None]", "pa.float32()"), function() column(c(1.5, NA)),
       "NaN stays NaN, null is `NA`"),
  made("bool", array_of("[True, None]"), function() column(c(TRUE, NA))),
  made("string, large_string, string_view", array_of("['a' * 20, None, '']", "pa.string_view()"),
       function() column(c(strrep("a", 20), NA, ""))),
  made("string with a zero byte", array_of("['a\\0b']"),
       "column \"x\": a text with a zero byte, which R's strings cannot have"),
  made("binary, large, fixed-size, view", array_of("[b'ab', None]", "pa.binary(2)"),
       function() with_list(as.raw(c(0x61, 0x62)), NULL)),
  made("dictionary of strings", paste("x = pa.table({'x': pa.chunked_array([pa.array(['u', 'v']).dictionary_encode(),",
                                      "pa.array(['w', 'u', None]).dictionary_encode()])})"),
       function() column(factor(c("u", "v", "w", "u", NA))), "each chunk may have another dictionary"),
  made("dictionary of anything else", "x = pa.table({'x': pa.array([7, None, 7]).dictionary_encode()})",
       function() column(c(7, NA, 7)), "the values themselves"),
  made("null", "x = pa.table({'x': pa.nulls(2)})", function() column(c(NA, NA))),
  made("date32, date64", array_of("[d.date(2020, 1, 1), None]", "pa.date64()"),
       function() column(as.Date(c("2020-01-01", NA)))),
  made("timestamp with a zone", array_of("[1500, None]", "pa.timestamp('ms', 'Europe/Berlin')"),
       function() column(time_at(c(1.5, NA), tzone = "Europe/Berlin")), "of s, ms, us or ns"),
  made("timestamp without", array_of("[1, None]", "pa.timestamp('ns')"),
       function() column(time_at(c(1e-9, NA), tzone = "UTC")), "a clock's time: it reads the same in R, in UTC"),
  made("duration, time32, time64", array_of("[1500, None]", "pa.duration('ms')"), function() column(secs(1.5, NA)),
       "of s, ms, us or ns"),
  made("list, large_list, fixed-size list", array_of("[[1, 2], None, []]", "pa.large_list(pa.int32())"),
       function() with_list(1:2, NULL, integer())),
  made("struct", array_of("[{'a': 1.5, 'b': 'x'}, {'a': None, 'b': None}]"),
       function() column(data.frame(a = c(1.5, NA), b = c("x", NA)))),
  made("struct with null rows", array_of("[{'a': 1}, None]"), "column \"x\": whole rows of a struct are null"),
  made("decimal", array_of("[decimal.Decimal('1.5')]"), "x: a decimal; cast it to float64, or to text"),
  made("map", array_of("[[('k', 1)]]", "pa.map_(pa.string(), pa.int8())"), "x: a map; make it a list of structs"),
  made("union", "x = pa.table({'x': pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])})",
       "x: of Arrow type \"+us:0\", which R has no column for"),
  made("extension types", array_of("[b'0' * 16]", "pa.uuid()"),
       "x: of the extension type \"arrow.uuid\"; cast it to its storage type or to text", "all but `arrow.json`"),
  made("several chunks", "x = pa.table({'x': pa.chunked_array([[1.5], [], [None]])})", function() column(c(1.5, NA))),
  made("part of a table", "x = pa.table({'x': [str(i) for i in range(20)]}).slice(9, 2)",
       function() column(c("9", "10"))),
  made("array, chunked array", "x = pa.array([1.5, None])", function() c(1.5, NA), "a vector")
)

cases_pandas <- function() list(
  made("int64, float64, bool", "x = pd.DataFrame({'i': [1, 2], 'f': [1.5, None], 'b': [True, False]})",
       function() data.frame(i = c(1, 2), f = c(1.5, NA), b = c(TRUE, FALSE)), "NaN is missing in pandas: `NA`"),
  made("Int64, Float64, boolean, string", paste("x = pd.DataFrame({'i': pd.array([1, None], 'Int64'),",
       "'b': pd.array([True, None], 'boolean'), 's': pd.array(['a', None], 'string')})"),
       function() data.frame(i = c(1, NA), b = c(TRUE, NA), s = c("a", NA))),
  made("object with None", "x = pd.DataFrame({'x': pd.Series(['a', None], dtype=object)})",
       function() column(c("a", NA))),
  made("categorical", "x = pd.DataFrame({'x': pd.Categorical(['u', None], ['v', 'u'], ordered=True)})",
       function() column(factor(c("u", NA), c("v", "u"), ordered = TRUE))),
  made("times with a zone and NaT",
       "x = pd.to_datetime([0, None], utc=True).tz_convert('Asia/Tokyo').to_frame(False, 'x')",
       function() column(time_at(c(0, NA), tzone = "Asia/Tokyo"))),
  made("timedelta", "x = pd.DataFrame({'x': pd.to_timedelta([1.5, None], 's')})",
       function() column(secs(1.5, NA))),
  made("an index with values", "x = pd.DataFrame({'a': [1.5]}, index=pd.Index(['r'], name='id'))",
       function() data.frame(a = 1.5, id = "r"), "a column; without a name it is `__index_level_0__`"),
  made("series", "x = pd.Series([1.5, 2])", function() c(1.5, 2), "a vector, without the index"),
  made("period, interval", "x = pd.DataFrame({'x': pd.period_range('2020', '2020', freq='Y')})",
       "x: of the extension type \"pandas.period\"; cast it to its storage type or to text"),
  made("object of several types", "x = pd.DataFrame({'x': [1, 'b']})",
       "Conversion failed for column x with type object"),
  made("equal column names", "x = pd.DataFrame([[1, 2]], columns=['a', 'a'])",
       "Duplicate column names found: ['a', 'a']")
)

cases_polars <- function() list(
  made("numbers, strings, booleans", "x = pl.DataFrame({'i': [1, None], 's': ['x', None], 'b': [True, None]})",
       function() data.frame(i = c(1, NA), s = c("x", NA), b = c(TRUE, NA))),
  made("Categorical", "x = pl.Series(['b', 'a'], dtype=pl.Categorical).to_frame('x')",
       function() column(factor(c("b", "a"), c("b", "a")))),
  made("Enum", "x = pl.Series(['b', 'a'], dtype=pl.Enum(['b', 'a'])).to_frame('x')",
       function() column(factor(c("b", "a"), c("b", "a"), ordered = TRUE)), "its order means something in polars"),
  made("Date, Datetime, Duration, Time", paste("x = pl.DataFrame({'d': [d.date(1970, 1, 2)],",
       "'t': [d.datetime(1970, 1, 2)], 'u': [d.timedelta(1)], 'c': [d.time(1)]})"), function() {
    data.frame(d = as.Date("1970-01-02"), t = time_at(86400, tzone = "UTC"), u = secs(86400), c = secs(3600))
  }),
  made("List, Struct", "x = pl.DataFrame({'s': [{'p': 'u'}, {'p': 'v'}], 'l': [['a'], None]})", function() {
    x <- column(data.frame(p = c("u", "v")))
    names(x) <- "s"
    x$l <- list("a", NULL)
    x
  }),
  made("Series", "x = pl.Series('a', ['x', None])", function() c("x", NA), "a vector"),
  made("Decimal", "x = pl.DataFrame({'x': [decimal.Decimal('1.5')]})", "x: a decimal; cast it to float64, or to text"),
  made("Object", "x = pl.DataFrame({'x': pl.Series([object()], dtype=pl.Object)})",
       "column 'x' holds Python objects"),
  made("LazyFrame", "x = pl.LazyFrame({'x': [1]})", "LazyFrame")
)

cases_numpy <- function() list(
  made("bool", "x = np.array([True, False])", function() c(TRUE, FALSE)),
  made("int8, int16, int32, uint8, uint16", "x = np.array([1, 2], 'i1')", function() 1:2),
  made("int64, uint32, uint64", "x = np.array([1, 2**53])", function() c(1, 2^53), "as pyarrow's"),
  made("float16, float32, float64", "x = np.array([1.5, np.nan], 'f2')", function() c(1.5, NaN)),
  made("complex", "x = np.array([1+2j], 'c8')", function() 1+2i),
  made("datetime64[D]", "x = np.array(['1970-01-02', 'NaT'], 'M8[D]')", function() as.Date(c("1970-01-02", NA))),
  made("datetime64 of s, ms, us, ns", "x = np.array([1500, 'NaT'], 'M8[ms]')",
       function() time_at(c(1.5, NA), tzone = "UTC")),
  made("datetime64 of other units", "x = np.array([1], 'M8[m]')",
       "of NumPy's type datetime64[m]; convert it to [s], [ms], [us] or [ns]"),
  made("timedelta64", "x = np.array([1500, 'NaT'], 'm8[ms]')", function() secs(1.5, NA)),
  made("strings", "x = np.array(['a', 'bc'])", function() c("a", "bc")),
  made("objects of one type", "x = np.array(['a', None], object)", function() c("a", NA)),
  made("objects of several types", "x = np.array(['a', 1], object)", "the array has values of type int, str"),
  made("two dimensions and more", "x = np.array([[1., 2., 3.], [4., 5., 6.]])",
       function() matrix(c(1, 4, 2, 5, 3, 6), 2), "a matrix or array"),
  made("part of an array", "x = np.arange(6.)[::-2]", function() c(5, 3, 1)),
  made("another byte order", "x = np.array([1.5, 2], '>f8')", function() c(1.5, 2)),
  made("masked array", "x = np.ma.array([1.5, 2], mask=[False, True])", function() c(1.5, NA)),
  made("one value", "x = np.float64(1.5)", function() 1.5),
  made("structured array", "x = np.array([(1, 2.5)], dtype=[('a', 'i4'), ('b', 'f8')])",
       "which R has no column for")
)

cases_python <- function() list(
  made("list of `bool`", "x = [True, None]", function() c(TRUE, NA)),
  made("list of `int`", "x = [1, None]", function() c(1L, NA), "double beyond 2^31, integer64 beyond 2^53"),
  made("list of `float`, of `int` and `float`", "x = [1, 2.5, None, float('nan')]", function() c(1, 2.5, NA, NaN)),
  made("list of `complex`", "x = [1+2j, None]", function() c(1+2i, NA)),
  made("list of `str`", "x = ['a', None]", function() c("a", NA)),
  made("`str` with a zero byte", "x = ['a\\0b']", "text with a zero byte, which R's strings cannot have"),
  made("list of `bytes`", "x = [b'ab', None]", function() list(as.raw(c(0x61, 0x62)), NULL)),
  made("list of `date`", "x = [d.date(1970, 1, 2), None]", function() as.Date(c("1970-01-02", NA))),
  made("list of `datetime`", "x = [d.datetime(1970, 1, 2)]", function() time_at(86400, tzone = "UTC")),
  made("list of `datetime` with a zone", "x = [d.datetime(1970, 1, 1, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))]",
       function() time_at(0, tzone = "Europe/Berlin")),
  made("list of `timedelta`", "x = [d.timedelta(1)]", function() secs(86400)),
  made("list of `None`", "x = [None]", function() NA),
  made("list of several types", "x = [1, 'a', True]", function() list(1L, "a", TRUE), "a list"),
  made("list of lists", "x = [[1, 2], []]", function() list(1:2, list()), "a list"),
  made("`dict`", "x = {'a': [1, 2], 'b': {'c': 'd'}}", function() list(a = 1:2, b = list(c = "d")),
       "a list with names"),
  made("`None`", "x = None", function() NULL),
  made("one value", "x = 'a'", function() "a"),
  made("`int` beyond 64 bits", "x = 2**70", "a whole number beyond 64 bits"),
  made("`Decimal`, `set`, any object", "x = decimal.Decimal('1.5')",
       "values of type Decimal, which make no column of R")
)
