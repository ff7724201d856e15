"""Who moves the queue on from inside a job: never the job, for what it starts is stopped with it, but its runner."""

import os

from espalier.lifecycle.signals import wake_runner
from espalier.paths import RunPaths


def left_to_own_runner() -> bool:
    """Inside a job, make its runner look at its run and at the queue.

    Returns:
        False outside a job, also where only the variables of one are set.
    """
    folder = os.environ.get("ESPALIER_RUN_DIR")
    return bool(folder) and wake_runner(RunPaths(str(folder)))
