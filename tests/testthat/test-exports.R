# The exports as a whole: names, documentation, what they return.

exports <- function() getNamespaceExports("espalier")

test_that("no export shares a name with a package that every session has", {
  for (package in c("base", "stats", "utils", "methods", "graphics", "grDevices")) {
    expect_identical(intersect(exports(), getNamespaceExports(package)), character(), info = package)
    expect_identical(intersect(exports(), ls(baseenv(), all.names = TRUE)), character())
  }
  expect_true(length(exports()) > 30L)
})

documented <- function() {
  man <- test_path("..", "..", "man")
  if (dir.exists(man)) {
    lines <- unlist(lapply(list.files(man, "[.]Rd$", full.names = TRUE), readLines))
    return(sub("^\\\\alias\\{(.*)\\}$", "\\1", grep("^\\\\alias\\{", lines, value = TRUE)))
  }
  names(readRDS(system.file("help", "aliases.rds", package = "espalier")))
}

test_that("every export is documented", {
  aliases <- documented()
  expect_true("workspace" %in% aliases)
  expect_identical(setdiff(exports(), aliases), character())
})

# The ancestor's verbs that espalier has, with its arguments in its order; ours come after.
test_that("the ancestor's verbs have its arguments in its order", {
  ancestor <- utils::read.delim(document("tools", "azuremlsdk.tsv"), quote = "", colClasses = "character")
  ancestor <- ancestor[ancestor$verb %in% exports(), ]
  expect_gte(nrow(ancestor), 45L)
  for (row in seq_len(nrow(ancestor))) {
    before <- names(str2lang(sprintf("function(%s) NULL", ancestor$arguments[row]))[[2L]])
    given <- names(formals(getExportedValue("espalier", ancestor$verb[row])))
    expect_identical(utils::head(given, length(before)), before, info = ancestor$verb[row])
  }
})

# Every class met in a value: attributes and elements too.
classes_in <- function(x) {
  if (is.environment(x)) return(class(x))
  inner <- c(if (is.list(x)) unclass(x), attributes(x)[setdiff(names(attributes(x)), c("class", "names", "row.names"))])
  unique(c(class(x), unlist(lapply(unname(inner), classes_in))))
}

environment_verbs <- function(ws, folder) {
  project <- local_project(
    Dockerfile = "FROM x", requirements.txt = "numpy", conda.yml = "dependencies: [numpy]", env = parent.frame(),
    renv.lock = '{"R": {"Version": "4.3.1"}, "Packages": {}}', "prefix/conda-meta/a.json" = '{"name": "a", "version": "1", "build": "0"}'
  )
  at <- function(name) file.path(project, name)
  list(
    r_environment = (env <- r_environment("e", cran_packages = "R6")), python_environment = python_environment("p"),
    cran_package = cran_package("R6"), github_package = github_package("u/r"),
    container_registry = container_registry("r.org"), keyvault_secret = keyvault_secret("s"),
    environment_from_conda_specification = environment_from_conda_specification("e", at("conda.yml")),
    environment_from_pip_requirements = environment_from_pip_requirements("e", at("requirements.txt")),
    environment_from_docker_image = environment_from_docker_image("e", "x"), environment_from_dockerfile = environment_from_dockerfile("e", at("Dockerfile")),
    environment_from_docker_build_context = environment_from_docker_build_context("e", project),
    environment_from_renv_lockfile = environment_from_renv_lockfile("e", at("renv.lock")), environment_from_session = environment_from_session("e", "R6"),
    environment_from_conda_environment = environment_from_conda_environment("e", at("prefix")),
    write_environment = write_environment(env, at("e.yml")), read_environment = read_environment(at("e.yml")),
    get_environment_yaml = get_environment_yaml(env), get_dockerfile = get_dockerfile(env),
    save_environment_to_directory = save_environment_to_directory(env, at("saved")),
    load_environment_from_directory = load_environment_from_directory(at("saved")),
    register_environment = register_environment(env, ws), get_environment = get_environment(ws, "e"),
    list_environments = list_environments(ws), list_environment_versions = list_environment_versions(ws, "e"),
    lock_environment = lock_environment(ws, r_environment("n")), get_environment_lock = get_environment_lock(ws, env),
    compare_environments = compare_environments(env, r_environment("f"))
  )
}

