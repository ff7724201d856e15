# All texts of R's errors are in one snapshot, so that a changed one is read.

# A text in code, with what is filled in by its expression; NULL where there is none.
template <- function(code) {
  if (is.character(code)) return(paste(code, collapse = " "))
  if (!is.call(code)) return(NULL)
  parts <- unlist(lapply(as.list(code)[-1L], template))
  if (is.null(parts)) NULL else paste(deparse(code, width.cutoff = 500L), collapse = " ")
}

# The calls of espalier_abort() in a function, as its class and its texts.
aborts <- function(code) {
  if (is.function(code)) return(c(aborts(body(code)), aborts(as.list(formals(code)))))
  if (is.list(code) || is.expression(code)) return(unlist(lapply(code, aborts)))
  if (!is.call(code)) return(NULL)
  inner <- unlist(lapply(as.list(code), function(part) if (missing(part)) NULL else aborts(part)))
  if (!identical(code[[1L]], quote(espalier_abort))) return(inner)
  texts <- Filter(Negate(is.null), lapply(as.list(code)[-1L], template))
  c(paste0("* ", paste(unlist(texts), collapse = "\n    ")), inner)
}

test_that("the texts of all errors are the kept ones", {
  namespace <- asNamespace("espalier")
  names <- sort(ls(namespace, all.names = TRUE), method = "radix")
  found <- lapply(names, function(name) {
    value <- get(name, namespace)
    if (is.function(value)) aborts(value)
  })
  names(found) <- names
  found <- Filter(length, found)
  expect_gt(length(unlist(found)), 50L)
  expect_snapshot(for (name in names(found)) writeLines(c(paste0("## ", name), found[[name]])))
})
