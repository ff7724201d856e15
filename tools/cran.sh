#!/usr/bin/env bash
# R CMD build and check of the tarball, with a ready environment: no error, warning, note or skipped test passes.
# Of the tests, which `make test-r` has run, those are repeated that look at the package as it is installed and at a
# Python that the user has chosen; and of the vignettes, which the build makes and the tests look at here, none is made
# again.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.build/check
rm -rf "$out" && mkdir -p "$out"
bash tools/copy_tree.sh "$out/espalier"
# (the pages for a plain installation: the build renders its own)
rm -rf "$out/espalier/inst/doc"
export ESPALIER_STATE_DIR="$PWD/$out/state" ESPALIER_CACHE_DIR="$PWD/$out/cache"
# the check never builds an environment: it gets the one the tests use
export R_USER_DATA_DIR="$PWD/.build/data" ESPALIER_INSTALL=yes
export RETICULATE_PYTHON="$PWD/.venv/bin/python"
export ESPALIER_TESTS_NEED_CORE=yes ESPALIER_SOURCE="$PWD" NOT_CRAN=true
export ESPALIER_TESTS_ONLY='^(bridge|calls|config-env|exports|journey|keep|python|session|sitrep|vignettes)'
# (where it finds no UTF-8 the check asks for en_US, which few machines without a locale have, and warns)
export LC_ALL=C.UTF-8
# (5 MB is where the check begins to note the size; the core's sources are 3.3 MB of 5.5)
export _R_CHECK_PKG_SIZES_THRESHOLD_=6
# no clock service is asked for the time
export _R_CHECK_SYSTEM_CLOCK_=0 _R_CHECK_FORCE_SUGGESTS_=true
# As with --as-cran, which itself needs CRAN.
export _R_CHECK_CONNECTIONS_LEFT_OPEN_=true _R_CHECK_RD_LINE_WIDTHS_=true _R_CHECK_TOPLEVEL_FILES_=true
cd "$out"
# (byte code is what most of an installation's time goes to, and neither vignettes nor tests need it)
R_COMPILE_PKGS=0 R CMD build espalier > build.log 2>&1 || { cat build.log; exit 1; }
# The tarball holds what an installation and its tests need.
needed='(DESCRIPTION|NAMESPACE|LICENSE|NEWS[.]md|cleanup|configure|configure[.]win|tests/testthat[.]R|tools/stage_core[.]R)'
folders='(R|build|demo|inst|man|src|tests/testthat|tools/python-core|vignettes)/.*'
unneeded=$(tar tf espalier_*.tar.gz | grep -vE "^espalier/($needed|$folders|tests/|tools/|)$" || true)
[ -z "$unneeded" ] || { printf 'In the tarball, and not needed there:\n%s\n' "$unneeded"; exit 1; }
R CMD check --no-manual --no-vignettes --install-args=--no-byte-compile espalier_*.tar.gz > check.log 2>&1 || { tail -60 check.log; cat espalier.Rcheck/tests/*.fail 2>/dev/null | tail -80; exit 1; }
tail -4 check.log
grep -hE '^\[ FAIL' espalier.Rcheck/tests/testthat.Rout
grep -q "^\[ FAIL.*SKIP 0 " espalier.Rcheck/tests/testthat.Rout || { cat espalier.Rcheck/tests/testthat.Rout; exit 1; }
grep -q '^Status: OK' check.log || { grep -A12 -E '\.\.\. (NOTE|WARNING|ERROR)' check.log; exit 1; }
