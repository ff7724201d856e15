# Loading starts no Python and loads no other package: a job's library(espalier) must cost milliseconds.

.onUnload <- function(libpath) {
  # Python cannot be unloaded; forgetting the callable is all there is to do.
  bridge_forget()
  road_forget()
}
