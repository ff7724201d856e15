"""Ending a job in order: its whole tree is asked to end, R with INT and all else with TERM. Later TERM goes to R too,
and after the grace KILL to all."""

import time
from typing import Callable, List, Optional, Tuple

from espalier.adapters.tree import Tree

# How long a cancelled job may take to end by itself before it is killed, seconds.
GRACE_SECONDS = 10.0
# The parts of it after which programs that R waits for get TERM, and R itself, which TERM ends.
_PROGRAMS, _R = 0.4, 0.8
# How often a tree that is to end is looked through, seconds: at first, and when nothing has happened for long.
_SOON, _LATE = 0.03, 0.5
_NEVER = float("inf")


class Stop:
    """One job's way to its end, once it is to be ended.

    Args:
        grace: Seconds until KILL.
    """

    def __init__(self, tree: Tree, grace: float) -> None:
        self.why: Optional[str] = None
        # Whether nothing is left of the tree, or nothing more can be done about it.
        self.is_done = False
        # When `go_on` has something to do.
        self.due = _NEVER
        self._tree, self._grace = tree, grace
        self._kill_at = _NEVER
        self._steps: List[Tuple[float, Callable[[], None]]] = []
        self._pause = _SOON

    def begin(self, why: Optional[str]) -> None:
        """Ask the tree to end. The first reason counts."""
        if why is None or self.why is not None:
            return
        self.why = why
        began = time.monotonic()
        self._kill_at = began + self._grace
        self._steps = [
            (began + _PROGRAMS * self._grace, self._tree.terminate_programs_of_r),
            (began + _R * self._grace, self._tree.terminate_r),
        ]
        self._tree.terminate()
        self.due = time.monotonic() + _SOON

    def look_soon(self) -> None:
        """Something of the tree has ended."""
        self._pause = _SOON
        if self.why is not None and not self.is_done:
            self.due = min(self.due, time.monotonic() + _SOON)

    def go_on(self, now: float) -> None:
        """See what is left, and kill it when its time is over."""
        if now < self.due:
            return
        if now >= self._kill_at:
            self._tree.kill()
            self.is_done = True
            return
        if self._steps and now >= self._steps[0][0]:
            self._steps.pop(0)[1]()
        if not self._tree.terminate_orphans():
            self.is_done = True
        self._pause = min(2 * self._pause, _LATE)
        self.due = _NEVER if self.is_done else min(now + self._pause, self._kill_at, *(at for at, _ in self._steps))
