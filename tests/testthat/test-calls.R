# The rules by which types cross, both ways, in code that the generator makes of a class with a method for each type.

# The namespace with the generated class in front of it; the bridge can reach the class while the test runs.
local_typed <- function(env = parent.frame()) {
  skip_if_no_core()
  skip_if(is.null(source_top()), "not in a source tree: tools/bindgen is absent")
  bridge_callable()
  top <- withr::local_tempdir(.local_envir = env)
  api <- file.path(top, "api.json")
  reticulate::py_run_string(sprintf(paste(
    "import json, sys, types", "from espalier.api import describe", "module = types.ModuleType('typed_fixture')",
    "sys.modules['typed_fixture'] = module",
    "exec(open(%s, encoding='utf-8').read(), module.__dict__)",
    "module.Typed.__module__ = 'typed_fixture'",
    "described = describe.describe([module.Typed])", "open(%s, 'w').write(json.dumps(described))",
    "from espalier.api import catalog, dispatch", "catalog.catalogue()['Typed'] = described['classes'][0]",
    "dispatch.members.cache_clear()", sep = "\n"
  ), shQuote(normalizePath(test_path("fixtures", "typed_fixture.py"))), shQuote(api)), local = TRUE)
  generator <- file.path(source_top(), "tools", "bindgen", "generate.R")
  said <- suppressWarnings(system2(rscript_path(), shQuote(c("--vanilla", generator, api, top)),
                                   stdout = TRUE, stderr = TRUE))
  expect_null(attr(said, "status"), info = paste(said, collapse = "\n"))
  withr::defer(reticulate::py_run_string(
    "import sys; from espalier.api import catalog, dispatch; [known.pop('Typed', None) for known in (catalog.catalogue(), dispatch.members(), sys.modules)]",
    local = TRUE
  ), envir = env)
  space <- new.env(parent = asNamespace("espalier"))
  sys.source(file.path(top, "R", "gen-typed.R"), space)
  # the runtime looks for classes where it is
  for (name in c("result_object", "arg_object")) {
    assign(name, `environment<-`(get(name, asNamespace("espalier")), space), space)
  }
  space$Typed$new(identity = c(key = "k"))
}

refused <- function(code, text) expect_error(code, text, class = "espalier_error_bad_argument", fixed = TRUE)

test_that("whole numbers are whole, however R writes them, and exact to 2^53", {
  typed <- local_typed()
  for (value in list(5, 5L)) {
    expect_identical(typed$whole(value), 5L)
    expect_identical(typed$seen, "int: 5")
  }
  expect_identical(typed$whole(-7), -7L)
  for (value in c(2^31, -2^31 - 1, 2^40 + 1, 2^53, -2^53)) {
    expect_identical(typed$whole(value), value)
    expect_identical(typed$seen, sprintf("int: %.0f", value))
  }
  refused(typed$whole(2.5), "`x` must be one whole number, not the number 2.5")
  refused(typed$whole(NA), "`x` must be one whole number, not the logical NA")
  refused(typed$whole(NA_integer_), "`x`")
  refused(typed$whole(NA_real_), "`x`")
  refused(typed$whole(NaN), "`x`")
  refused(typed$whole(Inf), "`x`")
  refused(typed$whole("5"), "`x` must be one whole number, not the string \"5\"")
  refused(typed$whole(1:2), "`x`")
  refused(typed$whole(2^53 + 2), "`x`")
  refused(typed$whole(TRUE), "`x`")
  refused(typed$whole(NULL), "`x` must be one whole number, not NULL")
  refused(typed$whole(), "The argument `x` is missing")
})

