#!/usr/bin/env bash
# A Docker engine to test with. Usage: engine.sh start|stop|install
# start: uses the engine that answers, else installs and starts one (root only); prints `running` or `started`.
# stop: ends the engine that `start` started, and no other, unless another process still uses it: users hold a shared
# lock of the file `engine.users` from before `start` until before `stop`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$here/../.." && pwd)/.build/services
pid_file=$build/dockerd.pid
log=$build/dockerd.log

say() { echo "engine: $*" >&2; }
answers() { command -v docker >/dev/null && timeout 20 docker info >/dev/null 2>&1; }

# What is missing of the Debian packages that the services are made of
missing() {
  local pair
  for pair in dockerd:docker.io docker:docker.io iptables:iptables docker-registry:docker-registry mmdebstrap:mmdebstrap; do
    command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
  done | sort -u
}

install() {
  local lacking as_root=(env DEBIAN_FRONTEND=noninteractive)
  export PATH=$PATH:/usr/sbin:/sbin
  mapfile -t lacking < <(missing)
  [ ${#lacking[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    { command -v sudo && sudo -n true; } >/dev/null 2>&1 || { say "as root, apt-get install ${lacking[*]}"; return 1; }
    as_root=(sudo -n "${as_root[@]}")
  fi
  command -v apt-get >/dev/null || { say "${lacking[*]} is missing, and there is no apt-get here"; return 1; }
  say "installing ${lacking[*]}"
  # (its output is kept for the one case in which somebody needs it)
  mkdir -p "$build"
  { "${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=600 update &&
    "${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${lacking[@]}"
  } >"$build/apt.log" 2>&1 || { tail -n 20 "$build/apt.log" >&2; return 1; }
}

start() {
  mkdir -p "$build"
  exec 9>"$build/engine.lock"
  flock 9
  install
  if answers; then echo running; return 0; fi
  [ -z "${DOCKER_HOST:-}" ] || { say "nothing answers at DOCKER_HOST=$DOCKER_HOST"; return 1; }
  [ "$(id -u)" = 0 ] || { say "none is running, and only root can start one"; return 1; }
  # (in a session of its own, so that Ctrl-C in the tests does not end it before them)
  setsid dockerd --pidfile "$pid_file" >"$log" 2>&1 9>&- </dev/null &
  local i daemon=$!
  for ((i = 0; i < 150; i++)); do
    if answers; then say "started, its log is ${log#"$PWD"/}"; echo started; return 0; fi
    kill -0 "$daemon" 2>/dev/null || break
    sleep 0.2
  done
  tail -n 20 "$log" >&2
  say "it did not start"
  return 1
}

# The process of the pid file, if it is a dockerd of ours
started() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "--pidfile $pid_file" && echo "$pid"
}

stop() {
  local pid i
  mkdir -p "$build"
  # (a start waits for this end: an engine that is about to end still answers)
  exec 9>"$build/engine.lock" 8>"$build/engine.users"
  flock 9
  flock --nonblock 8 || { say "still in use"; return 0; }
  pid=$(started) || return 0
  kill -TERM "$pid"
  for ((i = 0; i < 150; i++)); do
    started >/dev/null || { say "stopped"; return 0; }
    sleep 0.2
  done
  kill -KILL "$pid"
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  install) install ;;
  *) echo "Usage: engine.sh start|stop|install" >&2; exit 2 ;;
esac
