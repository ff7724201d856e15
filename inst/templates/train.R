# A training script. It runs as a job (see the last lines), and as well by hand: Rscript train.R --span 0.5
library(espalier)

params <- job_params(span = 0.75)

fit <- loess(dist ~ speed, data = cars, span = params$span)
rmse <- sqrt(mean(residuals(fit)^2))
log_metric_to_run("rmse", rmse)

dir.create("outputs", showWarnings = FALSE)
saveRDS(fit, "outputs/model.rds")
plot(cars)
lines(cars$speed, fitted(fit))
cat("RMSE", rmse, "\n")

# From an R session in this folder:
#   library(espalier)
#   ws  <- load_workspace_from_config()
#   run <- submit_experiment(experiment(ws, "first"), estimator(".", entry_script = "train.R"))
#   wait_for_run_completion(run)
