# What both training scripts measure. Part of the snapshot, like every file of this folder.

# Probability that a case is ranked above a non-case.
auc <- function(score, truth) {
  cases <- sum(truth)
  (sum(rank(score)[truth]) - cases * (cases + 1) / 2) / (cases * sum(!truth))
}

roc_points <- function(score, truth) {
  cuts <- c(Inf, sort(unique(score), decreasing = TRUE))
  data.frame(
    false_positives = vapply(cuts, function(cut) mean(score[!truth] >= cut), 0),
    true_positives = vapply(cuts, function(cut) mean(score[truth] >= cut), 0)
  )
}

log_quality <- function(score, truth, threshold) {
  predicted <- ifelse(score >= threshold, "Yes", "No")
  actual <- ifelse(truth, "Yes", "No")
  log_metric_to_run("AUC", auc(score, truth))
  log_metric_to_run("accuracy", mean(predicted == actual))
  log_confusion_matrix_to_run("confusion", actual, predicted = predicted)
  log_table_to_run("roc", roc_points(score, truth))
}
