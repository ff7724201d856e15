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

# The ancestor's verbs of this version, with its arguments in its order; ours come after.
ancestor <- list(
  create_workspace = c("name", "auth", "subscription_id", "resource_group", "location", "create_resource_group",
                       "friendly_name", "storage_account", "key_vault", "app_insights", "container_registry",
                       "cmk_keyvault", "resource_cmk_uri", "hbi_workspace", "exist_ok", "show_output", "sku"),
  get_workspace = c("name", "auth", "subscription_id", "resource_group"),
  load_workspace_from_config = c("path", "file_name"),
  write_workspace_config = c("workspace", "path", "file_name"),
  list_workspaces = c("subscription_id", "resource_group"),
  get_workspace_details = "workspace",
  delete_workspace = c("workspace", "delete_dependent_resources", "no_wait"),
  estimator = c("source_directory", "compute_target", "vm_size", "vm_priority", "entry_script", "script_params",
                "cran_packages", "github_packages", "custom_url_packages", "custom_docker_image",
                "image_registry_details", "use_gpu", "environment_variables", "shm_size", "max_run_duration_seconds",
                "environment", "inputs"),
  container_registry = c("address", "username", "password"),
  cran_package = c("name", "version", "repo"),
  github_package = c("repository", "auth_token"),
  r_environment = c("name", "version", "environment_variables", "r_version", "rscript_path", "snapshot_date",
                    "cran_packages", "github_packages", "custom_url_packages", "bioconductor_packages",
                    "custom_docker_image", "image_registry_details", "use_gpu", "shm_size"),
  register_environment = c("environment", "workspace"),
  get_environment = c("workspace", "name", "version"),
  experiment = c("workspace", "name"),
  get_runs_in_experiment = c("experiment", "type", "tags", "properties", "include_children"),
  submit_experiment = c("experiment", "config", "tags"),
  start_logging_run = c("experiment", "outputs", "snapshot_directory"),
  get_run = c("experiment", "run_id"),
  get_current_run = "allow_offline",
  create_child_run = c("parent_run", "name", "run_id", "outputs"),
  create_child_runs = c("parent_run", "count", "tag_key", "tag_values"),
  get_child_runs = c("parent_run", "recursive", "tags", "properties", "type", "status"),
  cancel_run = "run",
  complete_run = "run",
  wait_for_run_completion = c("run", "show_output"),
  get_run_details = "run",
  get_run_details_with_logs = "run",
  get_run_file_names = "run",
  download_files_from_run = c("run", "prefix", "output_directory", "output_paths", "batch_size"),
  upload_files_to_run = c("names", "paths", "timeout_seconds", "run"),
  upload_folder_to_run = c("name", "path", "run"),
  get_run_metrics = c("run", "name", "recursive", "run_type", "populate"),
  download_file_from_run = c("run", "name", "output_file_path"),
  log_metric_to_run = c("name", "value", "run"),
  log_list_to_run = c("name", "value", "description", "run"),
  log_row_to_run = c("name", "description", "run", "..."),
  log_table_to_run = c("name", "value", "description", "run"),
  log_image_to_run = c("name", "path", "plot", "description", "run"),
  get_default_keyvault = "workspace",
  get_default_datastore = "workspace",
  upload_files_to_datastore = c("datastore", "files", "relative_root", "target_path", "overwrite", "show_progress"),
  get_compute = c("workspace", "cluster_name"),
  set_secrets = c("keyvault", "secrets"),
  get_secrets = c("keyvault", "secrets"),
  list_secrets = "keyvault",
  delete_secrets = c("keyvault", "secrets"),
  get_secrets_from_run = c("run", "secrets")
)

