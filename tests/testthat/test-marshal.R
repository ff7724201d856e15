bad <- function(code) expect_error(code, class = "espalier_error_bad_argument")

test_that("scalars are checked by type and length, and named in the error", {
  expect_identical(arg_string("a", "x"), "a")
  expect_identical(arg_string(factor("a"), "x"), "a")
  expect_identical(arg_int(5, "x"), 5)
  expect_identical(arg_int(5L, "x"), 5L)
  expect_identical(arg_int(3e9, "x"), 3e9)
  expect_identical(arg_number(2L, "x"), 2L)
  expect_identical(arg_number(NaN, "x"), NaN)
  expect_identical(arg_number(-Inf, "x"), -Inf)
  expect_identical(arg_flag(TRUE, "x"), TRUE)
  for (value in list(2.5, NA, NA_integer_, "5", c(1, 2), NULL, Inf)) bad(arg_int(value, "x"))
  for (value in list(NA_character_, 1, c("a", "b"), NULL, character())) bad(arg_string(value, "x"))
  for (value in list(NA, 1, "TRUE", NULL)) bad(arg_flag(value, "x"))
  for (value in list(NA_real_, "1", NULL)) bad(arg_number(value, "x"))
  expect_error(arg_int(2.5, "trees"), "`trees` must be one whole number, not the number 2.5", fixed = TRUE)
})

test_that("choices are exact and listed", {
  how <- arg_choice(c("hard", "soft"))
  expect_identical(how("hard", "how"), "hard")
  expect_error(how("har", "how"), "\"hard\", \"soft\"", fixed = TRUE)
})

test_that("NULL is None only where the type says so", {
  expect_null(arg_optional(arg_string)(NULL, "x"))
  bad(arg_optional(arg_string)(NA_character_, "x"))
})

test_that("a list is a list whatever its length", {
  strings <- arg_list(arg_string)
  expect_identical(strings("a", "x"), list("a"))
  expect_identical(strings(c(n = "a", m = "b"), "x"), list("a", "b"))
  expect_identical(strings(character(), "x"), list())
  expect_identical(strings(factor(c("b", "a")), "x"), list("b", "a"))
  expect_identical(args_json(list(x = strings("a", "x"), y = strings(character(), "y"))), '{"x":["a"],"y":[]}')
  expect_error(strings(list("a", 1), "x"), "`x[[2]]`", fixed = TRUE)
  bad(strings(NULL, "x"))
})

test_that("a mapping wants each name once, and an empty one is an object", {
  tags <- arg_mapping(arg_string)
  expect_identical(tags(c(a = "1"), "x"), list(a = "1"))
  expect_identical(tags(factor(c(a = "u")), "x"), list(a = "u"))
  expect_identical(args_json(list(x = tags(list(), "x"))), '{"x":{}}')
  expect_identical(arg_mapping(arg_optional(arg_int))(list(a = NULL, b = 1L), "x"), list(a = NULL, b = 1L))
  expect_error(tags(list(a = "1", a = "2"), "tags"), "the name \"a\" more than once", fixed = TRUE)
  bad(tags(list("1"), "x"))
  bad(tags(list(a = "1", "2"), "x"))
})

test_that("JSON arguments are plain all the way down", {
  expect_identical(arg_json(list(a = list(1, "b"), n = NULL), "x"), list(a = list(1, "b"), n = NULL))
  expect_identical(arg_json(c(a = 1), "x"), list(a = 1))
  expect_identical(args_json(list(x = arg_json(list(a = factor("u"), b = 1:2), "x"))), '{"x":{"a":"u","b":[1,2]}}')
  expect_error(arg_json(list(a = list(mean)), "x"), "`x$a[[1]]`", fixed = TRUE)
  bad(arg_json(Sys.time(), "x"))
  bad(arg_record("a", "x"))
  expect_identical(args_json(list(x = arg_record(list(), "x"))), '{"x":{}}')
})

