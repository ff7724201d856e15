# The session that submits, as its jobs should find it again.

#' What jobs of this session should find again
#' @noRd
session_context <- function(python = NULL) {
  list(
    client = session_client(),
    environment = session_variables(),
    rscript = file.path(R.home("bin"), "Rscript"),
    r_version = as.character(getRversion()),
    library_paths = as.list(.libPaths()),
    r_package = find_installed(),
    python = python,
    reticulate = python_chosen()
  )
}

# The variables as R has them now. (Sys.getenv() fails if one is no text in this locale: NULL, and the core takes them
# as they were when Python started.)
session_variables <- function() {
  variables <- tryCatch(suppressWarnings(Sys.getenv()), error = function(e) NULL)
  if (is.null(variables)) return(NULL)
  variables[["LD_LIBRARY_PATH"]] <- library_path_before_r()
  as.list(variables[validUTF8(variables) & nzchar(variables)])
}

#' LD_LIBRARY_PATH as it was before R put its own folders in front
#'
#' With them another Python than the system's loads the wrong libpython. A job's R puts them there again.
#' @noRd
library_path_before_r <- function() {
  now <- Sys.getenv("LD_LIBRARY_PATH")
  added <- r_library_path()
  if (!nzchar(now) || !nzchar(added)) return(now)
  if (now == added) "" else if (startsWith(now, paste0(added, ":"))) substring(now, nchar(added) + 2L) else now
}

.session <- new.env(parent = emptyenv())

# What R's start script adds: it is asked once a session, for it is a shell script.
r_library_path <- function() {
  if (is.null(.session$library_path)) {
    script <- file.path(R.home("etc"), "ldpaths")
    ask <- paste(". ", shQuote(script), "; printf %s \"$LD_LIBRARY_PATH\"")
    keep <- Sys.getenv(c("R_HOME", "R_ARCH", "JAVA_HOME"), NA)
    keep <- paste0(names(keep), "=", shQuote(keep))[!is.na(keep)]
    said <- if (file.exists(script)) system(paste("env -i", paste(keep, collapse = " "), "sh -c", shQuote(ask)), intern = TRUE)
    .session$library_path <- paste(said, collapse = "")
  }
  .session$library_path
}

session_client <- function() paste("R", getRversion())

# Where this package is installed; NULL under load_all(), for a source folder is no library.
find_installed <- function() {
  path <- getNamespaceInfo(topenv(), "path")
  if (file.exists(file.path(path, "Meta", "package.rds"))) path
}
