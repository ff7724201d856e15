"""Hiding secrets in a stream of bytes, in all ways in which they are written, however the stream is cut into pieces.

A compiled regular expression of many alternatives looks at 3 to 40 MB a second, `bytes.find` for one pattern at 1 to
8 GB. So each pattern is looked for, except those with a byte that the text lacks: nearly all of them. Standard library
only: the runner loads this file.
"""

import base64
import json
from typing import Iterable, Iterator, List, Set, Tuple

# A piece shorter than this says too little, and is found everywhere.
LEAST = 4
# Whether a byte is kept by percent-encoding: always; and by what is called so in Python, R and browsers.
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_ALSO_KEPT = (b"", b"/", b"!'()*", b"][!$&'()*+,;=:/?@#")
# Programs break base64 into lines of 76 or 64 characters: of so many bytes each.
_WRAPPED = (57, 48)
Span = Tuple[int, int]
# In less text than this, looking for each pattern costs less than ruling some out.
_MUCH = 4096


def spellings_of(value: str) -> List[bytes]:
    """All that has to be hidden of a secret: the text as it is, JSON-escaped, percent-encoded and as base64.

    A text of several lines is hidden line by line, too; lines of less than 4 characters only together with others.
    """
    found: Set[bytes] = set()
    text = value.strip()
    lines = [line.strip() for line in text.splitlines()]
    for part in {text, *lines}:
        if len(part) >= LEAST:
            found.update(_spellings(part))
    if len(lines) > 1 and min(map(len, lines)) >= LEAST:  # the lines are enough
        found.discard(text.encode("utf-8"))
    found.update(_base64(text.encode("utf-8")))
    return sorted(pattern for pattern in found if len(pattern) >= LEAST)


def _spellings(text: str) -> Iterator[bytes]:
    yield text.encode("utf-8")
    yield text.encode("latin-1", "ignore") if max(text) <= "\xff" else b""
    # what R prints in a locale that lacks a character, and Python of bytes that are none
    yield "".join(char if char < "\x80" else _in_r(ord(char)) for char in text).encode("ascii")
    yield repr(text.encode("utf-8"))[2:-1].encode("ascii")
    for ascii_only in (False, True):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield escaped.encode("utf-8")
        yield escaped.replace("/", "\\/").encode("utf-8")
    for kept in _ALSO_KEPT:
        for form in ("%%%02X", "%%%02x"):
            encoded = _percent(text.encode("utf-8"), _UNRESERVED + kept, form)
            yield encoded
            yield encoded.replace(b"%20", b"+")


def _in_r(code: int) -> str:
    return f"<U+{code:04X}>" if code <= 0xFFFF else f"<U+{code:08X}>"


def _percent(data: bytes, kept: bytes, form: str) -> bytes:
    return "".join(chr(byte) if byte in kept else form % byte for byte in data).encode("ascii")


def _base64(data: bytes) -> Iterator[bytes]:
    """Its base64 wherever it begins in what was encoded, without the characters that depend on what is around it."""
    for before in range(3):
        yield from _both_alphabets(b"\0" * before + data, skip=(0, 2, 3)[before])
    for width in _WRAPPED:
        if len(data) > width:
            for start in range(0, len(data), width):
                yield from _both_alphabets(data[start : start + width], skip=0)


def _both_alphabets(data: bytes, skip: int) -> Iterator[bytes]:
    keep = len(data) * 8 // 6
    yield base64.b64encode(data)[skip:keep]
    yield base64.urlsafe_b64encode(data)[skip:keep]


class Search:
    """Finds the occurrences of some patterns."""

    def __init__(self, patterns: Iterable[bytes]) -> None:
        self.patterns = sorted(set(patterns), key=len, reverse=True)
        self._steps = {pattern: _period(pattern) for pattern in self.patterns}
        self._bytes = {pattern: frozenset(pattern) for pattern in self.patterns}
        self._alphabet = sorted(frozenset().union(*self._bytes.values()))

    def spans(self, text: bytes) -> List[Span]:
        """Where the patterns occur, in no order; all occurrences, also those that overlap."""
        absent = frozenset(byte for byte in self._alphabet if byte not in text) if len(text) >= _MUCH else frozenset()
        spans: List[Span] = []
        for pattern in self.patterns:
            if absent.isdisjoint(self._bytes[pattern]):
                at = text.find(pattern)
                while at >= 0:
                    spans.append((at, at + len(pattern)))
                    at = text.find(pattern, at + self._steps[pattern])
        return spans


def _period(pattern: bytes) -> int:
    """The least distance at which a pattern can occur again: its length less the longest end it begins with."""
    border = [0] * len(pattern)
    length = 0
    for at in range(1, len(pattern)):
        while length and pattern[at] != pattern[length]:
            length = border[length - 1]
        if pattern[at] == pattern[length]:
            length += 1
        border[at] = length
    return len(pattern) - border[-1]


STARS = b"***"
_HEAD = 4  # (no pattern is shorter)


class Masker:
    """Replaces each occurrence of a pattern by `***`; occurrences that overlap are replaced as one.

    What may be the beginning of an occurrence is held back until it is decided; all else is given at once.

    Args:
        secrets: The texts to hide, in all their encodings.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._search = Search(pattern for value in secrets for pattern in spellings_of(value))
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
