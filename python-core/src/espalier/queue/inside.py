"""Who moves the queue on from inside a job: never the job, for what it starts is stopped with it, but its runner."""

import contextlib
import os
import signal

from espalier.adapters import posix
from espalier.errors import EspalierError
from espalier.lifecycle.status import read_status
from espalier.paths import RunPaths


def left_to_own_runner() -> bool:
    """Inside a job, make its runner look at its run and at the queue.

    Returns:
        False outside a job, also where only the variables of one are set.
    """
    folder = os.environ.get("ESPALIER_RUN_DIR")
    if not folder:
        return False
    try:
        return wake_runner(RunPaths(folder))
    except (OSError, EspalierError):
        return False


def wake_runner(run: RunPaths) -> bool:
    """Make the runner of a run look at its folder, if its process number is still its own. A runner that is not
    reached looks by itself within a second.

    Returns:
        Whether there is such a runner.
    """
    status = read_status(run)
    pid, start = status.get("pid"), status.get("pid_start")
    if pid is None or start is None or status.get("boot_id") != posix.boot_id() or posix.process_start(pid) != start:
        return False
    with contextlib.suppress(OSError):  # it ended just now, or is another user's
        os.kill(pid, signal.SIGUSR1)
    return True
