# What every generated class inherits. An object holds nothing but the strings that identify it; the core looks the
# thing up at each call. So objects survive saveRDS(), other processes and upgrades of this package, and print even when
# their workspace is gone.

# Made by verbs such as workspace(), experiment() and submit_experiment(); `==` compares class, workspace and id, also
# across sessions. (No roxygen comment: it would take the class for an exported one and ask for each method's.)
EspalierObject <- R6::R6Class("EspalierObject",
  cloneable = FALSE,
  public = list(
    initialize = function(identity) private$identity <- object_check_identity(identity),
    print = function(...) object_print(self),
    format = function(...) object_format(self)
  ),
  private = list(identity = NULL)
)

object_check_identity <- function(identity) {
  if (!is.character(identity) || !length(identity) || anyNA(identity) || is.null(names(identity))) {
    espalier_abort("bad_argument", "Can't make objects of espalier by $new().",
                   "Use workspace(), experiment() or submit_experiment().")
  }
  identity[order(names(identity), method = "radix")]
}

#' The strings that identify an object: a named character vector, sorted by name
#' @noRd
identity_of <- function(x) .subset2(x, ".__enclos_env__")$private$identity

#' An object keeps the methods of the version that made it; one of another version takes those it lacks from today's
#' @noRd
#' @export
`$.EspalierObject` <- function(x, name) {
  if (exists(name, envir = x, inherits = FALSE)) return(.subset2(x, name))
  class <- get0(class(x)[1L], asNamespace("espalier"), mode = "environment", inherits = FALSE)
  if (name %in% object_properties(class)) return(.subset2(class$new(identity = identity_of(x)), paste0("get_", name))())
  # (as the column of a table of runs is called)
  if (name == "run_id" && inherits(x, "Run")) return(.subset2(x, "id"))
  if (!name %in% c(names(class$public_methods), names(class$active))) abort_no_field(x, class, name)
  .subset2(class$new(identity = identity_of(x)), name)
}

#' A property can't be set; the fields that the class has are R6's matter
#' @noRd
#' @export
`$<-.EspalierObject` <- function(x, name, value) {
  class <- get0(class(x)[1L], asNamespace("espalier"), mode = "environment", inherits = FALSE)
  if (name %in% object_properties(class)) abort_read_only(class(x)[1L], name)
  assign(name, value, envir = x)
  invisible(x)
}

#' @noRd
#' @export
`[[<-.EspalierObject` <- function(x, i, value) `$<-.EspalierObject`(x, i, value)

#' What `run$status` and the like find: what a method `get_status()` returns that needs no argument
#' @noRd
object_properties <- function(class) {
  needs_none <- function(method) !any(vapply(formals(method), identical, NA, quote(expr = )))
  getters <- Filter(needs_none, class$public_methods[startsWith(names(class$public_methods) %||% character(), "get_")])
  setdiff(substring(names(getters), 5L), c(names(class$public_methods), names(class$active)))
}

abort_no_field <- function(x, class, name) {
  known <- utils::.DollarNames(x, "")
  verb <- sprintf("get_%s_%s", tolower(class(x)[1L]), name)
  near <- known[which.min(utils::adist(name, known)[1L, ])]
  hint <- if (verb %in% getNamespaceExports("espalier")) sprintf("Use %s().", verb)
  else if (utils::adist(name, near)[1L] <= max(1, nchar(name) / 3)) sprintf("Did you mean `%s`?", near)
  espalier_abort("bad_argument", sprintf("Can't find `%s` in a <%s> object.", name, class(x)[1L]), hint, argument = name)
}

#' One of those strings, or NULL
#' @noRd
own_field <- function(x, name) {
  identity <- identity_of(x)
  if (name %in% names(identity)) identity[[name]]
}

#' More about an object than its identity: a named list of strings, for print()
#'
#' A noun's own file adds a method where there is something worth showing. It may ask the core, and may fail.
#' @noRd
object_facts <- function(x) UseMethod("object_facts")

object_facts.default <- function(x) NULL

object_format <- function(x) header(class(x)[1L], object_title(x))

#' What print() calls an object; a noun whose identity isn't a name has a method
#' @noRd
object_title <- function(x) UseMethod("object_title")

#' @export
object_title.default <- function(x) object_name(identity_of(x))

#' What people call it: the most particular of its strings
#' @noRd
object_name <- function(identity) {
  for (key in c("id", "run_id", "name", "experiment")) if (key %in% names(identity)) return(identity[[key]])
  identity[[length(identity)]]
}

object_print <- function(x) {
  cat(object_format(x), "\n", sep = "")
  identity <- identity_of(x)
  facts <- tryCatch(
    # (warnings of the core would repeat at each print)
    suppressWarnings(object_facts(x)),
    error = function(e) list("not readable" = strsplit(conditionMessage(e), "\n", fixed = TRUE)[[1L]][1L])
  )
  known <- c(object_name(identity), vapply(facts, function(fact) paste(fact, collapse = ", "), ""))
  cat_facts(c(facts, as.list(identity[!identity %in% known & names(identity) != "definition"])))
  invisible(x)
}

# (R6's own methods are not there while nothing has loaded R6, as in a session that has only read an object)
#' @export
print.EspalierObject <- function(x, ...) object_print(x)

#' @export
format.EspalierObject <- function(x, ...) object_format(x)

#' @rawNamespace S3method(utils::str,EspalierObject)
#' @noRd
str.EspalierObject <- function(object, ...) cat(" ", object_format(object), "\n", sep = "")

# (a noun that has more to sum up has a method)
#' @export
summary.EspalierObject <- function(object, ...) object

#' @export
Ops.EspalierObject <- function(e1, e2) {
  if (!.Generic %in% c("==", "!=")) {
    espalier_abort("bad_argument", sprintf("Can't compare objects of espalier by %s.", .Generic), "Use == or !=.")
  }
  same <- inherits(e1, "EspalierObject") && inherits(e2, "EspalierObject") &&
    identical(class(e1), class(e2)) && identical(identity_of(e1), identity_of(e2))
  if (.Generic == "==") same else !same
}

#' @method all.equal EspalierObject
#' @export
all.equal.EspalierObject <- function(target, current, ...) {
  if (isTRUE(target == current)) TRUE else "different objects of espalier"
}

#' @rawNamespace S3method(utils::.DollarNames,EspalierObject)
#' @noRd
.DollarNames.EspalierObject <- function(x, pattern = "") {
  names <- setdiff(ls(x), c("initialize", "print", "format"))
  class <- get0(class(x)[1L], asNamespace("espalier"), mode = "environment", inherits = FALSE)
  grep(pattern, sort(c(names, if (inherits(x, "Run")) "run_id", object_properties(class))), value = TRUE)
}

# What completion offers; an environment's own names show none of what is looked up.
#' @export
names.EspalierObject <- function(x) .DollarNames.EspalierObject(x)

#' An active binding was assigned to
#' @noRd
abort_read_only <- function(class, name) {
  espalier_abort("bad_argument", sprintf("Can't set `%s` of a <%s>: it is read-only.", name, class),
                 argument = name)
}