test_that("numbers, text and flags are one each, and keep their type", {
  typed <- local_typed()
  expect_identical(typed$number(2L), 2)
  expect_identical(typed$seen, "float: 2.0")
  for (value in c(0.1 + 0.2, 5e-324, -0, Inf, -Inf, NaN)) expect_identical(typed$number(value), value)
  refused(typed$number(NA), "`x` must be one number")
  refused(typed$number(NA_real_), "`x` must be one number")
  refused(typed$number("1"), "`x`")
  for (value in c("", "a", "!NA", "NA", "\u00e9\U0001F333", "a\"b\\c\n")) expect_identical(typed$text(value), value)
  expect_identical(typed$text("NA"), "NA")
  expect_identical(typed$seen, "str: 'NA'")
  expect_identical(typed$text(factor("u")), "u")
  refused(typed$text(NA), "`x` must be one string")
  refused(typed$text(NA_character_), "`x` must be one string")
  refused(typed$text(1), "`x`")
  refused(typed$text(c("a", "b")), "`x`")
  for (value in c(TRUE, FALSE)) expect_identical(typed$flag(value), value)
  expect_identical(typed$seen, "bool: False")
  refused(typed$flag(NA), "`x` must be TRUE or FALSE, not the logical NA")
  refused(typed$flag(1), "`x`")
})

test_that("choices are exact; one that is left out is Python's default", {
  typed <- local_typed()
  expect_identical(typed$choice("hard"), "hard")
  expect_identical(typed$choice(), "soft")
  refused(typed$choice("har"), "`x` must be one of \"hard\", \"soft\", not the string \"har\"")
  refused(typed$choice(c("hard", "soft")), "`x`")
  refused(typed$choice(NA_character_), "`x`")
  refused(typed$choice(NULL), "`x`")
})

test_that("a vector of any length is a list, and comes back as a vector", {
  typed <- local_typed()
  expect_identical(typed$wholes(5), 5L)
  expect_identical(typed$seen, "list: [5]")
  expect_identical(typed$wholes(1:3), 1:3)
  expect_identical(typed$wholes(list(1, 2L)), 1:2)
  expect_identical(typed$wholes(integer()), integer())
  expect_identical(typed$seen, "list: []")
  expect_identical(typed$wholes(c(1, 2^31)), c(1, 2^31))
  expect_identical(typed$texts("ab"), "ab")
  expect_identical(typed$seen, "list: ['ab']")
  expect_identical(typed$texts(c(n = "a", m = "!b")), c("a", "!b"))
  expect_identical(typed$texts(factor(c("v", "u"))), c("v", "u"))
  expect_identical(typed$texts(character()), character())
  expect_identical(typed$numbers(c(1, NaN, Inf)), c(1, NaN, Inf))
  expect_identical(typed$numbers(1L), 1)
  expect_identical(typed$seen, "list: [1.0]")
  expect_identical(typed$numbers(numeric()), numeric())
  expect_identical(typed$flags(c(TRUE, FALSE)), c(TRUE, FALSE))
  refused(typed$wholes(c(1, 2.5)), "`x[[2]]` must be one whole number, not the number 2.5")
  refused(typed$texts(c("a", NA)), "`x[[2]]`")
  refused(typed$flags(c(TRUE, NA)), "`x[[2]]`")
  refused(typed$numbers(c(1, NA)), "`x[[2]]`")
  refused(typed$wholes(NULL), "`x` must be a vector or a list, not NULL")
})

test_that("mappings have each name once, and keep their order", {
  typed <- local_typed()
  expect_identical(typed$mapping(list(b = 1, a = 2L)), list(b = 1L, a = 2L))
  expect_identical(typed$seen, "dict: {'b': 1, 'a': 2}")
  expect_identical(typed$mapping(c(a = 1)), list(a = 1L))
  expect_length(typed$mapping(list()), 0L)
  expect_identical(typed$seen, "dict: {}")
  expect_identical(typed$table_of_lists(list(a = "x", b = character(), "\u00e9 \"" = c("y", "z"))),
                   list(a = "x", b = character(), "\u00e9 \"" = c("y", "z")))
  expect_identical(typed$seen, "dict: {'a': ['x'], 'b': [], '\u00e9 \"': ['y', 'z']}")
  refused(typed$mapping(list(1)), "Can't use `x`: not all of its elements have names")
  refused(typed$mapping(list(a = 1, a = 2)), "Can't use `x`: it has the name \"a\" more than once")
  refused(typed$mapping(list(a = 1.5)), "`x$a` must be one whole number")
  refused(typed$mapping(list(a = NULL)), "`x$a`")
})

