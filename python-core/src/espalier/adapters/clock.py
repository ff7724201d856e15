"""Time that has passed, whatever the wall clock was set to meanwhile. Standard library only."""

import time
from typing import Any, Dict

from espalier.adapters.posix import boot_id

_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)  # goes on while the machine is suspended


def stamp() -> Dict[str, Any]:
    """This moment, to be measured from later, by any process and after a reboot."""
    return {"time": time.time(), "boot": boot_id(), "clock": _clock()}


def elapsed(since: object) -> float:
    """Seconds since a stamp; never negative. Across a reboot the wall clock has to do."""
    if not isinstance(since, dict):
        return 0.0
    try:
        same_boot = since["boot"] and since["boot"] == boot_id()
        passed = _clock() - float(since["clock"]) if same_boot else time.time() - float(since["time"])
    except (KeyError, TypeError, ValueError):
        return 0.0
    return max(passed, 0.0)


def _clock() -> float:
    return time.clock_gettime(_CLOCK) if _CLOCK is not None else time.monotonic()
