"""What wakes a runner: preparing a run takes no longer than it may, and ends at once when the run is canceled; and the
signals that wake who watches a job."""

import os
import signal
from contextlib import contextmanager
from typing import Any, Iterator, Optional

from espalier.adapters import posix
from espalier.base import states
from espalier.base.paths import RunPaths
from espalier.executors.contract import Interruption

# Asked from outside of espalier to stop: by an administrator, or the machine shutting down.
STOPPERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# (SIGUSR1 says that there is a request to look at)
WAKERS = (signal.SIGCHLD, signal.SIGUSR1, *STOPPERS)


class Impatience(Interruption):
    """Raised out of what is being done."""

    def __init__(self, state: str, code: str, message: str) -> None:
        super().__init__(message)
        self.state, self.code, self.message = state, code, message


@contextmanager
def patience(run: RunPaths, seconds: Optional[float]) -> Iterator[None]:
    """Interrupt what is done inside after so many seconds, or when a cancel is asked for (SIGUSR1). Raises Impatience:
    either happened."""

    def expired(*_: Any) -> None:
        limit = f"The run was not prepared within {seconds:g} seconds, its time limit."
        raise Impatience(states.FAILED, "prepare_timed_out", limit)

    def woken(*_: Any) -> None:
        if os.path.exists(run.cancel):
            raise Impatience(states.CANCELED, "canceled", "")

    old = signal.signal(signal.SIGUSR1, woken)
    if seconds:
        signal.signal(signal.SIGALRM, expired)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        woken()  # (who asked before we listened)
        yield
    except Impatience as stop:
        # (not where it was raised: that may be in the middle of loading what this needs)
        with posix.undisturbed():
            from espalier.lifecycle.ask import canceled_message

            stop.message = stop.message or canceled_message(run)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGUSR1, old)


def block_signals() -> None:
    """Call before the job starts, so that its end cannot be missed; `watch` takes them one by one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKERS)
