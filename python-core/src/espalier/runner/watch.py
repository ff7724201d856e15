"""Waiting for a job: its end, a request to cancel it, its time limit. Whichever comes first decides the outcome."""

import os
import signal
import time
from typing import Callable, Optional, Tuple

from espalier.adapters import posix
from espalier.lifecycle.outcome import Outcome
from espalier.paths import RunPaths

# (USR1: the job asks for something; see runner/requests.py)
WAKERS = (signal.SIGCHLD, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
TO_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# How long a cancelled job may take to end by itself before it is killed, seconds.
GRACE_SECONDS = 10.0
# How often the request file is looked for, seconds; a local cancel also signals the runner and is noticed at once.
_LOOK_SECONDS = 1.0


def block_signals() -> None:
    """Call before the job starts, so that its end cannot be missed; `watch` takes them one by one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKERS)


def watch(
    run: RunPaths, pid: int, started: float, limit: Optional[float], attend: Callable[[], None] = lambda: None
) -> Outcome:
    """Wait until the job has ended and its process group is gone.

    Args:
        pid: The job's process, leader of its own group.
        started: `time.monotonic()` at its start.
        limit: Seconds it may run, or None.
        attend: Called at each turn, for what else the runner has to do.
    """
    stop = _Stop(pid)
    while True:
        ended = _reap(pid)
        now = time.monotonic()
        if ended is not None:
            posix.kill_group(pid, signal.SIGKILL)
            code, number = _decode(ended)
            return Outcome(code, number, stop.why, now - started)
        if stop.why is None:
            stop.begin(_why_stop(run, now - started, limit))
        stop.kill_when_due(now)
        attend()
        deadline = stop.kill_at if stop.why else (started + limit if limit is not None else None)
        pause = _LOOK_SECONDS if deadline is None else min(_LOOK_SECONDS, max(deadline - now, 0.001))
        woken = signal.sigtimedwait(WAKERS, pause)
        if woken is not None and woken.si_signo in TO_STOP:
            # the request file says who asked; without one the machine or an administrator did
            stop.begin("canceled")


class _Stop:
    """Ending a job in order: TERM, then after the grace KILL."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.why: Optional[str] = None
        self.kill_at: Optional[float] = None

    def begin(self, why: Optional[str]) -> None:
        if why is None or self.why is not None:
            return
        self.why = why
        posix.kill_group(self.pid, signal.SIGTERM)
        posix.kill_group(self.pid, signal.SIGCONT)  # a stopped job cannot act on TERM
        self.kill_at = time.monotonic() + GRACE_SECONDS

    def kill_when_due(self, now: float) -> None:
        if self.kill_at is not None and now >= self.kill_at:
            posix.kill_group(self.pid, signal.SIGKILL)
            self.kill_at = None


def _why_stop(run: RunPaths, seconds: float, limit: Optional[float]) -> Optional[str]:
    if os.path.exists(run.cancel):
        return "canceled"
    return "timed_out" if limit is not None and seconds >= limit else None


def _reap(pid: int) -> Optional[int]:
    done, status = os.waitpid(pid, os.WNOHANG)
    return status if done else None


def _decode(status: int) -> Tuple[Optional[int], Optional[int]]:
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.WEXITSTATUS(status), None
