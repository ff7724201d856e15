#!/usr/bin/env bash
# Measures espalier beside peers and physical limits, and prints a table for each part and one of all.
# Usage: bench/run.sh [submit|log|startup ...]     (all by default; `make bench` sets R_LIBS)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
out=$here/out
peers=$out/peers
work=$out/work
export BENCH_SAMPLES=$out/samples

# The jobs' queue is the bench's own, so that neither other runs nor other settings slow it down.
export ESPALIER_STATE_DIR=$work/state
export MLFLOW_TRACKING_URI=sqlite:///$work/mlflow.db MLFLOW_DISABLE_TELEMETRY=true MLFLOW_ENABLE_ASYNC_LOGGING=false
export GIT_PYTHON_REFRESH=quiet PYTHONWARNINGS=ignore

install_peers() {
  local wanted="submitit mlflow setuptools<81 pathspec pyyaml"
  [ "$(cat "$peers/.installed" 2>/dev/null)" = "$wanted" ] && return
  echo "Installing the peers (submitit, mlflow) into ${peers#"$root"/}, once"
  rm -rf "$peers"
  "$root/.venv/bin/python" -m venv "$peers"
  # shellcheck disable=SC2086
  "$peers/bin/python" -m pip install --quiet --disable-pip-version-check $wanted 2>"$out/peers.log" ||
    { cat "$out/peers.log"; return 1; }
  echo "$wanted" > "$peers/.installed"
}

prepare_work() {
  rm -rf "$work"
  mkdir -p "$work" "$BENCH_SAMPLES"
  cp -r "$here/project" "$work/project"
  git -C "$work/project" init -q
  git -C "$work/project" add .
  git -C "$work/project" -c user.name=bench -c user.email=bench@localhost commit -q -m bench
}

# The core as Python users get it: from the source tree, with the peers beside it.
# What the jobs of the peers print is no part of the tables.
measure_py() { PYTHONPATH=$root/python-core/src "$peers/bin/python" "$here/$1.py" "$work" >"$out/$1.py.log"; }
measure_r() { Rscript "$here/$1.R" "$work" >"$out/$1.R.log"; }

measure() {
  rm -f "$BENCH_SAMPLES/$1".*
  case $1 in
    submit) measure_r submit; measure_py submit ;;
    log) measure_py log; measure_r log ;;
    startup) measure_py startup ;;
    *) echo "There is no part $1: submit, log, startup." >&2; return 2 ;;
  esac
  "$peers/bin/python" "$here/report.py" "$1"
}

[ $# -gt 0 ] || set -- submit log startup
mkdir -p "$out"
install_peers
for part in "$@"; do
  prepare_work
  measure "$part"
done
"$peers/bin/python" "$here/report.py" "$@" --summary
