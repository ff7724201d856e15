"""A build's log, seen live by all who wait for it."""

import contextlib
import os
from typing import BinaryIO, Callable, Optional

from espalier.base import progress
from espalier.base.records import make_folders, opener

_CHUNK = 1 << 16
_WAITING = "Waiting for another process that builds the same"


class LogCopy:
    """Appends what comes to a build's log, to the caller's own.

    Args:
        source: The log of the build, which may be another process's.
        target: The caller's own; None: nothing is copied.
        say: Takes the status line of who waits.
    """

    def __init__(self, source: str, target: Optional[str], say: Callable[[str], None] = lambda text: None) -> None:
        self._source, self._target, self._say = source, target, say
        self._done = 0
        self.waited = False

    def wait(self) -> None:
        """Tell that another process is waited for, and copy what it says; to be called until it has ended."""
        if not self.waited:
            self.waited = True
            self._say(_WAITING)
        progress.report(_WAITING, 0)
        self.more()

    def more(self) -> None:
        """Copy what has come since the last time; from the start again where the source begins anew."""
        if self._target is None:
            return
        # (a log that cannot be written is no reason to give a build up)
        with contextlib.suppress(OSError), open(self._source, "rb") as source:
            size = os.fstat(source.fileno()).st_size
            if size < self._done:
                self._done = 0
            if size > self._done:
                source.seek(self._done)
                self._append(source, self._target)

    def _append(self, source: BinaryIO, path: str) -> None:
        make_folders(os.path.dirname(os.path.abspath(path)))
        with open(path, "ab", opener=opener) as target:
            for data in iter(lambda: source.read(_CHUNK), b""):
                target.write(data)
                self._done += len(data)


def tail_of(path: str, most: int = 100_000) -> str:
    """The end of a log; nothing where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - most))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
