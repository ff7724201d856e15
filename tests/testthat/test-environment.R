# Definitions from R: what arguments become, what is refused, what survives.

fields_of <- function(...) as.list(r_environment("e", ...))

test_that("all of the ancestor's arguments arrive", {
  skip_if_no_core()
  env <- r_environment(
    "tidy", environment_variables = list(A = 1, B = "x y"), r_version = "4.3", snapshot_date = as.Date("2024-05-01"),
    cran_packages = list(cran_package("glmnet"), "ranger@0.16.0"), github_packages = github_package("u/r@main"),
    custom_url_packages = "https://x.org/p_1.0.tar.gz", bioconductor_packages = c("limma", "Biobase"),
    custom_docker_image = "team/r:1", image_registry_details = container_registry("r.org", "me", keyvault_secret("p")),
    use_gpu = TRUE, shm_size = "2g"
  )
  fields <- as.list(env)
  expect_identical(fields$r$snapshot_date, "2024-05-01")
  expect_identical(fields$r$cran[[2]]$version, "0.16.0")
  expect_identical(fields$r$github[[1]]$ref, "main")
  expect_identical(fields$r$urls, "https://x.org/p_1.0.tar.gz")
  expect_identical(fields$r$bioconductor, c("limma", "Biobase"))
  expect_identical(fields$docker$base_image, "team/r:1")
  expect_identical(fields$docker$registry$password, list(secret = "p"))
  expect_identical(fields$variables, list(A = "1", B = "x y"))
  expect_true(fields$use_gpu)
  expect_identical(fields$shm_size, "2g")
  expect_identical(as.list(r_environment("e", rscript_path = "/opt/R/bin/Rscript"))$r$rscript_path, "/opt/R/bin/Rscript")
})

test_that("espalier's own arguments arrive", {
  skip_if_no_core()
  folder <- local_project("ca.pem" = c("-----BEGIN CERTIFICATE-----", "AAAA", "-----END CERTIFICATE-----"),
                          "pip.conf" = c("[global]", "timeout = 60"), Dockerfile = c("FROM x", "RUN a"))
  at <- function(name) file.path(folder, name)
  fields <- fields_of(
    apt_packages = "curl", docker_steps = c("RUN a", "RUN b"), repositories = c(ours = "https://cran.example.org"),
    ca_certificate = at("ca.pem"), pip_config = at("pip.conf"), platform = "linux/arm64", description = "text",
    tags = list(team = "a"), python_version = "3.11", pip_packages = c("numpy", "pandas==2.2"), conda_packages = "xgboost",
    conda_channels = "conda-forge", pip_index_url = "https://me@x.org/simple", pip_extra_index_urls = "https://y.org",
    pip_index_password = keyvault_secret("pypi"), base_dockerfile = at("Dockerfile")
  )
  expect_match(fields$docker$ca_certificate, "^-----BEGIN")
  expect_identical(fields$docker$pip_config, "[global]\ntimeout = 60\n")
  expect_identical(fields$docker$base_dockerfile, "FROM x\nRUN a\n")
  expect_identical(fields$docker$steps, c("RUN a", "RUN b"))
  expect_identical(fields$python$conda, list(channels = "conda-forge", dependencies = "xgboost"))
  expect_identical(fields$python$index_password, list(secret = "pypi"))
  expect_identical(fields$r$repositories, list(ours = "https://cran.example.org"))
  for (text in list("FROM x\nRUN a", c("FROM x", "RUN a"), "from x")) {
    expect_identical(fields_of(base_dockerfile = text)$docker$base_dockerfile, paste(text, collapse = "\n"))
  }
})

test_that("sides are there as they are asked for", {
  skip_if_no_core()
  r <- as.list(r_environment("e"))
  expect_identical(r$r$urls, list())
  expect_null(r$python)
  expect_null(r$docker)
  python <- as.list(python_environment("e", pip_packages = "numpy", apt_packages = "curl", tags = list(a = "b")))
  expect_null(python$r)
  expect_identical(python$python$pip, "numpy")
  expect_identical(python$docker$apt, "curl")
  expect_identical(python_environment("e"), python_environment("e"), ignore_function_env = TRUE)
  expect_error(python_environment("e", cran_packages = "x"), "cran_packages", class = "espalier_error_bad_argument")
})

test_that("objects are values: equal by their fields, saved, and read in another session", {
  skip_if_no_core()
  env <- r_environment("e", cran_packages = c("a2", "b2"), tags = list(x = "y"))
  expect_true(env == r_environment("e", tags = list(x = "y"), cran_packages = c("a2", "b2")))
  expect_true(env != r_environment("e", cran_packages = "a2"))
  file <- withr::local_tempfile()
  saveRDS(env, file)
  expect_true(readRDS(file) == env)
  shown <- in_other_r(function(file) utils::capture.output(print(readRDS(file))), list(file))
  expect_identical(shown, capture.output(print(env)))
  expect_identical(env$name, "e")
  expect_identical(env$tags, list(x = "y"))
  expect_error(env$name <- "f", class = "espalier_error_bad_argument")
})

