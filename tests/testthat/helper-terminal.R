# An interactive R on a terminal of its own, as somebody sits before it.

# `seen()` is all that the terminal got so far; nothing here waits, and R ends with the test.
r_terminal <- function(env = parent.frame()) {
  testthat::skip_on_os("windows")
  testthat::skip_if_not_installed("processx")
  process <- processx::process$new(
    file.path(R.home("bin"), "R"), c("--vanilla", "--no-readline", "--quiet"), pty = TRUE,
    pty_options = list(echo = FALSE, rows = 50L, cols = 100L),
    # (without colours: then every escape sequence that is seen came from a job)
    env = c("current", R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep), R_TESTS = "", TERM = "xterm",
            NO_COLOR = "true")
  )
  withr::defer(process$kill_tree(), envir = env)
  seen <- ""
  list(
    seen = function() {
      repeat {
        process$poll_io(0L)
        more <- process$read_output()
        # cli shows the cursor again whenever R is back at its prompt
        if (!nzchar(more)) return(gsub("\033[?25h", "", seen, fixed = TRUE))
        seen <<- paste0(seen, more)
      }
    },
    type = function(...) process$write_input(paste0(..., "\n")),
    press_ctrl_c = function() process$write_input("\003")
  )
}

# The lines a terminal shows in the end: what follows a \r is written over what is there.
screen_of <- function(text) {
  lines <- strsplit(gsub("\r+\n", "\n", text), "\n", fixed = TRUE)[[1L]]
  vapply(strsplit(lines, "\r", fixed = TRUE), function(parts) {
    shown <- ""
    for (part in parts) shown <- paste0(part, substring(shown, nchar(part) + 1L))
    sub(" +$", "", shown)
  }, "")
}

count_of <- function(pattern, text) sum(gregexpr(pattern, text, perl = TRUE)[[1L]] > 0L)
