# Images of environments: built without a run, looked up, listed, removed, pushed somewhere.

#' Build the image of an environment
#'
#' Finds the image of an environment, or builds it, so that runs that use it begin at once. It is looked for in the Docker
#' engine of this machine, then in the workspace's registry, then in the shared one ([set_image_registry()]); else it is
#' built, and pushed to the workspace's registry, if there is one. Two sessions that need one image make one build.
#'
#' An image is made in stages (system, Python packages, R packages), each of which is kept and found again. Packages that
#' were installed for the same system once are not installed again.
#'
#' Ctrl-C (Esc in RStudio) stops the build: no container is left, and what was finished is used the next time.
#'
#' @section Which images are used: an image counts as an environment's if the workspace's record names its id or digest, or
#'   if its label `espalier.signature` verifies. The label holds a code (HMAC) over all that the image consists of, made with
#'   a key of yours in espalier's state folder. Names, tags and other labels prove nothing: anything else under the name is
#'   replaced, with a note. For a team that shares a registry, `ESPALIER_IMAGE_KEY_FILE` names a file with a common key of 32
#'   or more characters, which only the team can read; without it, each member builds images of their own.
#' @section Build scripts: what packages bring (`setup.py`, `configure`) sees no password and no variable whose name looks
#'   like a secret's, and in a container it cannot change the caches. What a build prints is searched for secrets.
#' @section Base images: the job's command takes the place of a base image's `ENTRYPOINT` and `CMD`, so what an
#'   `ENTRYPOINT` sets up does not happen. Put it into `docker_steps` or the job.
#' @section Network: steps of a build reach the network as the Docker engine lets them, with this session's `http_proxy` and
#'   `https_proxy`; packages of R are fetched by this machine. Where that is not enough, as with a proxy or repository at
#'   `localhost`, `ESPALIER_BUILD_NETWORK=host` lets builds use the network as this machine does. Set such variables before
#'   the first call of the session, in `~/.Renviron` for instance.
#'
#' @param workspace A [workspace()].
#' @param environment An environment, see [r_environment()].
#' @param refresh Ask the registry of the base image again what its name stands for. It is asked once, so that the same
#'   definition gives the same image.
#' @param push Whether the workspace's registry must have the image afterwards. By default (`NULL`) it is pushed after it was
#'   built, and a registry that fails gives a warning; with `TRUE` that is an error; with `FALSE` it is not pushed.
#' @param show_output Show the log as it comes.
#' @param ... Nothing.
#' @param x What `build_environment()` or `get_image_details()` gave.
#' @return `build_environment()`: invisibly, a list of class `espalier_image`: `name`, `image` (its id in the engine), `tag`,
#'   `key` (equal keys, equal images), `found` (`"local"`, `"workspace registry"`, `"shared registry"` or `"built"`) and
#'   `seconds`. `get_build_log()`: the lines of the log of the last build, of class `espalier_log`.
#'   `get_image_details()`: a list of class `espalier_image_details`: `exists`, `image`, `tag`, `key`, `registries` (a
#'   character vector: digests by address, of those that answer that they have it), `unconfirmed` (registries that can't be
#'   asked now), `size` in bytes, `created_at`, `last_used_at` and `dockerfile`, as by
#'   [get_dockerfile()].
#' @section Errors: `espalier_error_docker_unavailable`, which says what is wrong with Docker;
#'   `espalier_error_image_missing` about the base image; `espalier_error_build_failed`, with the package that failed and what
#'   the system lacks, if that is known (`package`, `missing`, `apt`); `espalier_error_package_missing`,
#'   `espalier_error_lock_failed`, `espalier_error_secret_missing`; `espalier_error_registry_failed`.
#' @seealso [list_images()]
#' @examples
#' \dontrun{
#' ws <- workspace("example")
#' env <- r_environment("tidy", cran_packages = c("glmnet", "ranger"))
#' build_environment(ws, env)
#' get_build_log(ws, env)
#' get_image_details(ws, env)
#' }
#' @export
build_environment <- function(workspace, environment, refresh = FALSE, push = NULL, show_output = TRUE) {
  check_object(workspace, "Workspace", "workspace")
  check_object(environment, "Environment", "environment")
  check_flag(refresh, "refresh")
  check_flag(push, "push", null = TRUE)
  check_flag(show_output, "show_output")
  log <- tempfile("espalier-build-", fileext = ".log")
  on.exit(unlink(log))
  show <- if (show_output) log_shower(log)
  built <- while_watching(show, workspace$images$build(environment, refresh, push, log))
  if (show_output) show()
  for (note in unlist(built$notes)) say_warning(safe_line(note))
  image <- structure(built[c("name", "image", "tag", "key", "found", "seconds")], class = "espalier_image")
  text <- image_text(image)
  say(c("v" = "{text}"))
  invisible(image)
}

