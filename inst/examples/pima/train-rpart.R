# A classification tree on the same data. Rscript train-rpart.R --cp 0.02
library(espalier)
library(MASS)
library(rpart)
source("measures.R")

p <- job_params(threshold = 0.5, cp = 0.01)
truth <- Pima.te$type == "Yes"

fit <- rpart(type ~ ., data = Pima.tr, cp = p$cp)
steps <- as.data.frame(fit$cptable)
for (i in seq_len(nrow(steps))) log_metric_to_run("cv_error", steps$xerror[i], step = steps$nsplit[i])
print(fit)

log_quality(predict(fit, Pima.te)[, "Yes"], truth, p$threshold)

# No device is open: the plot goes to outputs/plots/.
plot(fit, margin = 0.1)
text(fit, use.n = TRUE, cex = 0.7)
saveRDS(fit, "outputs/model.rds")
