reads_back <- function(x) {
  vapply(parse_json(json_array(json_value(x))), function(v) {
    if (is.character(v)) switch(v, "!NaN" = NaN, "!NA" = NA_real_, "!Inf" = Inf, "!-Inf" = -Inf) else as.double(v)
  }, 0)
}

test_that("doubles survive, bit by bit", {
  x <- c(0, -0, 1, -1, 0.1, 1 / 3, 0.1 + 0.2, 1e22, 1e-5, 5e-324, .Machine$double.xmax, .Machine$double.eps,
         2^53, 2^53 + 2, 1e15, 123456.789, 100000, NaN, NA, Inf, -Inf, pi * 10^(-300:300))
  y <- reads_back(x)
  expect_identical(y, x)
  expect_identical(1 / y[2], -Inf)
  expect_identical(is.nan(y), is.nan(x))
})

test_that("numbers are short, in every scalar and vector form", {
  expect_identical(json_value(c(0.1, 0.91, 100000, 1e5 + 0.5)), c("0.1", "0.91", "100000", "100000.5"))
  expect_identical(json_value(0.3), "0.3")
  expect_identical(json_value(0.1 + 0.2), "0.30000000000000004")
  expect_identical(json_value(c(-0, 0)), c("-0.0", "0"))
  x <- c(stats::runif(500), stats::rnorm(500) * 1e200, 1:10 / 10, 2^(-1000:1000))
  expect_identical(json_value(x), vapply(x, json_value, ""))
})

test_that("integers, logicals and strings follow the protocol", {
  expect_identical(json_value(c(100000L, -1L, NA)), c("100000", "-1", "\"!NA\""))
  expect_identical(json_value(c(TRUE, FALSE, NA)), c("true", "false", "\"!NA\""))
  expect_identical(json_value(c("a", "!a", "!NA", "!", NA, "NA")),
                   c("\"a\"", "\"!!a\"", "\"!!NA\"", "\"!!\"", "\"!NA\"", "\"NA\""))
  expect_identical(json_value(character()), character())
  expect_error(json_value(1i), class = "espalier_error_bad_argument")
})

test_that("options do not matter", {
  withr::local_options(OutDec = ",", scipen = 999, digits = 3)
  expect_identical(json_value(c(0.5, 1e-20, 1e300, 100000)), c("0.5", "1e-20", "1e+300", "100000"))
  withr::local_options(scipen = -99)
  expect_identical(json_value(c(0.5, 100000)), c("0.5", "100000"))
  expect_identical(json_value(100000L), "100000")
})

test_that("strings are escaped and come back", {
  x <- c("", "a\"b\\c/d", "line\nbreak\r\n\t\b\f", "\001\037\177", "\u00e9\U1F600", "'$(rm)'", "\u2028", strrep("x", 1e5))
  expect_identical(unlist(parse_json(json_array(json_string(x)))), x)
  expect_true(all(validUTF8(json_string(x))))
})

test_that("encodings are converted or refused", {
  latin1 <- "caf\xe9"
  Encoding(latin1) <- "latin1"
  expect_identical(json_string(latin1), "\"caf\u00e9\"")
  bytes <- "\xff"
  Encoding(bytes) <- "bytes"
  expect_error(json_string(c("a", bytes), "value"), "`value`.*element 2.*xff", class = "espalier_error_bad_argument")
  expect_error(json_string("ok\xff", "value"), "ok.xff", class = "espalier_error_bad_argument")
})

test_that("the C locale changes nothing", {
  marked <- "\u00e9"
  unmarked <- rawToChar(charToRaw(marked))
  expected <- charToRaw("\"\u00e9\\n\"")
  withr::local_locale(c(LC_CTYPE = "C"))
  expect_identical(charToRaw(json_string(paste0(marked, "\n"))), expected)
  expect_identical(charToRaw(json_string(paste0(unmarked, "\n"))), expected)
})

test_that("nested lists are encoded", {
  x <- list(a = 1L, b = list(1, "x"), c = NULL, d = I(1), e = list(), f = c(1L, NA),
            g = stats::setNames(list(), character()), h = factor("lev"), i = c(n = TRUE), j = character())
  expect_identical(
    json_encode(x),
    paste0('{"a":1,"b":[1.0,"x"],"c":null,"d":[1.0],"e":[],"f":[1,"!NA"],"g":{},"h":"lev","i":true,"j":[]}')
  )
  expect_identical(json_encode(c(200, -3, 0.5, -0, 1e22, 2^53, NA, Inf)),
                   '[200.0,-3.0,0.5,-0.0,1e+22,9007199254740992.0,"!NA","!Inf"]')
  expect_identical(json_encode(c("200", "-3")), '["200","-3"]')
  expect_error(json_encode(list(a = list(b = sum))), "x\\$a\\$b", class = "espalier_error_bad_argument")
  expect_error(json_encode(list(a = list(1, 2i))), "x\\$a\\[\\[2\\]\\]", class = "espalier_error_bad_argument")
  expect_error(json_encode(Sys.time()), class = "espalier_error_bad_argument")
  expect_error(json_encode(list(a = 1, 2)), class = "espalier_error_bad_argument")
})