test_that("the ancestor's verbs have its arguments in its order", {
  for (name in names(ancestor)) {
    given <- names(formals(getExportedValue("espalier", name)))
    expect_identical(utils::head(given, length(ancestor[[name]])), ancestor[[name]], info = name)
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
    from_conda_specification = from_conda_specification("e", at("conda.yml")),
    from_pip_requirements = from_pip_requirements("e", at("requirements.txt")),
    from_docker_image = from_docker_image("e", "x"), from_dockerfile = from_dockerfile("e", at("Dockerfile")),
    from_docker_build_context = from_docker_build_context("e", project),
    from_renv_lockfile = from_renv_lockfile("e", at("renv.lock")), from_session = from_session("e", "R6"),
    from_existing_conda_environment = from_existing_conda_environment("e", at("prefix")),
    write_environment = write_environment(env, at("e.yml")), read_environment = read_environment(at("e.yml")),
    environment_text = environment_text(env), environment_dockerfile = environment_dockerfile(env),
    save_environment_to_directory = save_environment_to_directory(env, at("saved")),
    load_environment_from_directory = load_environment_from_directory(at("saved")),
    register_environment = register_environment(env, ws), get_environment = get_environment(ws, "e"),
    list_environments = list_environments(ws), list_environment_versions = list_environment_versions(ws, "e"),
    lock_environment = lock_environment(r_environment("n"), ws), environment_lock = environment_lock(env, ws),
    why_rebuild = why_rebuild(env, r_environment("f"))
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
    wait_for = wait_for(run), get_run_usage = get_run_usage(run),
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
    get_run_tags = get_run_tags(run), cancel_run = cancel_run(run), max_concurrent_runs = max_concurrent_runs(),
    host_resources = host_resources(), keeper_status = keeper_status(), retry_policy = retry_policy(2),
    docker_options = docker_options(), resources = resources(), limits = limits(), source_options = source_options(),
    write_job = write_job(est, file.path(folder, "job.yml")), read_job = read_job(file.path(folder, "job.yml")),
    get_run_environment = get_run_environment(run),
    get_run_detailed_status = get_run_detailed_status(run),
    get_default_keyvault = (keyvault <- get_default_keyvault(ws)), set_secrets = set_secrets(keyvault, list(a = "value")),
    get_secrets = get_secrets(keyvault, "a"), list_secrets = list_secrets(keyvault), delete_secrets = delete_secrets(keyvault, "a"),
    get_secrets_from_run = get_secrets_from_run(run, character()),
    get_default_datastore = get_default_datastore(ws), get_compute = get_compute(ws, "local"),
    upload_files_to_datastore = upload_files_to_datastore(get_default_datastore(ws), file.path(project, "train.R")),
    set_image_registry = set_image_registry(ws, "localhost:5000"), image_registries = image_registries(ws),
    list_images = list_images(ws),
    delete_workspace = delete_workspace(get_workspace("c", path = folder)), use_espalier = use_espalier(project),
    start_logging_run = (mine <- start_logging_run(exp)), get_current_run = get_current_run(),
    log_metric_to_run = log_metric_to_run("m", 1), log_list_to_run = log_list_to_run("l", 1:2),
    log_row_to_run = log_row_to_run("r", a = 1), log_table_to_run = log_table_to_run("t", list(a = 1)),
    log_part_to_run = log_part_to_run("p", metrics = list(a = 1)), log_parts_to_run = log_parts_to_run(data.frame(key = "q")),
    run_part = run_part("r", 1), list_parts = list_parts(mine),
    log_image_to_run = log_image_to_run("i", plot = function() graphics::plot(1)), job_params = job_params(a = 1),
    snapshot_preview = snapshot_preview(project), take_snapshot = (taken <- take_snapshot(ws, project)),
    list_snapshots = list_snapshots(ws), download_snapshot = download_snapshot(run, file.path(folder, "restored")),
    compare_snapshots = (changes <- compare_snapshots(run, local_project(train.R = "1"))),
    file_diff = file_diff(changes, "train.R"), delete_snapshot = delete_snapshot(ws, taken),
    delete_run = delete_run(run, dry_run = TRUE), archive_run = archive_run(run), restore_run = restore_run(run),
    retention_rules = retention_rules(ws, keep_last = 5), export_runs = export_runs(run, file.path(folder, "runs.zip")),
    import_runs = import_runs(ws, file.path(folder, "runs.zip")),
    collect_garbage = collect_garbage(ws), create_child_run = create_child_run(mine),
    create_child_runs = create_child_runs(mine, 2), get_child_runs = get_child_runs(mine),
    submit_child_run = submit_child_run(mine, script_run_config(command = "true")), complete_run = complete_run(mine), best_run = best_run(exp, "m"),
    fail_run = fail_run(start_logging_run(experiment(ws, "gone"))), delete_experiment = delete_experiment(experiment(ws, "gone")), espalier_sitrep = espalier_sitrep()
  ))
  out <- c(out, environment_verbs(ws, folder))
  # (install_espalier() makes an environment and has tests of its own; the others change what the user has registered
  # with cron or systemd, and are tested in the core, with stand-ins for these; images need an engine: tests/docker)
  untried <- c("build_environment", "environment_build_log", "get_image_details", "install_espalier", "install_espalier_cli", "keeper_install",
               "keeper_uninstall", "prune_images")
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
