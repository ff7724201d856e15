"""What a build says: to a file that those who wait for it read too, to the caller's own, and one line of status."""

import contextlib
import os
from collections import deque
from typing import BinaryIO, Callable, Deque, List, Sequence

from espalier.base import progress
from espalier.base.records import make_folders, opener
from espalier.provision.packages.hidden import Hidden

_KEPT = 400
_LONGEST = 65_536


class BuildLog:
    """The log of one build, written as it comes.

    Args:
        files: Where it is written; each begins anew.
        also: Where it is appended: the caller's own.
        say: Takes the status line.
        hidden: Knows the secrets that have been read, which are hidden.
    """

    def __init__(
        self, files: Sequence[str], also: Sequence[str], say: Callable[[str], None], hidden: Hidden
    ) -> None:
        self.tail: Deque[str] = deque(maxlen=_KEPT)
        self.path = files[0] if files else ""
        # what the user should be told in any case
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
        """Take what was said, in pieces of any length."""
        if self._known != len(self._hidden):
            self._flush()
        self._take(_text(self._masker.feed(piece.encode("utf-8", "surrogateescape"))))

    def _flush(self) -> None:
        """Give what was held back because a secret might have begun in it."""
        self._take(_text(self._masker.close()))
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
        """Take a line that the user should be told in any case."""
        self.notes.append(self._hidden.text(text))
        self.line(text)

    def step(self, title: str, done: int = 0, total: int = 0, note: bool = True) -> None:
        """Tell which step the build is in, as a user should read it.

        Args:
            title: The step.
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
            with contextlib.suppress(OSError):  # a log that cannot be written is no reason to give a build up
                file.write(data)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _open(path: str, mode: str) -> BinaryIO:
    make_folders(os.path.dirname(path))
    return open(path, mode, buffering=0, opener=opener)  # type: ignore[return-value]
