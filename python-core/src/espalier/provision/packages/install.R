# Fills a library with R packages: each from the cache, or else installed from its source.
#
#   Rscript --vanilla install.R PLAN LIBRARY CACHE SOURCES MADE [CPUS [USERS]]
#
# The one installer of private libraries and of images. Base R 3.6 or later and nothing else; provision/packages/r_install.py writes
# PLAN, a DCF file, in an order in which the packages can be installed. CACHE is only read. What is installed is left in
# MADE, below its key, for who puts it into the cache (provision/packages/r_install.py); it gets its name there by one rename.
#
# With USERS, in a container, each package's scripts run as a user of their own, who can change nothing of another
# package. Where that can't be had they run as root, and nothing is left in MADE.

say <- function(...) {
  cat(..., "\n", sep = "")
  flush(stdout())
}

read_plan <- function(path) {
  fields <- c("Package", "Version", "Source", "Key", "Needs", "UnlessRHas")
  plan <- as.data.frame(read.dcf(path, fields = fields), stringsAsFactors = FALSE)
  plan$Needs <- lapply(plan$Needs, function(text) if (is.na(text)) character() else strsplit(text, "[ ,]+")[[1]])
  plan
}

# Whether R itself has the package, in a version that will do.
r_has <- function(package, at_least) {
  description <- file.path(.Library, package, "DESCRIPTION")
  if (is.na(at_least) || !file.exists(description)) return(FALSE)
  numeric_version(read.dcf(description, "Version")[[1]]) >= numeric_version(at_least)
}

# A folder's files again, as hard links where the file system has them, which costs neither time nor space.
link_tree <- function(from, to) {
  unlink(to, recursive = TRUE)
  all <- list.files(from, all.files = TRUE, recursive = TRUE, include.dirs = TRUE, no.. = TRUE)
  folders <- all[dir.exists(file.path(from, all))]
  for (folder in c("", sort(folders))) dir.create(file.path(to, folder), showWarnings = FALSE, recursive = TRUE)
  files <- setdiff(all, folders)
  linked <- suppressWarnings(file.link(file.path(from, files), file.path(to, files)))
  if (!all(linked)) {
    copied <- file.copy(file.path(from, files[!linked]), file.path(to, files[!linked]), copy.mode = TRUE)
    if (!all(copied)) stop("cannot write into ", dirname(to), call. = FALSE)
  }
}

# Nobody who writes into a library by mistake shall change what others share.
write_protect <- function(folder) {
  files <- list.files(folder, all.files = TRUE, recursive = TRUE, full.names = TRUE, no.. = TRUE)
  mode <- file.mode(files)
  for (one in unique(mode)) Sys.chmod(files[mode == one], bitwAnd(one, strtoi("555", 8L)), use_umask = FALSE)
}

# Whether programs can be started as another user.
can_change_user <- function() {
  nzchar(Sys.which("chroot")) && system("chroot --userspec=20000:20000 / true >/dev/null 2>&1", ignore.stdout = TRUE) == 0
}

# Ends all that a user runs, and gives what it made to root.
take_from <- function(user, folder) {
  for (file in Sys.glob("/proc/[0-9]*/status")) {
    lines <- suppressWarnings(tryCatch(readLines(file), error = function(e) character()))
    if (any(grepl(paste0("^Uid:\\s+", user, "\\s"), lines))) tools::pskill(as.integer(basename(dirname(file))), 9L)
  }
  system(paste("chown -Rh 0:0", shQuote(folder)))
}

# Starts `R CMD INSTALL` of one package; its exit status appears in a file of its own.
start <- function(package, source, library, into, make_jobs, user = NA) {
  log <- tempfile(paste0(package, "-"))
  file.create(log)
  as_user <- ""
  if (!is.na(user)) {
    home <- tempfile("home-")
    dir.create(home)
    file.copy(source, home)
    source <- file.path(home, basename(source))
    system(paste("chown -R", paste0(user, ":", user), shQuote(home), if (into != library) shQuote(into)))
    as_user <- paste0("chroot --userspec=", user, ":", user, " --groups= / env HOME=", home, " TMPDIR=", home, " ")
  }
  options <- c("--no-docs", "--no-multiarch", paste0("--library=", into))
  command <- paste(
    "(exec </dev/null; cd /;", as_user, shQuote(file.path(R.home("bin"), "R")), "CMD INSTALL", paste(shQuote(options), collapse = " "),
    shQuote(source), ">", shQuote(log), "2>&1; echo $? >", shQuote(paste0(log, ".new")), ";",
    "mv", shQuote(paste0(log, ".new")), shQuote(paste0(log, ".status")), ")"
  )
  Sys.setenv(MAKEFLAGS = paste0("-j", make_jobs))
  system(command, wait = FALSE)
  list(package = package, into = into, log = log, shown = 0, user = user)
}

# What else is installed on the host is not seen, so that packages depend on nothing outside of the plan. (In a file
# too: Debian's Renviron.site sets variables of its own, and this one is read after it.)
see_only <- function(library) {
  seen <- c(R_LIBS = library, R_LIBS_USER = "NULL", R_LIBS_SITE = file.path(library, "none"))
  file <- tempfile("Renviron")
  writeLines(paste0(names(seen), "='", seen, "'"), file)
  do.call(Sys.setenv, as.list(c(seen, R_ENVIRON_USER = file)))
}

status_of <- function(job) {
  file <- paste0(job$log, ".status")
  if (file.exists(file)) scan(file, quiet = TRUE) else NA
}

