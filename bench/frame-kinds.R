# The frames that are measured.

rows <- 1e6L

columns <- function(make) stats::setNames(as.data.frame(lapply(1:10, function(i) make())), paste0("c", 1:10))

# A tenth of it missing
with_na <- function(x) {
  x[sample.int(rows, rows / 10L)] <- NA
  x
}

kinds <- list(
  double = function() stats::runif(rows),
  integer = function() sample.int(1000L, rows, TRUE),
  factor = function() factor(sample(letters, rows, TRUE)),
  time = function() .POSIXct(1.6e9 + trunc(stats::runif(rows) * 1e6), tz = "UTC"),
  few = function() sample(sprintf("value %02d", 1:50), rows, TRUE),
  words = function() sample(sprintf("word %05d", 1:10000), rows, TRUE),
  many = function() paste0("id", sample.int(1e8L, rows))
)

# Ten kinds; `text` makes the other column of strings.
mixed <- function(text) {
  data.frame(
    double = kinds$double(), double_na = with_na(kinds$double()), integer = kinds$integer(),
    integer_na = with_na(kinds$integer()), logical_na = with_na(sample(c(TRUE, FALSE), rows, TRUE)),
    few = kinds$few(), text = text(), factor = kinds$factor(), time = kinds$time(),
    date = as.Date("2020-01-01") + sample.int(1000L, rows, TRUE)
  )
}

frame_of <- function(kind) {
  set.seed(1)
  switch(kind,
    mixed = mixed(kinds$words),
    ids = mixed(kinds$many),
    iris = datasets::iris,
    wide = as.data.frame(matrix(stats::runif(1e5), 10L)),
    columns(kinds[[kind]])
  )
}

# What a plain copy would have to move: numbers as R has them; of text 4 bytes and its characters, as Arrow has it.
bytes_of <- function(frame) {
  sum(vapply(frame, function(x) {
    if (is.character(x)) sum(nchar(x, "bytes"), na.rm = TRUE) + 4 * length(x) else
      length(x) * if (is.double(x)) 8 else 4
  }, 0))
}
