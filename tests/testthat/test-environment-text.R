# YAML and folders, from R.

test_that("an environment survives its YAML", {
  skip_if_no_core()
  env <- r_environment("tidy", r_version = "4.10", cran_packages = "glmnet@4.1-8", description = "two\nlines: 'é'",
                       environment_variables = list(A = "yes", B = "'; $(x)"))
  file <- withr::local_tempfile(fileext = ".yml")
  expect_identical(withVisible(write_environment(env, file)), list(value = file, visible = FALSE))
  expect_true(read_environment(file) == env)
  expect_identical(paste(readLines(file, encoding = "UTF-8"), collapse = "\n"), sub("\n$", "", get_environment_yaml(env)))
  folder <- withr::local_tempdir()
  files <- save_environment_to_directory(env, folder)
  expect_true(all(file.exists(files)))
  expect_true(load_environment_from_directory(folder) == env)
  expect_error(save_environment_to_directory(env, folder), class = "espalier_error_file_exists")
  expect_silent(save_environment_to_directory(env, folder, overwrite = TRUE))
})

test_that("hostile YAML is refused", {
  skip_if_no_core()
  for (text in c("name: &a e\nr: *a", "name: !!python/name:os.system", "name: e\nname: f", "nmae: e", "name: e\nr: {version: [4]}")) {
    file <- withr::local_tempfile()
    writeLines(text, file)
    expect_error(read_environment(file), class = "espalier_error_environment_invalid", info = text)
  }
  expect_error(read_environment(withr::local_tempfile()), class = "espalier_error_environment_invalid")
  expect_error(write_environment(r_environment("e"), "/none/e.yml"), class = "espalier_error_bad_argument")
})

test_that("the stages of an image can be read", {
  ws <- local_workspace()
  env <- r_environment("e", r_version = "4.3.1", cran_packages = "glmnet", snapshot_date = "2024-05-01")
  text <- get_dockerfile(env)
  expect_match(text, "\nFROM rocker/r-ver:4.3.1\n", fixed = TRUE)
  expect_match(text, "\n#       - name: glmnet\n", fixed = TRUE)
  expect_match(text, "snapshot_date: '2024-05-01'", fixed = TRUE)
  expect_identical(get_dockerfile(env, ws), text)
  digest <- paste0("sha256:", strrep("1", 64))
  pinned <- r_environment("e", custom_docker_image = paste0("team/base@", digest))
  expect_match(get_dockerfile(pinned, ws), paste0("FROM team/base@", digest), fixed = TRUE)
  expect_error(get_dockerfile(env, "ws"), class = "espalier_error_bad_argument")
})