test_that("only what was given is sent, and what must be given is asked for by name", {
  sent <- new.env()
  local_mocked <- function(class, method, identity, args_json, decode) sent$json <- args_json
  call <- Workspace__get
  environment(call) <- list2env(list(core_call = local_mocked), parent = environment(call))
  outer <- function(name, path) call(name, path)
  outer("demo")
  expect_identical(sent$json, '{"name":"demo"}')
  outer("demo", NULL)
  expect_identical(sent$json, '{"name":"demo","path":null}')
  expect_error(outer(), "The argument `name` is missing", class = "espalier_error_bad_argument")
})

test_that("tags of the protocol are read, and escaped strings unescaped", {
  read <- function(json) result_json(jsonlite::parse_json(json))
  expect_identical(read('"!NaN"'), NaN)
  expect_identical(read('"!-Inf"'), -Inf)
  expect_identical(read('"!NA"'), NA)
  expect_identical(read('"!!NA"'), "!NA")
  expect_identical(read('["!!a","!NA","b"]'), c("!a", NA, "b"))
  expect_identical(read('[1,"!NaN",2.5,"!NA"]'), c(1, NaN, 2.5, NA))
  expect_identical(read("[1,2]"), 1:2)
  expect_identical(read("[1,2.5]"), c(1, 2.5))
  expect_identical(read('[1,"a",true]'), list(1L, "a", TRUE))
  expect_identical(read('[1,null]'), list(1L, NULL))
  expect_identical(read('["!NA"]'), NA)
  expect_identical(read('{"a":[],"b":{"c":null}}'), list(a = list(), b = list(c = NULL)))
  expect_identical(read("[[1,2],[3]]"), list(1:2, 3L))
  expect_identical(1 / read("-0.0"), -Inf)
})

test_that("typed vectors keep their type when empty or all NA", {
  expect_identical(result_strings(list()), character())
  expect_identical(result_numbers(list("!NA", 1L)), c(NA, 1))
  expect_identical(result_ints(list(1L, NULL)), c(1L, NA))
  expect_identical(result_ints(list(1L, 3e9)), c(1, 3e9))
  expect_identical(result_flags(list(TRUE, "!NA")), c(TRUE, NA))
  expect_identical(result_mapping(result_string)(list(a = "!!x")), list(a = "!x"))
  expect_null(result_optional(result_frame)(NULL))
})

test_that("the core's frames become data frames, column by column", {
  skip_if_no_core()
  bridge_callable()
  import <- function(code) {
    reticulate::py_run_string(paste0(
      "import json\nfrom espalier.base.types import Frame\nfrom espalier_bridge.values import carrier\n", "made = json.dumps(carrier.frame(", code, "))"
    ))
    result_frame(jsonlite::parse_json(reticulate::py_eval("made")))
  }
  frame <- import("Frame({'d': [0.1, float('nan'), None], 'i': [1, None, -5], 'l': [True, None, False], 's': ['!x', None, ''],
    't': [1764000000.25, None, 0], 'a b': [1, 2, 3], 'w': [2**31, 1, None]},
    {'d': 'double', 'i': 'integer', 'l': 'logical', 's': 'string', 't': 'time', 'a b': 'double', 'w': 'integer'})")
  expect_identical(frame$d, c(0.1, NaN, NA))
  expect_true(is.nan(frame$d[2]) && !is.nan(frame$d[3]))
  expect_identical(frame$i, c(1L, NA, -5L))
  expect_identical(frame$l, c(TRUE, NA, FALSE))
  expect_identical(frame$s, c("!x", NA, ""))
  expect_identical(frame$t, as.POSIXct(c(1764000000.25, NA, 0), origin = "1970-01-01", tz = "UTC"))
  expect_identical(frame[["a b"]], c(1, 2, 3))
  expect_identical(frame$w, c(2^31, 1, NA))
  expect_identical(import("Frame({'s': []}, {'s': 'string'})"), data.frame(s = character()))
  expect_identical(import("Frame({}, {})"), data.frame())
})
