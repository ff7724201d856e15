"""The ways in which a secret is written where it should not be: what has to be hidden in a log.

Standard library only: the runner loads this file.
"""

import base64
import json
from typing import Iterator, List, Set

# A piece shorter than this says too little, and is found everywhere.
LEAST = 4
# Whether a byte is kept by percent-encoding: always; and by what is called so in Python, R and browsers.
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_ALSO_KEPT = (b"", b"/", b"!'()*", b"][!$&'()*+,;=:/?@#")
# Programs break base64 into lines of 76 or 64 characters: of so many bytes each.
_WRAPPED = (57, 48)


def patterns_of(value: str) -> List[bytes]:
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
