"""Wake a runner because something was asked of it. A runner that isn't reached notices the request within a second."""

import contextlib
import os
import signal

from espalier.adapters import posix
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.lifecycle.copies import is_copy
from espalier.lifecycle.status import read_status


def wake_runner(run: RunPaths) -> bool:
    """Make a run's runner look at what was asked of it (SIGUSR1), if the process with its number still is it.

    A run that a session records has no runner: its process is the session, which the signal would end.

    Returns:
        Whether there is such a runner.
    """
    try:
        status = read_status(run)
        if "collect_from" in status or is_copy(run, status):  # (the process of a copy is the original's)
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
