"""A build's log, seen live by all processes that wait for the build, and why it failed.

The same build a second time would end the same way.
"""

import contextlib
import os
import time
from typing import Any, BinaryIO, Callable, Dict, Optional

from espalier.base import progress
from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT, CachePaths
from espalier.base.records import make_folders, opener, read_record, replace_record

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


def write_failure(cache: CachePaths, hex_key: str, error: EspalierError) -> None:
    """Leave why the build for a key failed."""
    fields = {"code": error.code, "message": error.message, "hint": error.hint, "fields": error.fields}
    with contextlib.suppress(OSError):  # (a full disk)
        replace_record(cache.build_failure(hex_key), {"format": FORMAT, "at": time.time(), **fields}, cache.builds)


def raise_failure(cache: CachePaths, hex_key: str, since: float) -> None:
    """Raise what a build for a key ended with since then, if it failed.

    Args:
        cache: espalier's folder of caches.
        hex_key: The key's hex digits.
        since: When the waiting began, seconds since 1970.
    """
    try:
        record: Dict[str, Any] = read_record(cache.build_failure(hex_key))
    except (EspalierError, OSError):
        return
    if record.get("at", 0) >= since:
        raise EspalierError(record["code"], record["message"], record["hint"], **record["fields"])
