# Logistic regression on the Pima diabetes data of MASS: 200 women to learn from, 332 to test on.
# Runs as a job, and as well by hand: Rscript train-glm.R --steps 5
library(espalier)
library(MASS)
source("measures.R")

p <- job_params(threshold = 0.5, steps = 10L, repeats = 40L)
truth <- Pima.te$type == "Yes"

# A learning curve: the same model on more and more women, a mean over random choices of them.
for (n in round(seq(40, nrow(Pima.tr), length.out = p$steps))) {
  one <- function(i) {
    fit <- suppressWarnings(glm(type ~ ., binomial, Pima.tr[sample(nrow(Pima.tr), n), ]))
    auc(predict(fit, Pima.te), truth)
  }
  reached <- mean(vapply(seq_len(p$repeats), one, 0))
  log_metric_to_run("AUC_by_n", reached, step = n)
  cat(sprintf("%3d women: AUC %.3f\n", n, reached))
}

fit <- glm(type ~ ., binomial, Pima.tr)
score <- predict(fit, Pima.te, type = "response")
log_quality(score, truth, p$threshold)
log_table_to_run("coefficients", data.frame(term = names(coef(fit)), estimate = unname(coef(fit))))
log_image_to_run("roc_curve", plot = function() {
  plot(roc_points(score, truth), type = "l", main = "glm")
  abline(0, 1, lty = 3)
})
saveRDS(fit, "outputs/model.rds")
