# Fills a library with R packages: each from the cache, or else installed from its source into the cache.
#
#   Rscript --vanilla install.R PLAN LIBRARY CACHE SOURCES [CPUS]
#
# The one installer of private libraries and of images. Base R 3.6 or later and nothing else; packages/plan.py writes
# PLAN, a DCF file, in an order in which the packages can be installed. A package in the cache is whole: it gets its
# name there by one rename. What is left of an installation that was killed is a `.tmp-` folder, which nobody uses.

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

# Starts `R CMD INSTALL` of one package; its exit status appears in a file of its own.
start <- function(package, source, library, into, make_jobs) {
  log <- tempfile(paste0(package, "-"))
  file.create(log)
  options <- c("--no-docs", "--no-multiarch", paste0("--library=", into))
  command <- paste(
    "(exec </dev/null;", shQuote(file.path(R.home("bin"), "R")), "CMD INSTALL", paste(shQuote(options), collapse = " "),
    shQuote(source), ">", shQuote(log), "2>&1; echo $? >", shQuote(paste0(log, ".new")), ";",
    "mv", shQuote(paste0(log, ".new")), shQuote(paste0(log, ".status")), ")"
  )
  Sys.setenv(MAKEFLAGS = paste0("-j", make_jobs))
  system(command, wait = FALSE)
  list(package = package, into = into, log = log, shown = 0)
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

# Puts an installed package where the cache keeps it.
keep <- function(job, key, cache) {
  write_protect(file.path(job$into, job$package))
  final <- file.path(cache, key)
  if (!suppressWarnings(file.rename(job$into, final))) unlink(job$into, recursive = TRUE) # another was faster
  if (!dir.exists(file.path(final, job$package))) stop("cannot write into ", cache, call. = FALSE)
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

main <- function(plan_file, library, cache, sources, cpus = "1") {
  plan <- read_plan(plan_file)
  cpus <- max(1L, as.integer(cpus))
  dir.create(library, showWarnings = FALSE, recursive = TRUE)
  dir.create(cache, showWarnings = FALSE, recursive = TRUE)
  library <- normalizePath(library)
  cache <- normalizePath(cache)
  see_only(library)
  rows <- seq_len(nrow(plan))
  state <- rep("waiting", nrow(plan))
  names(state) <- plan$Package
  jobs <- list()
  begun <- 0L

  progress <- function(row, what) {
    begun <<- begun + 1L
    say(sprintf("[%d/%d] %s %s: %s", begun, nrow(plan), plan$Package[row], plan$Version[row], what))
  }
  begin <- function(row, alone) {
    package <- plan$Package[row]
    cached <- file.path(cache, plan$Key[row], package)
    if (r_has(package, plan$UnlessRHas[row])) {
      progress(row, "comes with R")
    } else if (dir.exists(cached)) {
      progress(row, "found in the cache")
      link_tree(cached, file.path(library, package))
    } else {
      progress(row, "installing")
      into <- tempfile(".tmp-", cache)
      dir.create(into)
      jobs[[package]] <<- start(package, file.path(sources, plan$Source[row]), library, into, if (alone) cpus else 1L)
      state[row] <<- "running"
      return()
    }
    state[row] <<- "done"
  }
  end <- function(job, status) {
    row <- match(job$package, plan$Package)
    show(job)
    if (status != 0 || !dir.exists(file.path(job$into, job$package))) {
      for (one in jobs) unlink(one$into, recursive = TRUE)
      failed(job$package, plan$Version[row], job$log)
    }
    if (job$into == library) {
      state[row] <<- "done"
    } else if (is_staged(job)) {
      keep(job, plan$Key[row], cache)
      link_tree(file.path(cache, plan$Key[row], job$package), file.path(library, job$package))
      state[row] <<- "done"
    } else { # it has the path in it where it was installed, and must be installed where it is to be
      unlink(job$into, recursive = TRUE)
      jobs[[job$package]] <<- start(job$package, file.path(sources, plan$Source[row]), library, library, 1L)
      return()
    }
    jobs[[job$package]] <<- NULL
  }

  while (any(state != "done")) {
    ready <- rows[state == "waiting" & vapply(plan$Needs, function(needs) all(state[needs] == "done"), NA)]
    for (row in ready) if (length(jobs) < cpus) begin(row, alone = length(ready) == 1 && length(jobs) == 0)
    if (length(jobs) > 0) {
      jobs[[1]] <- show(jobs[[1]]) # one after another, so that lines of two do not mix
      Sys.sleep(0.02)
      for (job in jobs) if (!is.na(status <- status_of(job))) end(job, status)
    } else if (length(ready) == 0 && any(state != "done")) {
      stop("the plan's packages need each other: ", paste(plan$Package[state != "done"], collapse = ", "), call. = FALSE)
    }
  }
  say("espalier: ", nrow(plan), " packages are in ", library)
}

do.call(main, as.list(commandArgs(trailingOnly = TRUE)))
