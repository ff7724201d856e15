# Files in a run's folder, as R reads and makes them. A job may have put anything in the place of anything: a named pipe
# would be waited for, and a link leads elsewhere. Base R only.

# No record is longer, in bytes (docs/protocol.md, "Limits").
.record_bytes <- 16 * 2^20

#' Whether a file can be read at once: a plain one with content, not too long
#'
#' Named pipes, sockets and devices have no size.
#' @param follow Whether it, or the folder it lies in, may be a link.
#' @noRd
is_plain_file <- function(path, follow = FALSE) {
  size <- file.size(path)
  is_plain <- !is.na(size) && size > 0 && size <= .record_bytes && !dir.exists(path)
  is_plain && (follow || !is_link(path) && !is_link(dirname(path)))
}

is_link <- function(path) {
  target <- Sys.readlink(path) # NA where there is nothing
  !is.na(target) && nzchar(target)
}

#' Make a folder in a run's folder, if it is missing. A link in its place is an error
#' @noRd
make_run_folder <- function(path) {
  if (is_link(path)) stop(sprintf("%s is a link", path))
  if (!dir.exists(path)) dir.create(path, showWarnings = FALSE, mode = "0755")
}

#' What `code` creates others may read, as far as the umask lets them, and never write
#' @noRd
closed_to_writers <- function(code) {
  old <- Sys.umask(NA)
  Sys.umask(as.octmode(bitwOr(as.integer(old), 18L))) # (022)
  on.exit(Sys.umask(old))
  code
}
