# What R users have of a model's predictions, counted as charts need it: payloads' `data`. Base R only.

.thresholds <- 101L # of an accuracy table
.bins <- 20L        # about so many, with round edges
.max_classes <- 1000L

#' A matrix of classes grows with their square: real numbers that were taken for classes end here
#' @noRd
check_class_count <- function(count) {
  if (count > .max_classes) {
    refuse_payload(sprintf("it has %d classes", count), sprintf("At most %d are possible. Are these numbers rather than classes?", .max_classes))
  }
}

#' @param value True classes, or a table, or what has one (caret's and yardstick's confusion matrices).
#' @noRd
confusion_counts <- function(value, predicted) {
  if (is.null(predicted)) {
    counts <- if (is.list(value) && !is.null(dim(value$table))) value$table else value
    return(labelled_counts(counts))
  }
  check_pairs(value, predicted)
  shown <- !is.na(value) & !is.na(predicted)
  labels <- union(class_labels(value), class_labels(predicted))
  check_class_count(length(labels))
  counts <- table(factor(value[shown], labels), factor(predicted[shown], labels))
  list(class_labels = labels, matrix = matrix(as.integer(counts), length(labels)))
}

#' Of a table whose rows and columns may be in different orders, or lack a class
#' @noRd
labelled_counts <- function(counts) {
  if (is.data.frame(counts) || length(dim(counts)) != 2L || !is.numeric(counts)) {
    abort_argument("value", "a table of counts, or true classes with `predicted`", counts)
  }
  sides <- names(dimnames(counts))
  predicted <- grepl("^(pred|fitted|estimate)", sides, ignore.case = TRUE)
  if (identical(predicted, c(TRUE, FALSE))) counts <- t(counts)
  names <- dimnames(counts)
  if (is.null(names[[1L]]) || is.null(names[[2L]])) {
    if (nrow(counts) != ncol(counts)) abort_argument("value", "a square matrix, or one with dimnames", counts)
    labels <- names[[1L]] %||% names[[2L]] %||% as.character(seq_len(nrow(counts)))
    return(list(class_labels = labels, matrix = matrix(as.vector(counts), nrow(counts))))
  }
  labels <- union(names[[1L]], names[[2L]])
  check_class_count(length(labels))
  square <- matrix(0, length(labels), length(labels), dimnames = list(labels, labels))
  square[names[[1L]], names[[2L]]] <- as.vector(counts)
  list(class_labels = labels, matrix = unname(square))
}

#' @param predicted Probabilities: of the second of two classes, or a column for each.
#' @noRd
accuracy_counts <- function(value, predicted) {
  if (is.null(predicted)) abort_argument("predicted", "the predicted probabilities", predicted)
  labels <- class_labels(value)
  scores <- class_scores(predicted, labels, length(value))
  labels <- colnames(scores)
  shown <- !is.na(value) & rowSums(is.na(scores)) == 0
  truth <- as.character(value)[shown]
  scores <- scores[shown, , drop = FALSE]
  if (!length(truth)) abort_argument("value", "at least one class that isn't NA", value)
  if (any(scores < 0 | scores > 1)) abort_argument("predicted", "probabilities, from 0 to 1", predicted)
  at <- seq(0, 1, length.out = .thresholds)
  ordered <- sort(scores)
  percentiles <- ordered[pmax(1, ceiling(at * length(ordered)))]
  # TP, FP, TN and FN of each class, where a probability at or above the threshold is a positive
  count <- function(thresholds) {
    lapply(labels, function(label) {
      above <- function(scores) length(scores) - findInterval(thresholds, sort(scores), left.open = TRUE)
      positive <- scores[truth == label, label]
      negative <- scores[truth != label, label]
      cbind(above(positive), above(negative), length(negative) - above(negative), length(positive) - above(positive))
    })
  }
  list(
    class_labels = labels, probability_thresholds = at, percentile_thresholds = percentiles,
    probability_tables = count(at), percentile_tables = count(percentiles)
  )
}

#' A matrix with a column for each class
#' @noRd
class_scores <- function(predicted, labels, rows) {
  if (is.data.frame(predicted)) predicted <- as.matrix(predicted)
  if (!is.numeric(predicted)) abort_argument("predicted", "numbers: the predicted probabilities", predicted)
  if (length(dim(predicted)) == 2L && ncol(predicted) == 1L) predicted <- predicted[, 1L]
  if (length(dim(predicted)) < 2L) {
    if (length(labels) != 2L) {
      abort_argument("predicted", sprintf("a matrix with a column for each of the %d classes", length(labels)), predicted)
    }
    predicted <- cbind(1 - as.vector(predicted), as.vector(predicted))
  } else if (all(labels %in% colnames(predicted))) {
    labels <- colnames(predicted)
  }
  if (ncol(predicted) != length(labels) || nrow(predicted) != rows) {
    abort_argument("predicted", sprintf("a matrix of %d rows and %d columns, one for each class", rows, length(labels)), predicted)
  }
  colnames(predicted) <- labels
  predicted
}

binned_predictions <- function(value, predicted) {
  if (is.null(predicted)) abort_argument("predicted", "the predicted values", predicted)
  check_pairs(value, predicted, numbers = TRUE)
  shown <- is.finite(value) & is.finite(predicted)
  edges <- bin_edges(value[shown], "value")
  bin <- factor(bins_of(value[shown], edges), seq_len(length(edges) - 1L))
  parts <- unname(split(as.double(predicted)[shown], bin))
  counts <- lengths(parts)
  spread <- function(x) if (length(x) == 1L) 0 else sqrt(sum((x - mean(x))^2) / (length(x) - 1))
  list(
    bin_averages = vapply(parts, mean, 0), bin_errors = ifelse(counts > 0L, vapply(parts, spread, 0), NaN),
    bin_counts = counts, bin_edges = edges
  )
}

binned_residuals <- function(value, predicted) {
  if (!is.null(predicted)) {
    check_pairs(value, predicted, numbers = TRUE)
    value <- as.double(value) - as.double(predicted)
  }
  if (!is.numeric(value)) abort_argument("value", "numbers: the residuals, or the true values with `predicted`", value)
  value <- as.double(value)[is.finite(value)]
  edges <- bin_edges(value, "value")
  list(bin_edges = edges, bin_counts = tabulate(bins_of(value, edges), length(edges) - 1L))
}

bin_edges <- function(x, arg) {
  if (!length(x)) abort_argument(arg, "at least one finite number", x)
  limits <- as.double(range(x))
  if (limits[1L] == limits[2L]) return(limits + c(-0.5, 0.5) * max(1, abs(limits[1L])))
  pretty(limits, .bins)
}

bins_of <- function(x, edges) findInterval(x, edges, rightmost.closed = TRUE, all.inside = TRUE)

class_labels <- function(x) {
  if (is.factor(x)) return(levels(x))
  if (is.logical(x)) return(c("FALSE", "TRUE"))
  as.character(sort(unique(as.vector(x))))
}

check_pairs <- function(value, predicted, numbers = FALSE) {
  for (arg in c("value", "predicted")) {
    x <- get(arg)
    wanted <- if (numbers) "numbers" else "a factor, strings, logical values or numbers"
    if (!is.atomic(x) || length(dim(x)) > 1L || numbers && !is.numeric(x)) abort_argument(arg, wanted, x)
  }
  if (length(value) != length(predicted)) {
    abort_argument("predicted", sprintf("of the length of `value`, which is %d", length(value)), predicted)
  }
}
