"""git's patterns as regular expressions over bytes; what git's wildmatch.c matches, and nothing else.

No pattern takes long, hostile ones neither: a star takes the first place where what lies between it and the next star
fits, and no other is tried (`(?=(...))\\1` is an atomic group, which Python has from 3.11 only).
"""

import re
from itertools import count
from typing import Callable, List, Match, NamedTuple, Optional, Set, Tuple

_SPECIAL = frozenset(b"*?[\\")
_CLASSES = {
    b"alnum": rb"[0-9A-Za-z]",
    b"alpha": rb"[A-Za-z]",
    b"blank": rb"[ \t]",
    b"cntrl": rb"[\x00-\x1f\x7f]",
    b"digit": rb"[0-9]",
    b"graph": rb"[\x21-\x7e]",
    b"lower": rb"[a-z]",
    b"print": rb"[\x20-\x7e]",
    b"punct": rb"[!-/:-@\[-`{-~]",
    b"space": rb"[ \t-\r]",
    b"upper": rb"[A-Z]",
    b"xdigit": rb"[0-9A-Fa-f]",
}
_BYTES = [bytes([value]) for value in range(256)]


class _Star(NamedTuple):
    """A gap between two runs of single bytes: what it matches, and whether that may hold slashes of a path."""

    regex: bytes
    folders: bool


class _NeverMatches(Exception):
    """A set that does not end, a class that does not exist, a backslash with nothing behind it."""


def compile_pattern(pattern: bytes, names_only: bool) -> Optional[Callable[[bytes], Optional["Match[bytes]"]]]:
    """Compiles a pattern.

    Args:
        pattern: A line of an ignore file without its `!` and without the `/` at its end.
        names_only: The pattern holds no slash: it is about names, wherever they are.

    Returns:
        What to call with a name, or with a path relative to the ignore file's folder; None when nothing matches.
    """
    pattern = pattern[1:] if pattern.startswith(b"/") else pattern
    # as git: what precedes the first wildcard is compared, and the rest is a pattern of its own
    literal = next((at for at, byte in enumerate(pattern) if byte in _SPECIAL), len(pattern))
    head = pattern[:literal]
    try:
        runs, stars = _runs_and_stars(pattern[literal:], not names_only)
    except _NeverMatches:
        return None
    return re.compile(re.escape(head) + _joined(runs, stars), re.DOTALL).fullmatch


def _runs_and_stars(pattern: bytes, is_path: bool) -> Tuple[List[bytes], List[_Star]]:
    """What lies between the stars (one more than those), each an expression of fixed length."""
    runs, stars = [b""], []
    at = 0
    while at < len(pattern):
        byte = pattern[at : at + 1]
        if byte == b"*":
            star, at = _star(pattern, at, is_path)
            stars.append(star)
            runs.append(b"")
            continue
        if byte == b"?":
            runs[-1] += b"[^/]" if is_path else b"."
        elif byte == b"[":
            found, at = _set(pattern, at)
            runs[-1] += _one_of(found - {ord("/")} if is_path else found)
        else:
            at += byte == b"\\"
            runs[-1] += re.escape(_byte(pattern, at))
        at += 1
    return runs, stars


def _star(pattern: bytes, at: int, is_path: bool) -> Tuple[_Star, int]:
    """The star or stars that begin at a place, and where they end."""
    end = at
    while pattern[end : end + 1] == b"*":
        end += 1
    rest = pattern[end:]
    if not is_path:
        return _Star(b".*?", False), end
    begins = at == 0 or pattern[at - 1 : at] == b"/"
    if end - at == 1 or not begins or not (not rest or rest.startswith((b"/", b"\\/"))):
        return _Star(b"[^/]*?", False), end
    if rest.startswith(b"/"):  # any folders, or none and no slash
        return _Star(b"(?:.*?/)??", True), end + 1
    return _Star(b".*?", True), end


def _joined(runs: List[bytes], stars: List[_Star]) -> bytes:
    """One expression. A star that stops at slashes is atomic unless it is the last one, whose run ends the text; and so
    is one for folders, with all up to the next such."""
    number = count()
    done, gap, leg = b"", b"", runs[0]
    for star, run in zip(stars, runs[1:]):
        if star.folders:
            done += _atomic(gap + leg, next(number)) if gap else leg
            gap, leg = star.regex, run
        elif star is stars[-1]:
            leg += star.regex + run
        else:
            leg += _atomic(star.regex + run, next(number))
    return done + gap + leg


def _atomic(regex: bytes, number: int) -> bytes:
    return b"(?=(?P<a%d>%s))(?P=a%d)" % (number, regex, number)


def _set(pattern: bytes, at: int) -> Tuple[Set[int], int]:
    """The bytes of the set that begins at a place, and where its `]` is."""
    at += 1
    negated = _byte(pattern, at) in (b"!", b"^")
    at += negated
    found: Set[int] = set()
    before, byte = b"", _byte(pattern, at)
    while True:
        if byte == b"-" and before and pattern[at + 1 : at + 2] not in (b"", b"]"):
            at += 1 + (pattern[at + 1 : at + 2] == b"\\")
            found.update(range(before[0], _byte(pattern, at)[0] + 1))
            byte = b""
        elif byte == b"[" and pattern[at + 1 : at + 2] == b":":
            end = pattern.find(b"]", at + 2)
            name = pattern[at + 2 : end - 1]
            if end < 0 or (pattern[end - 1 : end] == b":" and end > at + 2 and name not in _CLASSES):
                raise _NeverMatches
            if pattern[end - 1 : end] == b":" and end > at + 2:
                found.update(value for value in range(256) if re.match(_CLASSES[name], _BYTES[value]))
                at, byte = end, b""
            else:  # no class: an ordinary `[`
                found.add(byte[0])
        else:
            at += byte == b"\\"
            byte = _byte(pattern, at)
            found.add(byte[0])
        at += 1
        before, byte = byte, _byte(pattern, at)
        if byte == b"]":
            return (set(range(256)) - found if negated else found), at


def _one_of(values: Set[int]) -> bytes:
    return b"[%s]" % b"".join(b"\\x%02x" % value for value in sorted(values)) if values else b"(?!)"


def _byte(pattern: bytes, at: int) -> bytes:
    if at >= len(pattern):
        raise _NeverMatches
    return pattern[at : at + 1]
