# The trivial job: what is measured is everything around it.
cat("done\n")
