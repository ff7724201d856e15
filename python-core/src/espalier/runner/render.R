# Renders an R Markdown document as a job: Rscript -e 'source("render.R")' report.Rmd. Parameters that the document
# declares come from the run's definition. The result goes to the run's outputs. An error names its chunk.
local({
  document <- commandArgs(trailingOnly = TRUE)[1L]
  input <- normalizePath(document) # (render() works in its folder)
  run <- Sys.getenv("ESPALIER_RUN_DIR")
  for (package in c("rmarkdown", "jsonlite")) {
    if (!requireNamespace(package, quietly = TRUE)) {
      stop("Rendering ", document, " needs the R package ", package, ". Install it where the job looks for packages, or add ",
           "cran_package(\"", package, "\") to the environment.", call. = FALSE)
    }
  }

  # (protocol.md, "Encoding")
  value_of <- function(cell) {
    value <- cell$value
    if (!is.character(value) || !startsWith(value, "!")) return(value)
    switch(value, "!NA" = NA, "!NaN" = NaN, "!Inf" = Inf, "!-Inf" = -Inf, substring(value, 2L))
  }
  given_parameters <- function() {
    spec <- jsonlite::read_json(file.path(run, "spec.json"))
    values <- lapply(spec$params, function(x) if (is.null(names(x))) unlist(lapply(x, value_of)) else value_of(x))
    inputs <- vapply(spec$inputs, `[[`, "", "name")
    variables <- paste0("ESPALIER_INPUT_", gsub("[^A-Z0-9]", "_", toupper(inputs)))
    list(values = values, inputs = stats::setNames(as.list(Sys.getenv(variables, names = FALSE)), inputs))
  }
  # What the document declares. The rest is left to job_params(), or is a mistake that render() reports.
  parameters <- function() {
    given <- given_parameters()
    declared <- names(rmarkdown::yaml_front_matter(input)$params)
    reads_arguments <- any(grepl("job_params|commandArgs", readLines(input, warn = FALSE)))
    values <- given$values
    if (reads_arguments) values <- values[names(values) %in% declared]
    values <- c(values, given$inputs[names(given$inputs) %in% declared])
    if (length(values)) values
  }
  # The last warning: right before an error R puts into one what was missing. knitr takes warnings before any handler
  # around render() gets them.
  warned <- NULL
  evaluate <- knitr::knit_hooks$get("evaluate")
  knitr::knit_hooks$set(evaluate = function(..., output_handler) {
    warned <<- NULL
    own <- output_handler$warning
    output_handler$warning <- function(cond) {
      warned <<- cond
      own(cond)
    }
    evaluate(..., output_handler = output_handler)
  })
  reason <- function(cond) {
    call <- conditionCall(cond)
    message <- conditionMessage(cond)
    if (is.null(warned) || is.null(call) || !identical(call, conditionCall(warned))) return(message)
    paste0(message, ": ", conditionMessage(warned))
  }
  name_chunk <- function(cond) {
    label <- knitr::opts_current$get("label")
    if (is.null(label)) return()
    stop(sprintf("Chunk \"%s\" of %s failed: %s", label, document, reason(cond)), call. = FALSE)
  }

  # (progress in lines, for a log)
  options(knitr.progress.fun = function(total, labels) {
    list(update = function(i) if (nzchar(labels[i])) message("Chunk \"", labels[i], "\""), done = function() NULL)
  })
  params <- parameters()
  made <- withCallingHandlers(
    rmarkdown::render(input, params = params, output_dir = file.path(run, "outputs"), envir = new.env(parent = globalenv())),
    error = name_chunk
  )
  cat("Rendered", file.path("outputs", basename(made)), "\n")
})
