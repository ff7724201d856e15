# How small objects show themselves: one line, <Kind name, facts>, and then what there is to say.

#' The line that each printed object begins with
#'
#' @param kind What it is: `"Run"`.
#' @param name What it is called, if it has a name.
#' @param facts What else belongs into the line.
#' @noRd
header <- function(kind, name = NULL, facts = NULL) {
  facts <- paste(safe_line(as.character(facts)), collapse = ", ")
  if (!length(name)) return(sprintf("<%s%s>", kind, if (nzchar(facts)) paste0(": ", facts) else ""))
  sprintf("<%s %s%s>", kind, safe_line(name), if (nzchar(facts)) paste0(", ", facts) else "")
}

#' Lines below the header: labels and values in two columns
#' @noRd
cat_facts <- function(facts) {
  facts <- Filter(length, facts)
  if (!length(facts)) return(invisible())
  text <- vapply(facts, function(fact) paste(safe_line(as.character(fact)), collapse = ", "), "")
  cat(paste0("  ", format(paste0(names(facts), ":")), " ", text, "\n"), sep = "")
}

#' A small list that its user made: options, a package, an input
#'
#' @param fields A list; fields without a value are left out.
#' @param class Its classes, without the common one.
#' @noRd
new_value <- function(fields, class) structure(Filter(length, fields), class = c(class, "espalier_value"))

#' What a value's lines say below its header; a named list
#' @noRd
value_facts <- function(x) UseMethod("value_facts")

#' @export
value_facts.default <- function(x) NULL

#' @export
print.espalier_value <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  cat_facts(value_facts(x))
  invisible(x)
}

# (its header says all that there is to sum up)
#' @export
summary.espalier_value <- function(object, ...) object

#' @rawNamespace S3method(utils::str,espalier_value)
#' @noRd
str.espalier_value <- function(object, ...) cat(" ", format(object), "\n", sep = "")

# What was looked up (a run's details, an image) is summed up by its print method as well.
#' @export
summary.espalier_run_details <- summary.espalier_value

#' @export
summary.espalier_run_environment <- summary.espalier_value

#' @export
summary.espalier_run_provenance <- summary.espalier_value

#' @export
summary.espalier_image <- summary.espalier_value

#' @export
summary.espalier_image_details <- summary.espalier_value

#' @export
summary.espalier_job_params <- summary.espalier_value
