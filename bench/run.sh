#!/usr/bin/env bash
# Measures espalier beside peers and physical limits, and prints a table for each part and one of all.
# Usage: bench/run.sh [first|submit|log|startup|calls|metrics|parts|queue|batch|runner|frames|snapshot|walk|index|cli|environments|private|containers ...]     (all by default; `make bench` sets R_LIBS)
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

# install NAME REQUIREMENT...: an environment of its own, made once
install() {
  local folder=$out/$1
  shift
  [ "$(cat "$folder/.installed" 2>/dev/null)" = "$*" ] && return
  echo "Installing $* into ${folder#"$root"/}, once"
  rm -rf "$folder"
  "$root/.venv/bin/python" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@" 2>"$out/install.log" ||
    { cat "$out/install.log"; return 1; }
  echo "$*" > "$folder/.installed"
}
install_peers() { install peers submitit mlflow "setuptools<81" pathspec pyyaml; }
# (the newest that reticulate 1.28 understands)
install_frames() { install frames "numpy<2" "pandas<3" "pyarrow<18" pathspec pyyaml; }
install_environments() { install environments "docker>=6.1" cryptography pyyaml; }
# (anew when the scanner's source is another)
install_snapshot() {
  local native=$root/python-core/native
  local seen
  seen=$(cat "$native"/*.t* "$native"/src/* | cksum)
  [ "$(cat "$out/snapshot/.scanner" 2>/dev/null)" = "$seen" ] || rm -rf "$out/snapshot"
  install snapshot pyyaml "$native"
  echo "$seen" > "$out/snapshot/.scanner"
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
measure_r() { Rscript "$here/$1.R" "$work" "${@:2}" >"$out/$1.R.log" 2>&1 || { tail "$out/$1.R.log"; return 1; }; }
# Beside what there is of the peers, and with the scanner of this source
measure_snapshot() {
  local tool
  for tool in restic zip git b3sum; do
    command -v "$tool" >/dev/null || echo "$tool is not installed, and not among the peers"
  done
  trap 'rm -rf "$work/trees"' EXIT
  "$out/snapshot/bin/python" "$here/trees.py" "$work/trees"
  PYTHONPATH=$root/python-core/src "$out/snapshot/bin/python" "$here/snapshot.py" "$work" >"$out/snapshot.py.log"
  RETICULATE_PYTHON=$out/snapshot/bin/python measure_r snapshot
  rm -rf "$work/trees"
}
measure_walk() {
  PYTHONPATH=$root/python-core/src "$out/snapshot/bin/python" "$here/walk.py" "$work" >"$out/walk.py.log"
}
# BENCH_RUNS=100000 for the figures that are promised
measure_index() {
  PYTHONPATH=$root/python-core/src "$peers/bin/python" "$here/index.py" "$work" "${BENCH_RUNS:-5000}" >"$out/index.py.log"
  PYTHONPATH=$root/python-core/src "$peers/bin/python" "$here/search.py" "$work" >"$out/search.py.log"
  RETICULATE_PYTHON=$peers/bin/python ESPALIER_CACHE_DIR=$work/cache measure_r index
}
# As users have it, installed; anew each time, because its source may be another
measure_cli() {
  install cli "click>=8.1" "jmespath>=1.0" "pyyaml>=5.4"
  "$out/cli/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$root/python-core"
  install cli-peers dvc metaflow
  PYTHONPATH=$root/python-core/src "$peers/bin/python" "$here/cli.py" "$work" "$out/cli/bin" "$peers/bin" "$out/cli-peers/bin" \
    >"$out/cli.py.log"
}
# With an engine; images that are there already are found, and what is built goes afterwards
measure_environments() (
  # (a shell of its own, with which the services end)
  own=$BASHPID
  services=$(VENV=$root/.venv "$root/tests/services/up.sh" --until "$own" engine) || exit 1
  eval "$services"
  before=$(docker images -q espalier/env espalier/stage)
  export ESPALIER_CACHE_DIR=$work/cache
  PYTHONPATH=$root/python-core/src:$root/tests/services "$out/environments/bin/python" "$here/environments.py" "$work" \
    >"$out/environments.py.log"
  RETICULATE_PYTHON=$out/environments/bin/python measure_r environments
  docker images -q espalier/env espalier/stage | grep -vxF "${before:-none}" | sort -u | xargs -r docker rmi -f >/dev/null
)
# Without an engine, from the machine's own Python index
measure_private() {
  ESPALIER_UV=$root/.venv/bin/uv PYTHONPATH=$root/python-core/src "$out/environments/bin/python" \
    "$here/environments_private.py" "$work"
}
measure_containers() (
  own=$BASHPID
  services=$(VENV=$root/.venv "$root/tests/services/up.sh" --until "$own" engine) || exit 1
  eval "$services"
  export ESPALIER_CACHE_DIR=$work/cache
  PYTHONPATH=$root/python-core/src "$out/environments/bin/python" "$here/containers.py" "$work" >"$out/containers.py.log"
)
# In R with an environment that has pandas, for reticulate
measure_frames() { RETICULATE_PYTHON=$out/frames/bin/python measure_r "$@"; }

measure() {
  rm -f "$BENCH_SAMPLES/$1".*
  case $1 in
    first) measure_r first_call ;;
    submit) measure_r submit; measure_py submit ;;
    log) measure_py log; measure_r log ;;
    startup) measure_py startup ;;
    calls) measure_r calls ;;
    metrics) measure_frames metrics ;;
    parts) measure_r parts ;;
    queue) measure_py drain ;;
    batch) measure_py batch ;;
    runner) measure_py runner ;;
    frames)
      cp "$here/strings.c" "$work"
      (cd "$work" && R CMD SHLIB strings.c >"$out/strings.log" 2>&1) || { cat "$out/strings.log"; return 1; }
      for kind in double integer few many factor time mixed ids iris wide; do measure_frames frames "$kind"; done ;;
    snapshot) measure_snapshot ;;
    walk) measure_walk ;;
    index) measure_index ;;
    cli) measure_cli ;;
    environments) measure_environments ;;
    private) measure_private ;;
    containers) measure_containers ;;
    *) echo "There is no part $1: first, submit, log, startup, calls, metrics, parts, queue, batch, runner, frames, snapshot, walk, index, cli, environments, private, containers." >&2; return 2 ;;
  esac
  "$peers/bin/python" "$here/report.py" "$1"
}

[ $# -gt 0 ] || set -- first submit log startup calls metrics parts queue batch runner frames snapshot walk index cli environments private containers
mkdir -p "$out"
install_peers
install_frames
install_snapshot
install_environments
for part in "$@"; do
  prepare_work
  measure "$part"
done
"$peers/bin/python" "$here/report.py" "$@" --summary