test_that("no verb returns a Python object, and every export is tried", {
  ws <- local_workspace()
  folder <- withr::local_tempdir()
  project <- local_project(train.R = c("library(espalier)", "log_table_to_run('t', data.frame(a = 1))", "cat('x')"))
  exp <- experiment(ws, "e")
  est <- estimator(project, entry_script = "train.R")
  run <- submit_experiment(exp, est)
  withr::local_dir(folder)
  out <- suppressMessages(list(
    wait_for_run_completion = wait_for_run_completion(run, show_output = FALSE), workspace = ws, experiment = exp,
    wait_for_runs = wait_for_runs(run), get_run_usage = get_run_usage(run),
    estimator = est, submit_experiment = run,
    input_url = input_url("https://example.org/a.csv", sha256 = strrep("0", 64L)),
    submit_grid = submit_grid(exp, script_run_config(command = "true"), data.frame(a = 1)), script_run_config = script_run_config(command = "true"),
    create_workspace = create_workspace("c", path = folder), get_workspace = get_workspace("c", path = folder),
    write_workspace_config = write_workspace_config(ws, path = folder),
    load_workspace_from_config = load_workspace_from_config(folder), list_workspaces = list_workspaces(path = folder),
    get_workspace_details = get_workspace_details(ws), list_experiments = list_experiments(ws), list_runs = list_runs(ws),
    verify_workspace = verify_workspace(ws),
    get_runs_in_experiment = get_runs_in_experiment(exp), get_run = get_run(exp, "latest"),
    get_run_status = get_run_status(run), get_run_details = get_run_details(run),
    get_run_details_with_logs = get_run_details_with_logs(run), get_run_metrics = get_run_metrics(run),
    get_run_metric_history = get_run_metric_history(run), get_run_provenance = get_run_provenance(run),
    get_run_file_names = get_run_file_names(run), run_output = run_output(run, "outputs"), get_run_log = get_run_log(run), get_run_traceback = get_run_traceback(run),
    read_run_output = read_run_output(run, "user_logs/std_log.txt"),
    download_file_from_run = download_file_from_run(run, "user_logs/std_log.txt"), set_run_tags = set_run_tags(run, list(a = 1)),
    download_files_from_run = download_files_from_run(run, "user_logs/", folder),
    upload_files_to_run = upload_files_to_run("x", file.path(project, "train.R"), run = run),
    upload_folder_to_run = upload_folder_to_run("folder", project, run = run),
    get_run_tags = get_run_tags(run), cancel_run = cancel_run(run), get_host_resources = get_host_resources(),
    set_host_resources = set_host_resources(), get_keeper_status = get_keeper_status(), retry_options = retry_options(2),
    docker_options = docker_options(), resource_options = resource_options(), limit_options = limit_options(), source_options = source_options(),
    write_job = write_job(est, file.path(folder, "job.yml")), read_job = read_job(file.path(folder, "job.yml")),
    get_run_environment = get_run_environment(run),
    get_run_detailed_status = get_run_detailed_status(run),
    get_default_keyvault = (keyvault <- get_default_keyvault(ws)), set_secrets = set_secrets(keyvault, list(a = "value")),
    get_secrets = get_secrets(keyvault, "a"), list_secrets = list_secrets(keyvault), delete_secrets = delete_secrets(keyvault, "a"),
    get_secrets_from_run = get_secrets_from_run(run, character()),
    set_image_registry = set_image_registry(ws, "localhost:5000"), list_image_registries = list_image_registries(ws),
    list_images = list_images(ws),
    get_default_datastore = get_default_datastore(ws), get_compute = get_compute(ws, "local"),
    upload_files_to_datastore = upload_files_to_datastore(get_default_datastore(ws), file.path(project, "train.R")),
    delete_workspace = delete_workspace(get_workspace("c", path = folder)), use_espalier = use_espalier(project),
    start_logging_run = (mine <- start_logging_run(exp)), get_current_run = get_current_run(),
    log_metric_to_run = log_metric_to_run("m", 1), log_list_to_run = log_list_to_run("l", 1:2),
    log_row_to_run = log_row_to_run("r", a = 1), log_table_to_run = log_table_to_run("t", list(a = 1)),
    log_part_to_run = log_part_to_run("p", metrics = list(a = 1)), log_parts_to_run = log_parts_to_run(data.frame(key = "q")),
    run_part = run_part("r", 1), list_parts = list_parts(mine),
    log_confusion_matrix_to_run = log_confusion_matrix_to_run("cm", c(TRUE, FALSE), predicted = c(TRUE, TRUE)),
    log_accuracy_table_to_run = log_accuracy_table_to_run("at", c(TRUE, FALSE), predicted = c(0.8, 0.1)),
    log_predictions_to_run = log_predictions_to_run("pr", 1:3, predicted = 3:1), log_residuals_to_run = log_residuals_to_run("re", 1:3),
    plot_run_details = { grDevices::pdf(NULL); on.exit(grDevices::dev.off()); utils::capture.output(plotted <- plot_run_details(mine)); plotted },
    log_image_to_run = log_image_to_run("i", plot = function() graphics::plot(1)), job_params = job_params(a = 1),
    preview_snapshot = preview_snapshot(project), take_snapshot = (taken <- take_snapshot(ws, project)),
    list_snapshots = list_snapshots(ws), download_snapshot = download_snapshot(run, file.path(folder, "restored")),
    compare_snapshots = (changes <- compare_snapshots(run, local_project(train.R = "1"))),
    get_file_diff = get_file_diff(changes, "train.R"), delete_snapshot = delete_snapshot(ws, taken),
    delete_run = delete_run(run, dry_run = TRUE), archive_run = archive_run(run), restore_run = restore_run(run),
    prune_runs = prune_runs(ws, older_than = "90 days"), export_runs = export_runs(run, file.path(folder, "runs.zip")),
    import_runs = import_runs(ws, file.path(folder, "runs.zip")),
    collect_garbage = collect_garbage(ws), create_child_run = create_child_run(mine),
    create_child_runs = create_child_runs(mine, 2), get_child_runs = get_child_runs(mine),
    submit_child_run = submit_child_run(mine, script_run_config(command = "true")), complete_run = complete_run(mine), best_run = best_run(exp, "m"),
    fail_run = fail_run(start_logging_run(experiment(ws, "gone"))), delete_experiment = delete_experiment(experiment(ws, "gone")), espalier_sitrep = espalier_sitrep()
  ))
  out <- c(out, environment_verbs(ws, folder))
  # (install_espalier() makes an environment and has tests of its own; the others change what the user has registered
  # with cron or systemd, and are tested in the core, with stand-ins for these; images need an engine: tests/docker)
  untried <- c("build_environment", "get_build_log", "get_image_details", "install_espalier", "install_espalier_cli", "install_keeper",
               "prune_images", "uninstall_keeper")
  expect_identical(sort(setdiff(exports(), names(out))), untried)
  for (name in names(out)) expect_false(any(startsWith(classes_in(out[[name]]), "python.")), info = name)
})

test_that("the verbs do without packages that are not imported", {
  skip_if_no_core()
  folder <- withr::local_tempdir()
  loaded <- in_other_r(function(folder) {
    before <- loadedNamespaces()
    ws <- espalier::create_workspace("w", path = folder, location = "x")
    run <- espalier::submit_experiment(espalier::experiment(ws, "e"), espalier::script_run_config(command = "true"))
    espalier::wait_for_run_completion(run)
    utils::capture.output(print(run), print(espalier::list_runs(ws)))
    setdiff(loadedNamespaces(), before)
  }, list(folder))
  expect_true(all(c("espalier", "cli", "reticulate") %in% loaded))
  imports <- unique(unlist(tools::package_dependencies(
    c("espalier"), utils::installed.packages(), c("Depends", "Imports", "LinkingTo"), recursive = TRUE
  )))
  expect_identical(setdiff(loaded, c("espalier", imports, rownames(utils::installed.packages(priority = "base")))), character())
})
