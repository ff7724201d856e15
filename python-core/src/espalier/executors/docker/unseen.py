"""Where a job's log goes on, by what the engine keeps, after an engine that was away has come back. Pure.

Lines are counted and not bytes: the engine keeps text, in which each byte that is not UTF-8 has become a character.
"""

import re

# The engine keeps what was printed up to a line's end, or to that many bytes of a line; what it held of a line when it
# was killed it has not kept.
_ENGINE_HOLDS = 16_384
_NOT_TEXT = re.compile("[\udc80-\udcff]")


class Written:
    """Counts what has been written of a job's output."""

    def __init__(self) -> None:
        self.lines = 0
        self.begun = 0  # bytes of the line that has begun, as the engine keeps them
        self.line = b""  # that line, unless it is long

    def add(self, data: bytes) -> None:
        """Count some more."""
        _, end, line = data.rpartition(b"\n")
        if end:
            self.lines += data.count(b"\n")
            self.line, self.begun = b"", 0
        self.line += line
        self.begun += len(_as_kept(line))
        if self.begun > _ENGINE_HOLDS:
            self.line = b""


class Unseen:
    """Takes from all that a job has printed, piece by piece, what has not been written yet."""

    def __init__(self, written: Written) -> None:
        self._lines = written.lines
        self._skip = 0 if written.line else written.begun
        self._begun = [written.line, _as_kept(written.line)] if written.line else []
        self._held = b""

    def of(self, piece: bytes) -> bytes:
        """What is new in a piece."""
        rest = self._after_lines(piece)
        new = rest[self._skip :]
        self._skip -= len(rest) - len(new)
        if not self._begun:
            return new
        self._held += new
        if any(line.startswith(self._held) and len(self._held) < len(line) for line in self._begun):
            return b""
        found = next((self._held[len(line) :] for line in self._begun if self._held.startswith(line)), self._held)
        self._begun, self._held = [], b""
        return found

    def _after_lines(self, piece: bytes) -> bytes:
        """What of a piece is behind the lines that have been written whole."""
        at = 0
        while self._lines:
            end = piece.find(b"\n", at)
            if end < 0:
                return b""
            at = end + 1
            self._lines -= 1
        return piece[at:]


def _as_kept(data: bytes) -> bytes:
    """Some output as the engine keeps it."""
    return _NOT_TEXT.sub("\ufffd", data.decode("utf-8", "surrogateescape")).encode()
