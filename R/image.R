# Images of environments: built without a run, looked up, listed, removed, pushed somewhere.

#' Build the image of an environment
#'
#' Use this to build an image before runs need it, so that they begin at once. An image that exists already is found.
#'
#' It is looked for in the Docker engine of this machine, in the workspace's registry, and in the shared one
#' ([set_image_registry()]). If none has it, it is built and pushed to the workspace's registry. Two sessions that need
#' one image make one build. Stages (system, Python packages, R packages) and installed packages are kept and used
#' again. Ctrl-C (Esc in RStudio) stops the build and keeps what is finished.
#'
#' @section Which images are used: An image is used if the workspace's record names its id or digest, or if its label
#'   `espalier.signature` verifies. That label is an HMAC over the content of the image, made with your key in
#'   espalier's state folder. Any other image under the name is replaced, with a note. A team that shares a registry
#'   puts a common key of 32 or more characters into a file that only the team can read, named by
#'   `ESPALIER_IMAGE_KEY_FILE`.
#' @section Build scripts: Scripts of packages (`setup.py`, `configure`) see no password and no variable whose name
#'   looks like a secret's. In a container they can't change the caches. The output of a build is searched for secrets.
#' @section Base images: The job's command takes the place of a base image's `ENTRYPOINT` and `CMD`. Put the set-up that
#'   an `ENTRYPOINT` does into `docker_steps` or the job.
#' @section Network: Builds use the network of the Docker engine, with this session's `http_proxy` and `https_proxy`.
#'   This machine fetches packages of R. For a proxy or repository at `localhost`, set `ESPALIER_BUILD_NETWORK=host`,
#'   before the first call of the session, in `~/.Renviron` for instance.
#'
#' @param workspace A [workspace()].
#' @param environment An environment, see [r_environment()].
#' @param refresh Logical: whether to look up again which image the base image's name stands for. Default: `FALSE`, it
#'   is looked up once, so that the same definition gives the same image.
#' @param push Logical: whether the workspace's registry must have the image afterwards. `NULL`, the default, pushes it
#'   after a build, and warns if that fails. `TRUE` makes that an error. `FALSE` doesn't push.
#' @param show_output Logical: whether to show the log of the build as it comes. Default: `TRUE`.
#' @param x The result of `build_environment()` or `get_image_details()`.
#' @param ... Not used.
#' @return `build_environment()`: invisibly, a list of class `espalier_image` with `name`, `image` (its id in the
#'   engine), `tag`, `key` (equal keys, equal images), `found` (`"local"`, `"workspace registry"`, `"shared registry"`
#'   or `"built"`) and `seconds`.
#'
#'   `get_build_log()`: the lines of the last build's log, a character vector of class `espalier_log`.
#'
#'   `get_image_details()`: a list of class `espalier_image_details` with `exists`, `image`, `tag`, `key`, `registries`
#'   (digests, named by the registries that have it), `unconfirmed` (registries that don't answer now), `size` in bytes,
#'   `created_at`, `last_used_at` and `dockerfile`.
#' @section Errors:
#' * `espalier_error_docker_unavailable`: no Docker engine answers. The message names the cause.
#' * `espalier_error_image_missing`: the base image isn't found.
#' * `espalier_error_build_failed`: a step failed. Fields: `package`, and `missing` and `apt` for what the system lacks.
#' * `espalier_error_package_missing`, `espalier_error_lock_failed`: packages aren't found, or don't fit together.
#' * `espalier_error_secret_missing`: the keyvault doesn't have a secret that the environment names.
#' * `espalier_error_registry_failed`: the registry doesn't take the image, with `push = TRUE`.
#' @seealso [r_environment()], [list_images()], [get_dockerfile()]
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
#' Use these to find out how much disk space environments take, and to free it. Both functions include private
#' environments, which serve runs without Docker.
#'
#' `prune_images()` lists what wasn't used for a while, and what killed builds left. With `dry_run = FALSE` it removes
#' them. Images in registries stay, and so does everything that a run needs that hasn't ended. A removed image is
#' fetched or built again when it is needed.
#'
#' @param workspace A [workspace()].
#' @param unused_days Number of days without use, by any workspace of yours on this machine. Default: 30.
#' @param dry_run Logical: `TRUE`, the default, lists only. `FALSE` removes.
#' @return `list_images()`: a data frame of class `espalier_images`. Columns: `environment` (its names in this
#'   workspace), `key`, `where` (`engine`, `registry <address>` or `private`), `size` in bytes, `created_at`,
#'   `last_used_at`, `runs` (the number of runs of this workspace that used it), and `image` (its id in the engine).
#'   `(unconfirmed)` follows a registry that doesn't answer.
#'
#'   `prune_images()`: a data frame of class `espalier_litter`, invisibly with `dry_run = FALSE`. Columns: `what` it is,
#'   `name`, `size` in bytes (images share layers, so less is freed), `last_used_at`, `why` it may go, and whether it
#'   was `deleted`.
#' @section Errors:
#' * `espalier_error_docker_failed`: the Docker engine refused. Without an engine, private environments are listed
#'   alone.
#' @seealso [build_environment()]; [collect_garbage()] frees snapshots.
#' @examplesIf espalier:::espalier_python_ready()
#' ws <- workspace("example", path = tempfile())
#' list_images(ws)
#' prune_images(ws)
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
#' Use these to share images with colleagues, other machines and later workspaces. Images are looked for in the
#' workspace's registry and in the shared one before they are built. New ones are pushed to the workspace's.
#'
#' The environment variable `ESPALIER_SHARED_REGISTRY` names a shared registry for all your workspaces that have none.
#'
#' @param workspace A [workspace()].
#' @param address String: address of the registry, `"localhost:5000"` or `"ghcr.io/team"`. `NULL` for none. A registry
#'   without TLS works on this machine only, unless the Docker engine allows it.
#' @param username String: name to log in with. Default: the login of `docker login`.
#' @param password [keyvault_secret()] of the password, see [set_secrets()]. Default: the login of `docker login`.
#' @param shared Logical: whether it is the shared registry, which is only searched. Default: `FALSE`, the workspace's.
#' @return `set_image_registry()`: the workspace, invisibly. `list_image_registries()`: a data frame. Columns: `kind`
#'   (`"workspace"`, `"shared"`), `address`, `username`, and `secret`, the name of the password.
#' @section Errors:
#' * `espalier_error_bad_argument`: an argument has the wrong type.
#' * `espalier_error_environment_invalid`: the address is wrong.
#' @seealso [build_environment()]
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
