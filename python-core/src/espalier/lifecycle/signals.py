"""Telling a runner that something was asked of it; one that is not reached finds it within a second by itself."""

import contextlib
import os
import signal

from espalier import states
from espalier.adapters import posix
from espalier.errors import EspalierError
from espalier.lifecycle.copies import is_copy
from espalier.lifecycle.status import read_status
from espalier.paths import RunPaths


def wake_runner(run: RunPaths) -> bool:
    """Make a run's runner look at what was asked of it (SIGUSR1), if the process with its number still is it.

    Returns:
        Whether there is such a runner.
    """
    try:
        status = read_status(run)
        if is_copy(run, status):  # the process is the original's
            return False
    except (OSError, EspalierError):
        return False
    pid, start = status.get("pid"), status.get("pid_start")
    if states.is_final(status["state"]) or pid is None or start is None:
        return False
    if status.get("boot_id") != posix.boot_id() or posix.process_start(pid) != start:
        return False
    with contextlib.suppress(OSError):  # it ended just now, or is another user's
        os.kill(pid, signal.SIGUSR1)
    return True
