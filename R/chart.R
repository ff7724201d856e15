# Charts as get_run_metrics() returns them.

#' The charts of a metric: one that was logged once as it is, else a list
#' @noRd
charts_of <- function(texts) {
  # (fromJSON() would fetch a text that is a URL, and read one that is a path)
  charts <- lapply(texts, function(text) {
    tryCatch(as_chart(jsonlite::parse_json(text, simplifyVector = TRUE)), error = function(e) {
      espalier_abort("damaged", "Can't read a chart of the run: its payload isn't a chart's JSON.", parent = e)
    })
  })
  if (length(charts) == 1L) charts[[1L]] else charts
}

as_chart <- function(payload) {
  data <- payload$data
  # (labels come from jobs, and go to terminals and pictures)
  if (length(data$class_labels)) data$class_labels <- labels <- safe_line(data$class_labels)
  if (payload$schema_type == "confusion_matrix") dimnames(data$matrix) <- list(truth = labels, predicted = labels)
  for (field in intersect(names(data), c("probability_tables", "percentile_tables"))) {
    dimnames(data[[field]]) <- list(labels, NULL, c("TP", "FP", "TN", "FN"))
  }
  structure(
    list(schema_type = payload$schema_type, schema_version = payload$schema_version, data = data),
    class = c(paste0("espalier_", payload$schema_type), "espalier_chart")
  )
}

chart_title <- function(x) gsub("_", " ", x$schema_type, fixed = TRUE)

# What a chart shows, in a line.
chart_facts <- function(x) {
  switch(x$schema_type,
    confusion_matrix = sprintf("%d classes, %s rows", nrow(x$data$matrix), format(sum(x$data$matrix), big.mark = ",")),
    accuracy_table = {
      curves <- roc_curves(x)
      paste(sprintf("AUC of %s %.3f", names(curves), vapply(curves, area_under, 0)), collapse = ", ")
    },
    sprintf("%d bins, %s rows", length(x$data$bin_counts), format(sum(x$data$bin_counts), big.mark = ","))
  )
}

#' @export
print.espalier_chart <- function(x, ...) {
  cat("<", chart_title(x), "> ", safe_line(chart_facts(x)), "\n", sep = "")
  if (x$schema_type == "confusion_matrix" && nrow(x$data$matrix) <= 20L) print(x$data$matrix, ...)
  invisible(x)
}

#' @export
as.data.frame.espalier_chart <- function(x, ...) {
  data <- x$data
  below <- function(edges) edges[-length(edges)]
  switch(x$schema_type,
    confusion_matrix = {
      labels <- data$class_labels
      cells <- expand.grid(truth = seq_along(labels), predicted = seq_along(labels))
      data.frame(
        truth = factor(labels[cells$truth], unique(labels)), predicted = factor(labels[cells$predicted], unique(labels)),
        count = as.vector(data$matrix)
      )
    },
    accuracy_table = rbind(thresholds_frame(data, "probability"), thresholds_frame(data, "percentile")),
    residuals = data.frame(from = below(data$bin_edges), to = data$bin_edges[-1L], count = data$bin_counts),
    predictions = data.frame(
      from = below(data$bin_edges), to = data$bin_edges[-1L], count = data$bin_counts, average = as.double(data$bin_averages),
      error = as.double(data$bin_errors)
    )
  )
}

#' @export
summary.espalier_chart <- function(object, ...) object

#' @rawNamespace S3method(utils::str,espalier_chart)
#' @noRd
str.espalier_chart <- function(object, ...) cat(" <", chart_title(object), "> ", safe_line(chart_facts(object)), "\n", sep = "")

#' @export
as.matrix.espalier_chart <- function(x, ...) as.matrix(as.data.frame(x))

# A confusion matrix is used as one: `x["yes", "no"]`, as.matrix(), as.table().
#' @export
as.matrix.espalier_confusion_matrix <- function(x, ...) x$data$matrix

#' @export
as.table.espalier_confusion_matrix <- function(x, ...) as.table(x$data$matrix)

#' @export
`[.espalier_confusion_matrix` <- function(x, ...) x$data$matrix[...]

thresholds_frame <- function(data, by) {
  thresholds <- data[[paste0(by, "_thresholds")]]
  tables <- data[[paste0(by, "_tables")]]
  frames <- lapply(seq_along(data$class_labels), function(at) {
    counts <- matrix(tables[at, , ], ncol = 4L, dimnames = list(NULL, c("TP", "FP", "TN", "FN")))
    data.frame(class = data$class_labels[at], by = by, threshold = thresholds, counts)
  })
  do.call(rbind, frames)
}

#' Of each class the points of its ROC curve, from left to right
#' @noRd
roc_curves <- function(x) {
  counts <- as.data.frame(x)
  curves <- lapply(x$data$class_labels, function(label) {
    of_class <- counts[counts$class == label, ]
    share <- function(hits, misses) ifelse(hits + misses > 0, hits / (hits + misses), NaN)
    points <- data.frame(false = share(of_class$FP, of_class$TN), true = share(of_class$TP, of_class$FN))
    points <- unique(rbind(c(0, 0), points, c(1, 1)))
    points[order(points$false, points$true), , drop = FALSE]
  })
  names(curves) <- x$data$class_labels
  curves
}

area_under <- function(points) {
  between <- -nrow(points)
  sum(diff(points$false) * (points$true[-1L] + points$true[between]) / 2)
}
