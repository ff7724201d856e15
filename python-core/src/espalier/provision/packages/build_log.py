"""The log of a build: written as it comes, seen live by all processes that wait for the build, and why it failed.

The same build a second time would end the same way.
"""

import contextlib
import os
import time
from collections import deque
from typing import Any, BinaryIO, Callable, Deque, Dict, List, Optional, Sequence

from espalier.base import progress
from espalier.base.cache_paths import CachePaths
from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT
from espalier.base.records import make_folders, opener, read_record, replace_record
from espalier.provision.packages.hidden import Hidden

_CHUNK = 1 << 16
_WAITING = "Waiting for another process that builds the same"
_KEPT = 400
_LONGEST = 65_536


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
        """Copy what has come since the last time; from the start again where the source begins again."""
        if self._target is None:
            return
        # (a log that cannot be written isn't a reason to give a build up)
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
        since: When the waiting began, seconds since 1970.
    """
    try:
        record: Dict[str, Any] = read_record(cache.build_failure(hex_key))
    except (EspalierError, OSError):
        return
    if record.get("at", 0) >= since:
        raise EspalierError(record["code"], record["message"], record["hint"], **record["fields"])


class BuildLog:
    """The log of one build, written as it comes.

    Args:
        files: Where it is written; each begins again.
        also: Where it is appended: the caller's own.
        say: Takes the status line.
        hidden: Knows the secrets that have been read, which are hidden.
    """

    def __init__(
        self, files: Sequence[str], also: Sequence[str], say: Callable[[str], None], hidden: Hidden
    ) -> None:
        self.tail: Deque[str] = deque(maxlen=_KEPT)
        self.path = files[0] if files else ""
        # what the user has to know in any case
        self.notes: List[str] = []
        self._say, self._hidden = say, hidden
        self._masker, self._known = hidden.masker(), len(hidden)
        self._pending = ""
        self._title = ""
        self._files: List[BinaryIO] = [*(_open(path, "wb") for path in files), *(_open(path, "ab") for path in also)]

    def __enter__(self) -> "BuildLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._pending:
            self.line("")
        for file in self._files:
            file.close()

    def hear(self, piece: str) -> None:
        """Take output, in pieces of any length."""
        if self._known != len(self._hidden):
            self._flush()
        self._take(_decoded(self._masker.feed(piece.encode("utf-8", "surrogateescape"))))

    def _flush(self) -> None:
        """Give what was held back because a secret might have begun in it."""
        self._take(_decoded(self._masker.close()))
        self._masker, self._known = self._hidden.masker(), len(self._hidden)

    def _take(self, piece: str) -> None:
        self._write(piece)
        *lines, pending = (self._pending + piece).split("\n")
        self._pending = pending[-_LONGEST:]  # (a line without end would be copied for each of its pieces)
        self.tail.extend(line.rstrip("\r") for line in lines)

    def line(self, text: str) -> None:
        """Take a line of our own."""
        self._flush()
        self.hear(("\n" if self._pending else "") + text + "\n")

    def note(self, text: str) -> None:
        """Take a line that the user has to know in any case."""
        self.notes.append(self._hidden.text(text))
        self.line(text)

    def step(self, title: str, done: int = 0, total: int = 0, note: bool = True) -> None:
        """Tell which step the build is in, as a user should read it.

        Args:
            done: How many steps of the kind are done.
            total: Out of how many; 0 where that is not known.
            note: Whether it stands in the log too; not where what follows there says the same.
        """
        title = self._hidden.text(title)
        shown = f"{title} ({done + 1} of {total})" if total else title
        if shown != self._title:
            self._title = shown
            self._say(shown)
            if note:
                self.line(f"== {shown}")
        progress.report(title, done, total or None)

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        for file in self._files:
            with contextlib.suppress(OSError):  # a log that cannot be written isn't a reason to give a build up
                file.write(data)


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _open(path: str, mode: str) -> BinaryIO:
    make_folders(os.path.dirname(path))
    return open(path, mode, buffering=0, opener=opener)  # type: ignore[return-value]