test_that("NULL is None where the signature says so, and NA never is", {
  typed <- local_typed()
  expect_null(typed$maybe(NULL))
  expect_identical(typed$seen, "NoneType: None")
  expect_identical(typed$maybe(), "default")
  refused(typed$maybe(NA), "`x`")
  refused(typed$maybe(NA_character_), "`x`")
  expect_null(typed$maybe_position(NULL))
  expect_null(typed$maybe_position())
  expect_null(typed$maybe_frame(NULL))
  expect_null(typed$nothing())
  expect_false(withVisible(typed$nothing())$visible)
  # where anything goes, NULL is None and NA stays NA
  expect_null(typed$anything(NULL))
  expect_identical(typed$anything(NA), NA)
  expect_identical(typed$seen, "_NA: NA")
  expect_identical(typed$anything(list(a = NULL, b = c(1, NA))), list(a = NULL, b = c(1, NA)))
  expect_identical(typed$data(c(1, NA, NaN)), c(1, NA, NaN))
})

test_that("positions are counted from 1 in R and from 0 in Python, and masks are positions", {
  typed <- local_typed()
  expect_identical(typed$position(1), 1L)
  expect_identical(typed$seen, "int: 0")
  expect_identical(typed$position(3L), 3L)
  expect_identical(typed$letter_at(1), "a")
  expect_identical(typed$maybe_position(2L), 2L)
  expect_identical(typed$positions(c(2, 3)), 2:3)
  expect_identical(typed$seen, "list: [1, 2]")
  expect_identical(typed$positions(2L), 2L)
  expect_identical(typed$positions(c(TRUE, FALSE, TRUE)), c(1L, 3L))
  expect_identical(typed$seen, "list: [0, 2]")
  expect_identical(typed$positions(c(a = FALSE, b = FALSE)), integer())
  expect_identical(typed$positions(integer()), integer())
  expect_identical(typed$position(2^31 + 1), 2^31 + 1)
  refused(typed$position(0), "`x` must be a whole number")
  refused(typed$position(-1), "`x`")
  refused(typed$position(1.5), "`x`")
  refused(typed$position(NA), "`x`")
  refused(typed$position(TRUE), "`x`")
  refused(typed$positions(c(1, 0)), "`x[[2]]`")
  refused(typed$positions(c(TRUE, NA)), "`x` must be TRUE or FALSE throughout")
  refused(typed$positions(c(1L, NA)), "`x[[2]]`")
})

test_that("frames and data go both ways by the marks of the signature", {
  typed <- local_typed()
  frame <- data.frame(a = c(1.5, NA), b = c("x", NA), c = factor(c("u", "v")), d = as.Date("2020-01-01") + 0:1)
  expect_identical(typed$frame(frame), frame)
  expect_identical(typed$maybe_frame(frame), frame)
  expect_identical(typed$data(frame), frame)
  expect_identical(typed$columns(frame), letters[1:4])
  expect_identical(typed$data(1:3), 1:3)
  expect_identical(typed$data(list(a = "x", b = list(frame, TRUE))), list(a = "x", b = list(frame, TRUE)))
  refused(typed$frame(1:3), "`x` must be a data frame")
  expect_error(typed$frame(data.frame(a = I(list(mean)))), "`x`", class = "espalier_error_unsupported_data", fixed = TRUE)
})

test_that("objects of ours cross as what identifies them, alone and in lists", {
  typed <- local_typed()
  back <- typed$other(typed)
  expect_s3_class(back, "Typed")
  expect_identical(identity_of(back), c(key = "k!"))
  expect_identical(typed$seen, "str: 'k'")
  expect_identical(lapply(typed$others(list(typed, back)), identity_of), list(c(key = "k!"), c(key = "k!!")))
  refused(typed$other("k"), "`x` must be a <Typed> object")
  refused(typed$others(list("k")), "`x[[1]]` must be a <Typed> object")
  refused(typed$wholes(typed), "`x` must be a vector or a list")
  refused(typed$mapping(typed), "`x` must be a named list")
})

test_that("a method marked as long is called as such", {
  space <- environment(local_typed()$numbers)
  calls <- function(name) all.names(body(get(name, envir = space)))
  expect_true("core_call_long" %in% calls("Typed__numbers"))
  expect_true("core_call" %in% calls("Typed__wholes"))
})
