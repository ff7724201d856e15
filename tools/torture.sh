#!/usr/bin/env bash
# The compiled code where it hurts: garbage collected in the middle of everything, and, where the compiler has them,
# the sanitizers of addresses and undefined behaviour, over the table of cases and over damaged structs.
#   tools/torture.sh [STEP]    a collection at every STEP-th allocation (17: under a minute; 1: six minutes)
#   MUTANTS=100000             more damaged structs (2,000 take three seconds; each day begins 1,000 seeds further on)
#   VALGRIND=yes               the table of cases under valgrind too (some minutes)
set -euo pipefail
cd "$(dirname "$0")/.."
step=${1:-17}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkdir "$out/plain" "$out/checked"
export R_DEFAULT_PACKAGES=utils,methods,datasets,stats
cc=$(R CMD config CC)
include=$(R CMD config --cppflags)

build() {
  local library=$1
  shift
  $cc -std=gnu11 -shared -fPIC -g $include "$@" src/*.c -o "$library" -lm
}

sanitizers() {
  asan=$($cc -print-file-name=libasan.so) && [ -e "$asan" ] &&
    build "$out/checked/espalier.so" -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined 2>"$out/build.log"
}

build "$out/plain/espalier.so" -O2
Rscript --vanilla tools/torture.R "$out/plain/espalier.so" "$step"
if sanitizers; then
  # (R frees nothing at its end, which is no leak)
  checked=(env "LD_PRELOAD=$asan" ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 UBSAN_OPTIONS=print_stacktrace=1)
  "${checked[@]}" Rscript --vanilla tools/torture.R "$out/checked/espalier.so" 0
  "${checked[@]}" RETICULATE_PYTHON=.venv/bin/python Rscript --vanilla tools/mutants.R "$out/checked/espalier.so" \
    "${MUTANTS:-2000}"
else
  echo "No sanitizers here: $(head -1 "$out/build.log" 2>/dev/null || echo "$cc has none")"
fi
if [ "${VALGRIND:-}" = yes ]; then
  R --vanilla -q -d "valgrind -q --error-exitcode=9" -f tools/torture.R \
    --args "$out/plain/espalier.so" 0
fi
