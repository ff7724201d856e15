"""INT for R in a container, whose init and shell would not pass it on. Standard library only."""

import contextlib
from typing import Optional

from espalier.adapters.engine import Engine, EngineError, EngineGone

# Prints `R` if there is any. R that waits for a program ignores INT, so that program is ended first.
_SCRIPT = """
for p in /proc/[0-9]*; do
  read -r name < "$p/comm" && [ "$name" = R ] && r="$r ${p#/proc/}"
done 2>/dev/null
[ "$r" ] || exit 0
echo R
for round in 1 2 3 4 5 6 7 8 9 10; do
  later=
  for pid in $r; do
    ignored=
    while read -r key value; do [ "$key" = SigIgn: ] && ignored=$value; done < /proc/$pid/status
    case $ignored in
      *[2367abef]) later="$later $pid" ;;
      ?*) kill -INT $pid ;;
    esac
  done 2>/dev/null
  r=$later
  [ "$r" ] || exit 0
  for p in /proc/[0-9]*; do
    while read -r key value; do
      [ "$key" = PPid: ] && case "$r " in *" $value "*) kill ${p#/proc/} ;; esac
    done < "$p/status"
  done 2>/dev/null
  sleep 0.1
done
"""


def interrupt_r(engine: Engine, container: str) -> bool:
    """Send INT to every R in a container, without waiting for what becomes of it.

    Returns:
        Whether there is any. False too where the container has no shell.
    """
    try:
        stream = engine.execute(container, ["/bin/sh", "-c", _SCRIPT])
        with contextlib.closing(stream):
            said: Optional[bytes] = b""
            while said == b"":  # a piece may be empty, and None is the end
                said = stream.read()
            return said is not None and said.startswith(b"R\n")
    except (EngineError, EngineGone):
        return False
