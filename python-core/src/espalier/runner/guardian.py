"""The first of a runner's two processes. It forks the second for each run, which executes it, and waits for it.

So a job outlives neither: killed, the one that executes has a parent to which all that is left of the job falls, and
which ends it; if the parent is killed, the other goes on to the end of its run.
"""

import os
from typing import Callable

from espalier.adapters.subreaper import become_subreaper
from espalier.paths import RunPaths


def guarded(run: RunPaths, execute: Callable[[], None]) -> bool:
    """Do something in a process of its own, and wait for its end.

    Args:
        run: The run it is done for.

    Returns:
        False when that process was killed or failed. What it had started has been killed then.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()  # who kills the guardian's process group does not kill this one
            execute()
            code = 0
        finally:
            os._exit(code)
    become_subreaper()
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            break
    if status == 0:
        return True
    from espalier.lifecycle.strays import end_strays

    end_strays(run, reaper=os.getpid())
    return False


def has_lost(guardian: int) -> bool:
    """Whether the guardian of this process is dead."""
    return os.getppid() != guardian
