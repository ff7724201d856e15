"""A build's log, seen live by all who wait for it."""

import os
from typing import BinaryIO, Optional

_CHUNK = 1 << 16


class LogCopy:
    """Appends what comes to one file, to another."""

    def __init__(self, source: str, target: Optional[str]) -> None:
        self._source = source
        self._target = target
        self._done = 0

    def more(self) -> None:
        """Copy what has come since the last time; from the start again where the source begins anew."""
        if self._target is None:
            return
        try:
            with open(self._source, "rb") as source:
                size = os.fstat(source.fileno()).st_size
                if size < self._done:
                    self._done = 0
                if size > self._done:
                    source.seek(self._done)
                    self._append(source)
        except FileNotFoundError:
            return

    def _append(self, source: BinaryIO) -> None:
        os.makedirs(os.path.dirname(os.path.abspath(str(self._target))), exist_ok=True)
        with open(str(self._target), "ab") as target:
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