#' Shows what a log has come to since it last did
#' @return A function, to be called with the display of a long call or without.
#' @noRd
log_shower <- function(log) {
  seen <- 0
  function(display = NULL) {
    size <- file.size(log)
    if (is.na(size) || size <= seen) return(invisible())
    con <- file(log, "rb")
    on.exit(close(con))
    seek(con, seen)
    bytes <- readBin(con, "raw", size - seen)
    last <- if (is.null(display)) length(bytes) else max(which(bytes == as.raw(10L)), 0L)
    if (!last) return(invisible())
    seen <<- seen + last
    if (!is.null(display)) display$end()
    cat(settled_text(bytes[seq_len(last)]))
    utils::flush.console()
  }
}

image_text <- function(image) sprintf("Image of %s: %s", safe_line(image$name), found_in(image))

found_in <- function(image) {
  took <- format_short(image$seconds)
  switch(
    image$found, built = paste("built in", took), local = paste0("found in the Docker engine, ", took),
    sprintf("found in the %s, %s", image$found, took)
  )
}

#' @export
format.espalier_image <- function(x, ...) header("Image", x$name, found_in(x))

#' @rdname build_environment
#' @export
print.espalier_image <- function(x, ...) {
  cat(format(x), "\n", sprintf("  %s %s\n", c("id: ", "tag:"), safe_line(c(x$image, x$tag))), sep = "")
  invisible(x)
}

#' @rdname build_environment
#' @export
get_build_log <- function(workspace, environment) {
  check_object(workspace, "Workspace", "workspace")
  check_object(environment, "Environment", "environment")
  text <- workspace$images$build_log(environment)
  structure(strsplit(text, "\r?\n")[[1L]], class = "espalier_log")
}

#' @export
print.espalier_log <- function(x, ...) {
  if (!length(x)) {
    cat(attr(x, "nothing", exact = TRUE) %||% "No lines.", "\n", sep = "")
    return(invisible(x))
  }
  cat(paste0(safe_line(unclass(x)), "\n"), sep = "")
  invisible(x)
}

#' @rdname build_environment
#' @export
get_image_details <- function(workspace, environment) {
  check_object(workspace, "Workspace", "workspace")
  check_object(environment, "Environment", "environment")
  result <- workspace$images$get(environment)
  result$registries <- unlist(result$registries) %||% structure(character(), names = character())
  result$unconfirmed <- as.character(unlist(result$unconfirmed))
  for (time in c("created_at", "last_used_at")) result[[time]] <- .POSIXct(as.numeric(result[[time]] %||% NA), "UTC")
  result["image"] <- list(result$image %||% NA_character_)
  result["size"] <- list(as.numeric(result$size %||% NA))
  structure(result, class = "espalier_image_details")
}

#' @export
format.espalier_image_details <- function(x, ...) {
  header("Image details", x$name, if (isTRUE(x$exists)) "in the Docker engine" else "not in the Docker engine")
}

#' @rdname build_environment
#' @export
print.espalier_image_details <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  facts <- c(key = x$key, tag = x$tag)
  if (!is.na(x$image)) facts <- c(facts, id = x$image)
  if (!is.na(x$size)) facts <- c(facts, size = format_bytes(x$size))
  if (length(x$registries)) facts <- c(facts, "pushed to" = paste(names(x$registries), collapse = ", "))
  if (length(x$unconfirmed)) facts <- c(facts, "unconfirmed" = paste(x$unconfirmed, collapse = ", "))
  cat(sprintf("  %s %s\n", format(paste0(names(facts), ":")), safe_line(facts)), sep = "")
  cat("\n", safe_line(x$dockerfile), sep = "")
  invisible(x)
}

#' List and remove images
#'
#' `list_images()` lists the images of environments that the Docker engine or a registry of the workspace has, and private
#' environments, which serve runs without Docker. `prune_images()` lists what wasn't used for a while, and what killed builds
#' left; `dry_run = FALSE` removes it. What a run needs that has not ended stays, and so does what is in
#' registries. A removed image is fetched or built again when it is needed.
#'
#' @param workspace A [workspace()].
#' @param unused_days How long something must not have been wanted, by any workspace of yours on this machine.
#' @param dry_run `TRUE` only lists what would go, `FALSE` removes it.
#' @return `list_images()`: a data frame with `environment` (the names it has in this workspace), `key`, `where` (`engine`,
#'   `registry <address>`, `private`), `size` in bytes, `created_at`, `last_used_at`, the number of `runs` of this workspace
#'   that used it, and `image`, its id in the engine. `prune_images()`: one with `what` it is, its `name`, `size` (images
#'   share layers, so less is won), `last_used_at`, `why` it may go, and whether it was `deleted`; invisibly if so. Both
#'   print sizes for people. Registries are asked whether they have an image; one that does not answer is followed by
#'   `(unconfirmed)`.
#' @section Errors: `espalier_error_docker_failed`. Without a Docker engine private environments are listed alone.
#' @seealso [build_environment()], [collect_garbage()] for snapshots.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' list_images(ws)
#' @export
list_images <- function(workspace) {
  check_object(workspace, "Workspace", "workspace")
  returned_table(workspace$images$list(), "espalier_images")
}

