# Fails on purpose: the column is called glu, not glucose.
library(espalier)
library(MASS)

fit_model <- function(data) glm(type ~ glucose + bmi, binomial, data)

cat("Fitting on", nrow(Pima.tr), "women\n")
writeLines("made before the error", "outputs/partial.txt")
fit <- fit_model(Pima.tr)
log_metric_to_run("AUC", 1) # never reached
