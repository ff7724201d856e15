# Jobs after logout, or after the end of their container, in espalier_sitrep(). Tests pass another `root` folder.

#' A fact: whether jobs go on after logout, and the fix if they don't
#' @noRd
sitrep_logout <- function(root = "", user = user_name(), env = Sys.getenv()) {
  topic <- "jobs after logout"
  container <- container_kind(root, env)
  if (nzchar(container)) return(fact(topic, "end with the container that this R session runs in", container))
  if (!dir.exists(file.path(root, "run", "systemd", "system"))) return(fact(topic, "go on", "no systemd"))
  kills <- kills_at_logout(root, user)
  if (!nzchar(kills)) return(fact(topic, "go on", "systemd keeps them"))
  if (lingers(root, user)) return(fact(topic, "go on in a separate scope", paste("lingering, though", kills)))
  fact(topic, "are killed", kills, sprintf("This machine kills a user's processes at logout (%s).", kills),
       sprintf("loginctl enable-linger %s", user))
}

user_name <- function() Sys.info()[["effective_user"]]

#' The kind of this container; an empty string outside containers
#' @noRd
container_kind <- function(root, env) {
  has <- function(...) file.exists(file.path(root, ...))
  if ("KUBERNETES_SERVICE_HOST" %in% names(env)) return("a Kubernetes pod, as Posit Workbench makes for a session")
  if (has(".dockerenv")) return("Docker")
  if (has("run", ".containerenv")) return("Podman")
  if ("container" %in% names(env) && nzchar(env[["container"]])) return(env[["container"]])
  ""
}

#' The file and setting by which logind kills this user's processes at logout; an empty string if it does not
#' @noRd
kills_at_logout <- function(root, user) {
  set <- logind_settings(root)
  kill <- set[["KillUserProcesses"]]
  if (is.null(kill) || !tolower(kill$value) %in% c("yes", "true", "on", "1")) return("")
  named <- function(name, default) {
    list <- set[[name]]
    strsplit(if (is.null(list)) default else list$value, "[[:space:]]+")[[1L]]
  }
  only <- named("KillOnlyUsers", "")
  spared <- user %in% named("KillExcludeUsers", "root") || (any(nzchar(only)) && !user %in% only)
  if (spared) "" else paste0("KillUserProcesses=", kill$value, " in ", kill$file)
}

#' The settings of logind, each with the file that sets it last
#' @noRd
logind_settings <- function(root) {
  homes <- file.path(root, c("usr/lib", "usr/local/lib", "run", "etc"), "systemd")
  drop_ins <- unlist(lapply(file.path(homes, "logind.conf.d"), list.files, "[.]conf$", full.names = TRUE))
  # (of drop-ins with the same name the last folder's counts; they are read in the order of their names)
  drop_ins <- drop_ins[!duplicated(basename(drop_ins), fromLast = TRUE)]
  main <- utils::tail(Filter(file.exists, file.path(homes, "logind.conf")), 1L)
  set <- list()
  for (file in c(main, drop_ins[order(basename(drop_ins), method = "radix")])) {
    lines <- trimws(tryCatch(readLines(file, warn = FALSE), error = function(e) character(), warning = function(w) character()))
    for (line in grep("^[A-Za-z]+[[:space:]]*=", lines, value = TRUE)) {
      name <- trimws(sub("=.*", "", line))
      set[[name]] <- list(value = trimws(sub("^[^=]*=", "", line)), file = file)
    }
  }
  set
}

#' Whether systemd keeps a user's manager and its scopes after logout
#' @noRd
lingers <- function(root, user) file.exists(file.path(root, "var", "lib", "systemd", "linger", user))
