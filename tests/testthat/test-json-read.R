test_that("JSON is read as jsonlite reads it", {
  skip_if_not_installed("jsonlite")
  local_utf8()
  texts <- c(
    "{\"a\": 1, \"b\": [true, false, null, \"x\"], \"c\": {}, \"d\": [], \"e\": {\"f\": -1.5e3}}",
    "[\"a\\\"b\\\\c\\/d\\n\\t\\u00e9\\ud83d\\ude00\", \"\", \"{[,:]}\", \"\u00e9\"]", "\"x\"", "17", "{\"\": 1}"
  )
  for (text in texts) {
    expect_equal(json_parse(text), jsonlite::fromJSON(text, simplifyVector = FALSE), info = text)
  }
  long <- sprintf("{\"a\": \"%s\"}", strrep("x\\\"", 50000))
  expect_identical(nchar(json_parse(long)$a), 100000L)
})

test_that("what is written here can be read here", {
  value <- list(a = list("x\u00e9", 1.5, TRUE), b = empty_object(), c = list())
  expect_equal(json_parse(json_encode(value)), value)
})

test_that("what is no JSON is told", {
  for (text in c("", "{", "[1", "{\"a\" 1}", "{\"a\": }", "[1,]", "{a: 1}", "[1] 2", "nul", "\"x", "{\"a\": 1 \"b\": 2}")) {
    expect_error(json_parse(text), class = "espalier_error_damaged", info = text)
  }
})
