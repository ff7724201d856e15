# The first submit after installation: an Rscript that finds no private environment, sets it up and submits. Beside it a
# virtual environment with the one package that is needed, as Python's own tools and reticulate make it.
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE), fixed = TRUE))
source(file.path(here, "samples.R"))

work <- commandArgs(TRUE)[[1]]
rounds <- 3L # the first warms up and is not reported
samples <- new_samples()
uv <- Sys.getenv("ESPALIER_UV")
python <- Sys.which("python3")
package <- "pyyaml>=5.4"

submit <- file.path(work, "submit.R")
writeLines(c(
  "library(espalier)",
  "ws <- workspace('first', path = Sys.getenv('BENCH_FIRST'))",
  sprintf("est <- estimator('%s', entry_script = 'train.R')", file.path(work, "project")),
  "invisible(submit_experiment(experiment(ws, 'first'), est))"
), submit)

# Everything in an empty folder, and nothing from a cache
in_empty_folder <- function(code, env = character()) {
  folder <- tempfile("first-", work)
  dir.create(folder)
  homes <- c("R_USER_DATA_DIR", "R_USER_CACHE_DIR", "ESPALIER_STATE_DIR", "ESPALIER_CACHE_DIR", "RETICULATE_VIRTUALENV_ROOT")
  values <- c(sprintf("%s=%s", homes, file.path(folder, tolower(homes))), sprintf("BENCH_FIRST=%s", folder),
              "UV_NO_CACHE=1", "PIP_NO_CACHE_DIR=1", "ESPALIER_INSTALL=yes", env)
  took <- seconds(stopifnot(code(folder, values) == 0L))
  list(seconds = took, folder = folder)
}
run <- function(program, args, env = character()) system2(program, shQuote(args), env = env, stdout = FALSE, stderr = FALSE)
rscript <- function(...) function(folder, env) run("Rscript", c(...), env)
by_tools <- function(folder, env) {
  place <- file.path(folder, "venv")
  run(python, c("-m", "venv", place), env) + run(file.path(place, "bin", "python"), c("-m", "pip", "install", package), env)
}
by_uv <- function(folder, env) {
  place <- file.path(folder, "venv")
  run(uv, c("venv", place), env) + run(uv, c("pip", "install", "--python", file.path(place, "bin", "python"), package), env)
}
by_reticulate <- rscript("-e", sprintf("reticulate::virtualenv_create('first', packages = '%s')", package))
bytes_of <- function(folder) 1024 * as.numeric(sub("\t.*", "", system2("du", c("-sk", shQuote(folder)), stdout = TRUE)))

for (number in seq_len(rounds) - 1L) {
  ours <- in_empty_folder(rscript(submit), "ESPALIER_UV=/nowhere")
  samples$add("pip", number, ours$seconds)
  samples$add("disk", number, bytes_of(file.path(ours$folder, "r_user_data_dir")))
  limit <- in_empty_folder(by_tools)
  samples$add("pip.limit", number, limit$seconds)
  samples$add("disk.limit", number, bytes_of(file.path(limit$folder, "venv")))
  samples$add("uv", number, in_empty_folder(rscript(submit), paste0("ESPALIER_UV=", uv))$seconds)
  samples$add("uv.limit", number, in_empty_folder(by_uv)$seconds)
  samples$add("reticulate", number, in_empty_folder(by_reticulate)$seconds)
  wheels <- in_empty_folder(function(folder, env) {
    run(file.path(limit$folder, "venv", "bin", "python"), c("-m", "pip", "download", "--no-deps", "--dest", file.path(folder, "wheels"), package), env)
  })
  samples$add("download", number, sum(file.size(list.files(file.path(wheels$folder, "wheels"), full.names = TRUE))))
}
samples$write("first.r")
