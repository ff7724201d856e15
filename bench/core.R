# A class of Python that R reaches as it reaches the core's: by the same call, with converters as they are generated.

core_class <- function(file, name) {
  ours <- asNamespace("espalier")
  ours$bridge_callable()
  reticulate::py_run_string(sprintf("exec(open(%s, encoding='utf-8').read(), {})", shQuote(normalizePath(file))))
  call <- function(method, decode, ...) ours$core_call(name, method, NULL, ours$args_json(list(...)), decode)
  list(
    keep = function(x) call("keep", ours$result_none, x = ours$arg_data(x, "x")),
    look = function(x) call("look", ours$result_none, x = ours$arg_data(x, "x")),
    give = function() call("give", ours$result_data),
    copy = function(bytes) call("copy", ours$result_number, size = ours$arg_number(bytes, "bytes")),
    keep_python = function(x) reticulate::import(name, convert = FALSE)$keep(x),
    by_parquet = function(path) call("by_parquet", ours$result_none, path = ours$arg_string(path, "path"))
  )
}
