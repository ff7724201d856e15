#!/usr/bin/env bash
# R CMD build and check of the tarball, with a ready environment: no error, warning, note or skipped test passes.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.build/check
rm -rf "$out" && mkdir -p "$out"
export ESPALIER_STATE_DIR="$PWD/$out/state" ESPALIER_CACHE_DIR="$PWD/$out/cache"
# the check never builds an environment: it gets the one the tests use
export RETICULATE_PYTHON="$PWD/.venv/bin/python"
export ESPALIER_TESTS_NEED_CORE=yes ESPALIER_SOURCE="$PWD" NOT_CRAN=true
# (where it finds no UTF-8 the check asks for en_US, which few machines without a locale have, and warns)
export LC_ALL=C.UTF-8
# what needs 7 GB of memory is tested where they are free
if (( $(awk '/^MemAvailable/ {print $2}' /proc/meminfo 2>/dev/null || echo 0) > 10000000 )); then
  export ESPALIER_BIG_TESTS=yes
else
  echo "The test of vectors beyond 2^31 bytes is left out: it needs 7 GB of free memory."
fi
# no clock service is asked for the time
export _R_CHECK_SYSTEM_CLOCK_=0 _R_CHECK_FORCE_SUGGESTS_=true
top=$PWD
cd "$out"
R CMD build "$top" > build.log 2>&1 || { cat build.log; exit 1; }
R CMD check --no-manual espalier_*.tar.gz > check.log 2>&1 || { tail -60 check.log; cat espalier.Rcheck/tests/*.fail 2>/dev/null | tail -80; exit 1; }
tail -4 check.log
grep -hE '^\[ FAIL' espalier.Rcheck/tests/testthat.Rout
allowed=$([[ -n "${ESPALIER_BIG_TESTS-}" ]] && echo 0 || echo 1)
grep -qE "^\[ FAIL.*SKIP [0-$allowed] " espalier.Rcheck/tests/testthat.Rout || { cat espalier.Rcheck/tests/testthat.Rout; exit 1; }
grep -q '^Status: OK' check.log || { grep -A12 -E '\.\.\. (NOTE|WARNING|ERROR)' check.log; exit 1; }
