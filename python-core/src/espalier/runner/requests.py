"""The runner's side of what its job asks for: it sees requests and has them carried out.

That is done by a separate process (`api/requests.py`), because a submit may take long and much memory, and the
runner must hear its job end meanwhile. A job that asks sends USR1; else the runner looks once a second.
"""

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Dict, List, Optional, Set

from espalier.adapters import posix
from espalier.adapters.inside import logs_of
from espalier.adapters.processes import helper_command
from espalier.base.paths import RunPaths

if TYPE_CHECKING:
    from espalier.lifecycle.view import View

_CARRIER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "api", "requests.py")
# A folder changed this recently may have changed again within the clock's granularity, seconds.
_SUSPECT_SECONDS = 2.0
# While the job waits for other runs, the queue is moved on this often, in case nobody else does, seconds.
_STEP_SECONDS = 2.0
# How often a job in a container is shown what became of the runs below its own, seconds.
_SHOW_SECONDS = 0.5
# How long the end of the job waits for a request that is being carried out, seconds.
_LAST_SECONDS = 60.0


class Attendant:
    """What one runner does for its job beside watching it. `look` never raises: no request may end a job.

    Args:
        is_confined: Whether the job sees of the workspace only what is made for it.
    """

    def __init__(self, run: RunPaths, is_confined: bool = False) -> None:
        self._run = run
        self._view = _view_of(run) if is_confined else None
        self._carrier: Optional[int] = None
        self._tried: Dict[str, int] = {}
        self._seen: Optional[int] = None
        self._marks: List[str] = []
        self._stepped = self._shown = 0.0

    def look(self, woken: bool = False) -> Set[int]:
        """See what the job asks for. Costs a `stat` when it asks for nothing.

        Args:
            woken: Whether another process asks for attention: something may be queued, too.

        Returns:
            The process that carries out requests, if it exists.
        """
        try:
            if self._has_ended() and self._has_changed():
                self._attend()
            if woken:
                self._stepped = 0.0
            if woken or self._marks:
                self._step_for_waiters()
            self._refresh_view()
        except Exception:
            import traceback  # 5 ms to load

            traceback.print_exc()
        return set() if self._carrier is None else {self._carrier}

    def close(self) -> None:
        """After the job's end: what is being carried out is brought to its end, what is not is left undone."""
        deadline = time.monotonic() + _LAST_SECONDS
        while not self._has_ended():
            if self._carrier is not None and time.monotonic() > deadline:
                with contextlib.suppress(OSError):
                    os.kill(self._carrier, signal.SIGKILL)
            signal.sigtimedwait([signal.SIGCHLD], 0.1)

        if self._view is not None:
            from espalier.lifecycle.view import bring_all_recorded

            bring_all_recorded(self._run)

    def _refresh_view(self) -> None:
        if self._view is not None and time.monotonic() - self._shown >= _SHOW_SECONDS:
            self._view.refresh()
            self._shown = time.monotonic()

    def _has_ended(self) -> bool:
        """Whether no process carries out anything for us just now."""
        if self._carrier is None:
            return True
        with contextlib.suppress(ChildProcessError):  # whoever watches the job has collected it
            if os.waitpid(self._carrier, os.WNOHANG)[0] == 0:
                return False
        self._carrier, self._seen = None, None  # what came meanwhile has not been seen
        return True

    def _has_changed(self) -> bool:
        try:
            changed = os.stat(self._run.requests, follow_symlinks=False).st_mtime_ns
        except OSError:
            return False
        recent = abs(time.time() - changed / 1e9) < _SUSPECT_SECONDS
        if changed == self._seen and not recent:
            return False
        self._seen = changed
        return True

    def _attend(self) -> None:
        from espalier.runner.asked import marks, pending  # (most jobs ask for nothing)

        if pending(self._run, self._tried):
            self._carrier = _spawn(self._run)
        found = marks(self._run)
        if set(found) - set(self._marks):
            self._stepped = 0.0
        self._marks = found

    def _step_for_waiters(self) -> None:
        if time.monotonic() - self._stepped < _STEP_SECONDS:
            return
        from espalier.runner.asked import move_queue_on

        self._stepped = time.monotonic()
        move_queue_on(self._run if self._marks else None)


def _view_of(run: RunPaths) -> "View":
    from espalier.lifecycle.view import View

    return View(run)


def _spawn(run: RunPaths) -> int:
    with logs_of(run, run.runner_log) as (said,):
        return posix.spawn_writing(helper_command(_CARRIER, run.root), dict(os.environ), said)