# Passes on what a job has said since it was last asked.
show <- function(job) {
  size <- file.size(job$log)
  if (!is.na(size) && size > job$shown) {
    file <- file(job$log, "rb")
    on.exit(close(file))
    seek(file, job$shown)
    bytes <- readBin(file, "raw", size - job$shown)
    cat(rawToChar(bytes[bytes != as.raw(0)]))
    flush(stdout())
    job$shown <- size
  }
  job
}

# Leaves an installed package for who puts it into the cache.
keep <- function(job, key, made) {
  write_protect(file.path(job$into, job$package))
  final <- file.path(made, key)
  if (!file.rename(job$into, final)) stop("cannot write into ", made, call. = FALSE)
  final
}

is_staged <- function(job) {
  field <- read.dcf(file.path(job$into, job$package, "DESCRIPTION"), "StagedInstall")[[1]]
  is.na(field) || !tolower(field) %in% c("no", "false")
}

failed <- function(package, version, log) {
  tail_of <- utils::tail(readLines(log, warn = FALSE), 40)
  say("")
  say("espalier: could not install ", package, " ", version)
  writeLines(tail_of)
  quit(save = "no", status = 1)
}

main <- function(plan_file, library, cache, sources, made, cpus = "1", users = "") {
  plan <- read_plan(plan_file)
  cpus <- max(1L, as.integer(cpus))
  dir.create(library, showWarnings = FALSE, recursive = TRUE)
  library <- normalizePath(library)
  dir.create(made, showWarnings = FALSE, recursive = TRUE)
  made <- normalizePath(made)
  see_only(library)
  alone <- nzchar(users) && can_change_user()
  keeps <- alone || !nzchar(users)
  into_folder <- if (keeps) made else tempdir()
  if (alone) Sys.chmod(tempdir(), "0755", use_umask = FALSE)
  rows <- seq_len(nrow(plan))
  state <- rep("waiting", nrow(plan))
  names(state) <- plan$Package
  jobs <- list()
  in_place <- character()
  begun <- 0L

  progress <- function(row, what) {
    begun <<- begun + 1L
    say(sprintf("[%d/%d] %s %s: %s", begun, nrow(plan), plan$Package[row], plan$Version[row], what))
  }
  user_of <- function(row) if (alone) 20000L + row else NA
  begin <- function(row, is_last) {
    package <- plan$Package[row]
    cached <- file.path(cache, plan$Key[row], package)
    if (r_has(package, plan$UnlessRHas[row])) {
      progress(row, "comes with R")
    } else if (dir.exists(cached)) {
      progress(row, "found in the cache")
      link_tree(cached, file.path(library, package))
    } else {
      progress(row, "installing")
      into <- tempfile(".tmp-", into_folder)
      dir.create(into)
      jobs[[package]] <<- start(
        package, file.path(sources, plan$Source[row]), library, into, if (is_last) cpus else 1L, user_of(row)
      )
      state[row] <<- "running"
      return()
    }
    state[row] <<- "done"
  }
  end <- function(job, status) {
    row <- match(job$package, plan$Package)
    show(job)
    if (!is.na(job$user)) take_from(job$user, if (job$into == library) file.path(library, job$package) else job$into)
    if (status != 0 || !dir.exists(file.path(job$into, job$package))) {
      for (one in jobs) unlink(one$into, recursive = TRUE)
      failed(job$package, plan$Version[row], job$log)
    }
    if (job$into == library) {
      Sys.chmod(library, "0755", use_umask = FALSE)
      unlink(file.path(library, setdiff(list.files(library), plan$Package[state != "waiting"])), recursive = TRUE)
      state[row] <<- "done"
    } else if (is_staged(job)) {
      from <- if (keeps) keep(job, plan$Key[row], made) else job$into
      link_tree(file.path(from, job$package), file.path(library, job$package))
      state[row] <<- "done"
    } else { # it has the path in it where it was installed, and must be installed where it is to be
      unlink(job$into, recursive = TRUE)
      in_place <<- c(in_place, job$package)
    }
    jobs[[job$package]] <<- NULL
  }

  # (alone, because the library is open meanwhile for the user whose package it is)
  begin_in_place <- function(package) {
    row <- match(package, plan$Package)
    if (alone) Sys.chmod(library, "1777", use_umask = FALSE)
    jobs[[package]] <<- start(package, file.path(sources, plan$Source[row]), library, library, 1L, user_of(row))
    in_place <<- setdiff(in_place, package)
  }

  while (any(state != "done")) {
    if (length(in_place) && !length(jobs)) begin_in_place(in_place[[1]])
    is_open <- length(in_place) || any(vapply(jobs, function(job) job$into == library, NA))
    ready <- rows[state == "waiting" & vapply(plan$Needs, function(needs) all(state[needs] == "done"), NA)]
    for (row in ready) if (!is_open && length(jobs) < cpus) begin(row, is_last = length(ready) == 1 && length(jobs) == 0)
    if (length(jobs) > 0) {
      jobs[[1]] <- show(jobs[[1]]) # one after another, so that lines of two do not mix
      Sys.sleep(0.02)
      for (job in jobs) if (!is.na(status <- status_of(job))) end(job, status)
    } else if (length(ready) == 0 && !is_open && any(state != "done")) {
      stop("the plan's packages need each other: ", paste(plan$Package[state != "done"], collapse = ", "), call. = FALSE)
    }
  }
  say("espalier: ", nrow(plan), " packages are in ", library)
}

do.call(main, as.list(commandArgs(trailingOnly = TRUE)))
