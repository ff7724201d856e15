#!/usr/bin/env bash
# Starts what the Docker tests need and prints it as variables; all of it ends with the process PID, here this shell:
#   eval "$(tests/services/up.sh --until $$)"
#   vars <- system2("tests/services/up.sh", c("--until", Sys.getpid()), stdout = TRUE)      # and in R
# With names behind it only these: engine (with the base image), registry, cran, conda, pypi.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${VENV:-$here/../../.venv}/bin/python
[ -x "$python" ] || python=python3
exec "$python" "$here/up.py" "$@"
