"""Where a job's log goes on, by what the engine keeps, after an engine that was away has come back. Pure."""

# The engine keeps what was printed up to a line's end, or to that many bytes of a line; what it held of a line when it
# was killed it has not kept.
_ENGINE_HOLDS = 16_384


class Written:
    """Counts what has been written of a job's output."""

    def __init__(self) -> None:
        self.bytes = 0
        self.line = b""  # the one that has begun

    def add(self, data: bytes) -> None:
        """Count some more."""
        self.bytes += len(data)
        _, end, line = data.rpartition(b"\n")
        self.line = line if end else self.line + line
        if len(self.line) > _ENGINE_HOLDS:
            self.line = b""


class Unseen:
    """Takes from all that a job has printed, piece by piece, what has not been written yet.

    Args:
        written: What has been.
    """

    def __init__(self, written: Written) -> None:
        self._skip = written.bytes - len(written.line)
        self._line = written.line
        self._held = b""

    def of(self, piece: bytes) -> bytes:
        """What is new in a piece."""
        new = piece[self._skip :]
        self._skip -= len(piece) - len(new)
        if not self._line:
            return new
        self._held += new
        if self._line.startswith(self._held) and len(self._held) < len(self._line):
            return b""
        found = self._held[len(self._line) :] if self._held.startswith(self._line) else self._held
        self._line = self._held = b""
        return found
