"""Hiding secrets in a stream of bytes, however it is cut into pieces.

Standard library only: the runner loads this file.
"""

from typing import Iterable, List

from espalier.vault.encodings import patterns_of
from espalier.vault.search import Search, Span

STARS = b"***"
_HEAD = 4  # (no pattern is shorter)


class Masker:
    """Replaces each occurrence of a pattern by `***`; occurrences that overlap are replaced as one.

    What may be the beginning of an occurrence is held back until it is decided; all else is given at once.

    Args:
        secrets: The texts to hide, in all their encodings.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._search = Search(pattern for value in secrets for pattern in patterns_of(value))
        self._held = b""
        # So many bytes of what is held belong to an occurrence whose stars have been given.
        self._covered = 0

    def feed(self, data: bytes) -> bytes:
        """The next piece of the stream; returns what can be shown by now."""
        buffer = self._held + data
        return self._masked(buffer, len(buffer) - self._undecided(buffer))

    def close(self) -> bytes:
        """The stream has ended; returns the rest."""
        return self._masked(self._held, len(self._held))

    def _masked(self, buffer: bytes, end: int) -> bytes:
        pieces: List[bytes] = []
        at, covered = 0, self._covered
        for begin, until in _merged(self._search.spans(buffer) + ([(0, covered)] if covered else [])):
            if begin or not covered:
                if begin >= end:
                    break
                pieces += (buffer[at:begin], STARS)
            at = until
        if at < end:
            pieces.append(buffer[at:end])
        self._held, self._covered = buffer[end:], max(at - end, 0)
        return b"".join(pieces)

    def _undecided(self, buffer: bytes) -> int:
        """Length of the longest end of the buffer with which a pattern begins."""
        longest = 0
        for pattern in self._search.patterns:
            if len(pattern) - 1 <= longest:
                break
            longest = max(longest, _overlap(buffer, pattern))
        return longest


def _overlap(buffer: bytes, pattern: bytes) -> int:
    head = pattern[:_HEAD]
    at = buffer.find(head, max(len(buffer) - len(pattern) + 1, 0))
    while at >= 0:
        if pattern.startswith(buffer[at:]):
            return len(buffer) - at
        at = buffer.find(head, at + 1)
    for length in range(_HEAD - 1, 0, -1):
        if buffer.endswith(head[:length]):
            return length
    return 0


def _merged(spans: List[Span]) -> List[Span]:
    """Spans in order, those that overlap as one."""
    merged: List[Span] = []
    for begin, until in sorted(spans):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], until))
        else:
            merged.append((begin, until))
    return merged
