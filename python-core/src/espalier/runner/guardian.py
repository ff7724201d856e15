"""The first of a runner's two processes. It forks the second for each run, which executes it, and waits for it.

So a job outlives neither: killed, the one that executes has a parent to which all that is left of the job falls, and
which ends it; if the parent is killed, the other goes on to the end of its run.
"""

import gc
import os
import signal
from typing import Callable

from espalier.adapters.processes import become_subreaper
from espalier.lifecycle.place import Place
from espalier.runner.ahead import LONG_SECONDS, load_all


def load_in_time() -> None:
    """Let a guardian load all that the end of a long run takes, once `guarded` has waited for some time."""
    signal.signal(signal.SIGALRM, lambda *_: load_all())


def guarded(place: Place, execute: Callable[[], None]) -> bool:
    """Do something in a separate process, and wait for its end.

    Args:
        place: The folder of the run it is done for.

    Returns:
        False when that process was killed or failed. What it had started has been killed then.
    """
    become_subreaper()  # (before, for what that loads is then there for both)
    gc.freeze()  # (else looking for garbage writes to each object, and the two processes no longer share its memory)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()  # who kills the guardian's process group does not kill this one
            execute()
            code = 0
        finally:
            os._exit(code)
    signal.setitimer(signal.ITIMER_REAL, LONG_SECONDS)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            break
    signal.setitimer(signal.ITIMER_REAL, 0)
    if status == 0:
        return True
    from espalier.lifecycle.strays import end_strays

    end_strays(place.now(), reaper=os.getpid())
    return False


def has_lost(guardian: int) -> bool:
    """Whether the guardian of this process is dead."""
    return os.getppid() != guardian
