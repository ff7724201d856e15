"""Ending a job in order: TERM to its whole tree, then after the grace KILL."""

import time
from typing import Optional

from espalier.adapters.tree import Tree

# How long a cancelled job may take to end by itself before it is killed, seconds.
GRACE_SECONDS = 10.0
# How often a tree that is to end is looked through, seconds: at first, and when nothing has happened for long.
_SOON, _LATE = 0.03, 0.5
_NEVER = float("inf")


class Stop:
    """One job's way to its end, once it is to be ended.

    Args:
        tree: All its processes.
        grace: Seconds between TERM and KILL.
    """

    def __init__(self, tree: Tree, grace: float) -> None:
        self.why: Optional[str] = None
        # Whether nothing is left of the tree, or nothing more can be done about it.
        self.is_done = False
        # When `go_on` has something to do.
        self.due = _NEVER
        self._tree, self._grace = tree, grace
        self._kill_at = _NEVER
        self._pause = _SOON

    def begin(self, why: Optional[str]) -> None:
        """Ask the tree to end. The first reason counts."""
        if why is None or self.why is not None:
            return
        self.why = why
        self._kill_at = time.monotonic() + self._grace
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
        elif not self._tree.terminate_orphans():
            self.is_done = True
        self._pause = min(2 * self._pause, _LATE)
        self.due = _NEVER if self.is_done else min(now + self._pause, self._kill_at)
