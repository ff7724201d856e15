test_that("an error has its classes, fields and a message with a hint", {
  err <- tryCatch(
    espalier_abort("bad_name", "It failed.", "Do this.", argument = "name"),
    error = identity
  )
  expect_s3_class(err, c("espalier_error_bad_name", "espalier_error", "error", "condition"), exact = TRUE)
  expect_identical(conditionMessage(err), "It failed.\ni Do this.")
  expect_identical(err$code, "bad_name")
  expect_identical(err$hint, "Do this.")
  expect_identical(err$argument, "name")
  expect_null(conditionCall(err))
})

test_that("an error may have a cause and no hint", {
  err <- tryCatch(espalier_abort("internal", "A.", parent = simpleError("B.")), error = identity)
  expect_identical(conditionMessage(err), "A.\nCaused by: B.")
  expect_null(err$hint)
})

test_that("a message is said once, until it may be said again", {
  expect_message(inform_once("test_once", "hello"), "hello", class = "espalier_message_test_once")
  expect_silent(inform_once("test_once", "hello"))
  inform_again("test_once")
  expect_message(inform_once("test_once", c("hello", "you")), "hello\nyou\n")
  inform_again("test_once")
})

test_that("a gentle warning never becomes an error", {
  expect_warning(espalier_warn_gently("careful", "a_class"), "careful", class = "a_class")
  withr::local_options(warn = 2)
  expect_message(espalier_warn_gently("careful"), "careful")
})

test_that("what is said once may be long, in any locale", {
  withr::local_options(warn = 2)
  withr::local_locale(c(LC_CTYPE = "C"))
  note <- paste(c("n\u00f6te", strrep("x", 20000L)), collapse = " ")
  expect_message(inform_once(note, note, "note"), "xxx", class = "espalier_message_note")
  expect_silent(inform_once(note, note, "note"))
})