#' @export
print.espalier_images <- function(x, n = 20L, ...) {
  columns <- c("environment", "key", "where", "size", "created_at", "last_used_at", "runs", "image")
  if (!is_as_returned(x, columns)) {
    print_plain(x, n, ..., always = chosen_columns(x, columns))
    return(invisible(x))
  }
  ours <- x[!is.na(x$environment) | x$runs > 0L, , drop = FALSE]
  if (nrow(ours)) print.data.frame(utils::head(images_view(ours), n), row.names = FALSE, right = FALSE)
  if (!nrow(ours)) cat("No images of environments of this workspace.\n")
  if (nrow(ours) > n) cat(sprintf("... and %d more; as.data.frame() shows all.\n", nrow(ours) - n))
  others <- number_of(nrow(x) - nrow(ours), "image")
  if (nrow(x) > nrow(ours)) cat(sprintf("Other workspaces, or earlier definitions, have %s; as.data.frame() shows all.\n", others))
  invisible(x)
}

images_view <- function(x) {
  time <- function(when) ifelse(is.na(when), "", format(when, "%Y-%m-%d %H:%M", tz = ""))
  data.frame(
    environment = ifelse(is.na(x$environment), "", safe_line(x$environment)), key = substr(sub("^sha256:", "", x$key), 1L, 12L),
    where = safe_line(x$where), size = ifelse(is.na(x$size), "", format_bytes(x$size)), created_at = time(x$created_at),
    last_used_at = time(x$last_used_at), runs = x$runs
  )
}

#' @export
as.data.frame.espalier_images <- function(x, ...) drop_table_class(x)

#' @rdname list_images
#' @export
prune_images <- function(workspace, unused_days = 30, dry_run = TRUE) {
  check_object(workspace, "Workspace", "workspace")
  check_number(unused_days, "unused_days")
  check_flag(dry_run, "dry_run")
  found <- structure(workspace$images$prune(unused_days, dry_run), class = c("espalier_litter", "data.frame"))
  if (dry_run) return(found)
  gone <- number_of(sum(found$deleted), "thing")
  say(c("v" = "Removed {gone}."))
  invisible(found)
}

#' @export
print.espalier_litter <- function(x, n = 20L, ...) {
  if (!all(c("what", "name", "size", "last_used_at", "why") %in% names(x))) return(NextMethod())
  if (!nrow(x)) cat("Nothing to remove.\n")
  time <- ifelse(is.na(x$last_used_at), "", format(x$last_used_at, "%Y-%m-%d %H:%M", tz = ""))
  shown <- data.frame(
    what = x$what, name = safe_line(x$name), size = ifelse(is.na(x$size), "", format_bytes(x$size)), "last used" = time,
    why = x$why, check.names = FALSE
  )
  if (any(x$deleted)) shown$deleted <- x$deleted
  if (nrow(x)) print.data.frame(utils::head(shown, n), row.names = FALSE, right = FALSE)
  if (nrow(x) > n) cat(sprintf("... and %d more; as.data.frame() shows all.\n", nrow(x) - n))
  invisible(x)
}

#' @export
as.data.frame.espalier_litter <- as.data.frame.espalier_images

#' Set and list registries of images
#'
#' Images that are built are pushed to the workspace's registry, and looked for there and in the shared one, before they are
#' built. So colleagues, other machines and later workspaces find what was built once.
#'
#' The environment variable `ESPALIER_SHARED_REGISTRY` names a shared registry for all your workspaces that have none.
#'
#' @param workspace A [workspace()].
#' @param address Such as `"localhost:5000"` or `"ghcr.io/team"`; `NULL` for none. A registry without TLS works on this machine
#'   only, unless the Docker engine is configured to allow it.
#' @param username,password How to log in, the password as the name of a secret in the workspace's keyvault, see
#'   [set_secrets()]. By default as `docker login` left it.
#' @param shared The shared registry, which is only looked in; else the workspace's own.
#' @return `set_image_registry()`: the workspace, invisibly. `list_image_registries()`: a data frame with `kind` (`workspace`,
#'   `shared`), `address`, `username`, and `secret`, the name of the password.
#' @section Errors: `espalier_error_bad_argument`, `espalier_error_environment_invalid`.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' set_image_registry(ws, "localhost:5000")
#' set_image_registry(ws, "ghcr.io/team", shared = TRUE)
#' list_image_registries(ws)
#' @export
set_image_registry <- function(workspace, address, username = NULL, password = NULL, shared = FALSE) {
  check_object(workspace, "Workspace", "workspace")
  check_string(address, "address", null = TRUE)
  check_string(username, "username", null = TRUE)
  secret <- secret_argument(password, "password")$secret
  workspace$images$set_registry(address, username, secret, check_flag(shared, "shared"))
  invisible(workspace)
}

#' @rdname set_image_registry
#' @export
list_image_registries <- function(workspace) {
  check_object(workspace, "Workspace", "workspace")
  workspace$images$registries()
}
