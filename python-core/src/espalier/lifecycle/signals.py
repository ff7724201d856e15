"""Telling a runner that something was asked of it; one that is not reached finds it within a second by itself."""

import contextlib
import os

from espalier import states
from espalier.adapters import posix
from espalier.errors import EspalierError
from espalier.lifecycle.copies import is_copy
from espalier.lifecycle.status import read_status
from espalier.paths import RunPaths


def tell_runner(run: RunPaths, number: int) -> None:
    """Send a signal to a run's runner, if the process with its number still is it.

    Args:
        number: TERM to look for a cancel, USR1 for requests of the job.
    """
    try:
        status = read_status(run)
        if is_copy(run, status):  # the process is the original's
            return
    except (OSError, EspalierError):
        return
    pid, start = status.get("pid"), status.get("pid_start")
    if states.is_final(status["state"]) or pid is None or start is None:
        return
    if status.get("boot_id") == posix.boot_id() and posix.process_start(pid) == start:
        with contextlib.suppress(OSError):  # it ended just now, or is another user's
            os.kill(pid, number)