test_that("what is wrong is named", {
  skip_if_no_core()
  invalid <- function(field, ...) {
    error <- expect_error(r_environment("e", ...), class = "espalier_error_environment_invalid")
    expect_match(conditionMessage(error), field, fixed = TRUE)
  }
  invalid("r.cran.name", cran_packages = "a b")
  invalid("r.cran.name", cran_packages = "abc\nRUN curl evil.sh")
  invalid("r.cran.version", cran_packages = "abc@1.0; rm")
  invalid("r.urls", custom_url_packages = "https://me:CANARY@x.org/p.tar.gz")
  invalid("docker.apt", apt_packages = "-v")
  invalid("docker.apt", apt_packages = "$(id)")
  invalid("docker.base_image", custom_docker_image = "x", base_dockerfile = "FROM y")
  invalid("r.rscript_path", rscript_path = "/usr/bin/Rscript", cran_packages = "abc")
  invalid("python.interpreter_path", python_path = "python3", pip_packages = "numpy")
  invalid("r.snapshot_date", snapshot_date = "2024-02-30")
  invalid("variables", environment_variables = list("a b" = "x"))
  invalid("docker.registry", image_registry_details = container_registry("r.org"))
  bad <- function(...) expect_error(r_environment(...), class = "espalier_error_bad_argument")
  bad()
  bad("e", r_version = 4.1)
  bad("e", python_version = 3.1)
  bad("e", use_gpu = NA)
  bad("e", ca_certificate = "/none.pem")
  bad("e", apt_packages = list("curl"))
  bad("e", environment_variables = list("x"))
  expect_error(r_environment("azureml-mine"), class = "espalier_error_bad_name")
  expect_error(r_environment("a b"), class = "espalier_error_bad_name")
})

test_that("it prints what is asked for, and no values of variables that look secret", {
  skip_if_no_core()
  env <- suppressWarnings(r_environment(
    "tidy", r_version = "4.3", snapshot_date = "2024-05-01", cran_packages = sprintf("pkg%d", 1:12),
    github_packages = c("u/r@v1", "v/s#12"), apt_packages = "curl", environment_variables = list(A = "1", TOKEN = "CANARY"),
    description = "For tables.", python_version = "3.11", pip_packages = "numpy", custom_docker_image = "team/x:1"
  ))
  expect_snapshot(env)
  expect_no_match(paste(capture.output(print(env)), collapse = ""), "CANARY")
  expect_snapshot(summary(r_environment("tidy", cran_packages = "glmnet")))
  expect_identical(format(env), "<Environment tidy>")
})

test_that("variables that look like secrets are warned of once, and never refused", {
  ws <- local_workspace()
  forget <- function() for (id in grep("looks like a secret", ls(.said), value = TRUE)) inform_again(id)
  forget()
  withr::defer(forget())
  variables <- list(DB_PASSWORD = "hunter2-x", TOKENIZERS_PARALLELISM = "false", LEVEL = 1)
  said <- list()
  make <- function() withCallingHandlers(
    r_environment("tidy", environment_variables = variables),
    espalier_warning = function(w) {
      said[[length(said) + 1L]] <<- gsub("\\s+", " ", conditionMessage(w))
      invokeRestart("muffleWarning")
    }
  )
  env <- make()
  expect_length(said, 2L)
  expect_match(said[[1L]], "DB_PASSWORD looks like a secret.*`secrets` of the job")
  expect_match(said[[2L]], "TOKENIZERS_PARALLELISM")
  expect_no_match(unlist(said), "hunter2")
  expect_identical(as.list(env)$variables$DB_PASSWORD, "hunter2-x")
  expect_silent(python_environment("other", environment_variables = variables))
  expect_silent(register_environment(env, ws))
  forget()
  expect_warning(register_environment(r_environment("tidy"), ws), NA)
  file <- withr::local_tempfile()
  write_environment(env, file)
  expect_warning(expect_warning(read_environment(file), "DB_PASSWORD"), "TOKENIZERS")
  forget()
  withr::local_options(warn = 2)
  expect_identical(suppressMessages(register_environment(env, ws))$version, "3")
})

test_that("the session's repositories are part of the definition, CRAN itself is not", {
  skip_if_no_core()
  asked <- function(repos, ...) {
    withr::local_options(repos = repos)
    as.list(r_environment("e", cran_packages = "abc", ...))$r$repositories
  }
  company <- "https://packagemanager.posit.co/cran/__linux__/jammy/latest"
  expect_identical(asked(c(CRAN = company)), list(CRAN = company))
  expect_identical(asked(c(CRAN = company, ours = "https://r.example.org/x/")), list(CRAN = company, ours = "https://r.example.org/x"))
  expect_identical(asked(list(CRAN = company)), list(CRAN = company))
  expect_identical(asked("https://r.example.org"), list(CRAN = "https://r.example.org"))
  expect_identical(asked(c(CRAN = company, "https://r.example.org")), list(CRAN = company, repository2 = "https://r.example.org"))
  for (own in list(NULL, c(CRAN = "@CRAN@"), c(CRAN = NA), c(CRAN = "https://cloud.r-project.org/"), c(CRAN = "http://cran.rstudio.com"))) {
    expect_length(asked(own), 0L)
  }
  expect_length(asked(c(CRAN = company), repositories = character()), 0L)
  expect_identical(asked(c(CRAN = company), repositories = c(a = "https://a.org")), list(a = "https://a.org"))
  # a date means CRAN of that day
  expect_length(asked(c(CRAN = company), snapshot_date = "2024-05-01"), 0L)
  dated <- "https://mirror.example.org/{snapshot_date}"
  expect_identical(asked(c(CRAN = dated), snapshot_date = "2024-05-01"), list(CRAN = dated))
  expect_length(asked(c(CRAN = dated)), 0L)
  withr::local_options(repos = c(CRAN = company))
  expect_length(as.list(r_environment("e"))$r$repositories, 0L)
  expect_true(grepl(company, compare_environments(r_environment("e", cran_packages = "abc", repositories = character()),
                                         r_environment("e", cran_packages = "abc"))$after, fixed = TRUE)[1L])
  fields <- unclass(estimator(".", entry_script = "a.R", cran_packages = "abc"))$environment
  expect_identical(fields$r$repositories, list(CRAN = company))
})
