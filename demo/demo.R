# The main job on real data: demo("demo", package = "espalier"), or `make demo` in a clone of the repository.
# Everything lies in a temporary folder, or in the folder ESPALIER_DEMO_OUT. It is emptied first.
library(espalier)

# In local(), so that your session keeps its objects and options.
local({
  out <- Sys.getenv("ESPALIER_DEMO_OUT", file.path(tempdir(), "espalier-demo"))
  project <- system.file("examples", "pima", package = "espalier")
  began <- proc.time()[["elapsed"]]
  before <- options(width = 100)
  on.exit(options(before))

  section <- function(...) cat("\n== ", ..., "\n", sep = "")

  unlink(out, recursive = TRUE)
  dir.create(out)
  out <- normalizePath(out)

  section("A workspace and an experiment")
  ws <- workspace("demo", path = out)
  pima <- experiment(ws, "pima")
  print(ws)

  section("Two models, submitted at once; each runs in a copy of the project folder")
  glm_run <- submit_experiment(
    pima, estimator(project, entry_script = "train-glm.R", script_params = list(steps = 8L), seed = 1),
    tags = list(model = "glm")
  )
  rpart_run <- submit_experiment(
    pima, estimator(project, entry_script = "train-rpart.R", script_params = list(cp = 0.02), seed = 1),
    tags = list(model = "rpart")
  )

  section("The log of the first, live")
  wait_for_run_completion(glm_run)

  section("The second ran meanwhile; what it logged")
  wait_for_run_completion(rpart_run, show_output = FALSE)
  tree <- get_run_metrics(rpart_run)
  cat(sprintf("AUC %.3f, accuracy %.3f, %d values of cv_error\n", tree$AUC, tree$accuracy, length(tree$cv_error)))
  print(tree$confusion)
  cat("Its files:", get_run_file_names(rpart_run), sep = "\n  ")

  section("The model comes back as an ordinary R object")
  model <- readRDS(download_file_from_run(glm_run, "outputs/model.rds", file.path(out, "glm.rds")))
  woman <- data.frame(npreg = 2, glu = 150, bp = 72, skin = 30, bmi = 33, ped = 0.5, age = 35)
  cat(sprintf("Probability of diabetes for a woman of 35 with glucose 150: %.2f\n",
              predict(model, woman, type = "response")))

  section("Submitted again unchanged, with reuse = TRUE: nothing is run")
  again <- submit_experiment(
    pima, estimator(project, entry_script = "train-rpart.R", script_params = list(cp = 0.02), seed = 1), reuse = TRUE
  )
  cat("The same run:", again == rpart_run, "\n")

  section("A script that fails on purpose: what an unprepared user sees")
  broken <- submit_experiment(pima, estimator(project, entry_script = "train-broken.R"), tags = list(model = "broken"))
  tryCatch(
    wait_for_run_completion(broken, show_output = FALSE),
    espalier_error_run_failed = function(e) cat("Error: ", conditionMessage(e), "\n", sep = "")
  )
  cat("Kept all the same:", grep("^(outputs|workdir)/", get_run_file_names(broken), value = TRUE), "\n")

  section("A Python script, with a data file from outside the project as input")
  utils::write.csv(MASS::Pima.tr, file.path(out, "women.csv"), row.names = FALSE)
  python_run <- submit_experiment(
    pima, script_run_config(project, entry_script = "means.py", inputs = list(women = file.path(out, "women.csv"))),
    tags = list(model = "means.py")
  )
  wait_for_run_completion(python_run)

  section("Any command")
  command_run <- submit_experiment(
    experiment(ws, "chores"), script_run_config(project, command = "wc -l *.R | tee outputs/lines.txt")
  )
  wait_for_run_completion(command_run)

  section("The runs of the experiment, newest first")
  runs <- list_runs(pima)
  print(runs[c("run_id", "status", "created_at", "duration_seconds", "tag_model", "metric_AUC", "metric_accuracy")])
  cat("(columns chosen; list_runs() has", ncol(runs), "of them)\n")

  section("A report")
  report <- file.path(out, "report.html")
  if (rmarkdown::pandoc_available("1.12.3")) {
    rmarkdown::render(
      system.file("examples", "report.Rmd", package = "espalier"), output_file = report, intermediates_dir = tempfile(), quiet = TRUE,
      params = list(workspace = ws$path), envir = new.env()
    )
    cat("Written.\n")
  } else {
    report <- "not made: pandoc was not found"
    cat(report, "\n")
  }

  section("Where everything lies")
  cat(
    paste("report          ", report),
    paste("workspace       ", ws$path),
    paste("a run           ", glm_run$run_dir),
    paste("  its definition", file.path(glm_run$run_dir, "spec.json")),
    paste("  its state     ", file.path(glm_run$run_dir, "status.json")),
    paste("  its log       ", file.path(glm_run$run_dir, "user_logs", "std_log.txt")),
    paste("  its metrics   ", file.path(glm_run$run_dir, "events")),
    paste("  its files     ", file.path(glm_run$run_dir, "outputs")),
    sep = "\n"
  )
  if (!nzchar(Sys.getenv("ESPALIER_DEMO_OUT"))) {
    cat("\n\nR deletes this temporary folder when it ends. With ESPALIER_DEMO_OUT=folder it lies in that folder and stays.\n")
  }
  cat(sprintf("\nAll of this took %.0f seconds.\n", proc.time()[["elapsed"]] - began))
})
