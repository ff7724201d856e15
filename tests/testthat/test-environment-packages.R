# The parts of a definition; none of them needs Python.

test_that("packages of CRAN", {
  expect_identical(unclass(cran_package("glmnet", "4.1-8")), list(name = "glmnet", version = "4.1-8"))
  expect_identical(unclass(cran_package("abc", numeric_version("1.10"))), list(name = "abc", version = "1.10"))
  # the ancestor's default repository is no wish
  expect_identical(unclass(cran_package("abc", repo = "https://cloud.r-project.org/")), list(name = "abc"))
  expect_identical(cran_package("abc", repo = "https://cran.example.org")$repository, "https://cran.example.org")
  for (bad in list(1, NA_character_, character(), c("a", "b"), "")) {
    expect_error(cran_package(bad), class = "espalier_error_bad_argument")
  }
})

test_that("packages of GitHub in the ancestor's spelling", {
  fields <- function(...) unclass(github_package(...))
  expect_identical(fields("u/r"), list(repository = "u/r"))
  expect_identical(fields("u/r@v1.0"), list(repository = "u/r", ref = "v1.0"))
  expect_identical(fields("u/r@a/b"), list(repository = "u/r", ref = "a/b"))
  expect_identical(fields("u/r/a/b@x"), list(repository = "u/r", subdir = "a/b", ref = "x"))
  expect_identical(fields("u/r#12"), list(repository = "u/r", ref = "refs/pull/12/head"))
  expect_identical(fields("u/r/sub#1"), list(repository = "u/r", subdir = "sub", ref = "refs/pull/1/head"))
  for (bad in c("r", "u/", "/r", "u/r#x", "u/r@", "u/r@a#1", "", "https://github.com/u/r@x@y")) {
    expect_error(github_package(bad), class = "espalier_error_bad_argument", info = bad)
  }
})

test_that("text where a secret is named is refused, never shown, and said how to keep", {
  for (call in expression(
    github_package("u/r", auth_token = "ghp_CANARY"), container_registry("r.org", "me", "ghp_CANARY"),
    r_environment("e", pip_index_password = "ghp_CANARY"),
    r_environment("e", github_packages = list(list(repository = "u/r", auth_token = "ghp_CANARY"))),
    r_environment("e", custom_docker_image = "x", image_registry_details = list(username = "me", password = "ghp_CANARY"))
  )) {
    error <- expect_error(eval(call), class = "espalier_error_bad_argument")
    expect_no_match(conditionMessage(error), "CANARY")
    expect_match(conditionMessage(error), "set_secrets(get_default_keyvault(ws)", fixed = TRUE)
    expect_match(conditionMessage(error), "keyvault_secret(\"<name>\")", fixed = TRUE)
  }
  expect_identical(github_package("u/r", keyvault_secret("t"))$auth_token, list(secret = "t"))
})

test_that("lists of packages in all forms that users write", {
  two <- list(list(name = "a"), list(name = "b", version = "1.2"))
  expect_identical(cran_argument(c("a", "b@1.2")), two)
  expect_identical(cran_argument(list("a", cran_package("b", "1.2"))), two)
  expect_identical(cran_argument(list("a", list(name = "b", version = "1.2", repo = NULL))), two)
  expect_identical(cran_argument(cran_package("a")), two[1])
  expect_identical(cran_argument(list(c("a", "b@1.2"))), two)
  expect_length(cran_argument(NULL), 0L)
  expect_identical(cran_argument(list(list(name = "a", repo = "x"))), list(list(name = "a", repository = "x")))
  expect_identical(github_argument(c("u/r", "v/s@x")), list(list(repository = "u/r"), list(repository = "v/s", ref = "x")))
  for (bad in list(1, NA_character_, list(1), list(list(version = "1")), "a@1@2", mean, list(github_package("u/r")))) {
    expect_error(cran_argument(bad), class = "espalier_error_bad_argument")
  }
})

test_that("parts print what they are", {
  expect_snapshot({
    cran_package("glmnet", "4.1-8")
    github_package("user/repo/sub@v1.0", auth_token = keyvault_secret("github"))
    container_registry("registry.example.org", "me", keyvault_secret("registry"))
    keyvault_secret("github")
  })
})
