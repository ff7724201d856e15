"""What a snapshot leaves out: built-in excludes, then the rules of the ignore files at the root."""

import functools
import os
import re
import stat
from typing import Callable, List, NamedTuple, Optional, Tuple

from espalier.base.errors import EspalierError
from espalier.snapshot.defaults import (
    DEFAULT_ORIGIN,
    MARKERS,
    PATTERNS,
    RECORDS,
    default_patterns,
    default_rule,
    own_file,
)
from espalier.snapshot.wildmatch import compile_pattern

# Ours is read after the first of the others that exists, so that a line `!name` in it takes back what that leaves out.
# Nested ones are not read.
OWN_FILE = ".espalierignore"
OTHER_FILES = (".amlignore", ".gitignore")


class Decision(NamedTuple):
    """Whether a path is left out, by which pattern, written where (`.gitignore:3`, `default`, or empty)."""

    excluded: bool
    rule: str
    origin: str


NO_RULE = Decision(False, "", "")


class Pattern(NamedTuple):
    """A rule as the native scanner takes it; `text` is without the `!` and the `/` at its end."""

    text: bytes
    negated: bool
    folders_only: bool


class _Rule(NamedTuple):
    decision: Decision
    names_only: bool  # no slash in the pattern: it is about names, wherever they are
    matches: Callable[[bytes], Optional["re.Match[bytes]"]]
    pattern: Pattern


# Whether the built-in excludes apply, and the user's rules in order.
Identity = Tuple[bool, Tuple[Tuple[Pattern, Decision], ...]]


class IgnoreRules:
    """The rules of one source folder.

    Args:
        rules: The compiled rules of its ignore files, in order.
        defaults: Whether the built-in excludes apply (before the files' rules).
    """

    def __init__(self, rules: List[_Rule], defaults: bool = True) -> None:
        self._rules = rules[::-1]  # the last match wins, so it is looked for from the end
        self._defaults = defaults

    @classmethod
    def load(cls, source: str, defaults: bool = True) -> "IgnoreRules":
        """Reads the ignore files of a folder: `.amlignore`, else `.gitignore`, and then `.espalierignore`.

        Args:
            defaults: Whether the built-in excludes apply.

        Returns:
            The rules; only the built-in ones when there is no ignore file.

        Raises:
            EspalierError: `source_unreadable`, an ignore file cannot be read.
        """
        read = [(name, _read(os.path.join(source, name))) for name in OTHER_FILES]
        used = [(name, data) for name, data in read if data is not None][:1]
        used.append((OWN_FILE, _read(os.path.join(source, OWN_FILE)) or b""))
        return cls([rule for name, data in used for rule in _compile(name, data)], defaults)

    def followed_by(self, lines: List[str]) -> "IgnoreRules":
        """These rules with further lines at the end of `.espalierignore`."""
        more = _compile(OWN_FILE, "\n".join(lines).encode("utf-8", "surrogateescape"))
        return IgnoreRules(self._rules[::-1] + more, self._defaults)

    def decide(self, path: str, is_dir: bool) -> Decision:
        """Whether a path of the folder is left out, as git would decide.

        Args:
            path: The path relative to the folder, with `/`.
            is_dir: Whether it is a folder (a link to one is not).

        Returns:
            The decision, with the rule that made it; the rule of a folder above when that is left out.
        """
        at = path.find("/")
        while at >= 0:
            above = self.decide_here(path[:at], True)
            if above.excluded:  # git: what lies below an excluded folder cannot be re-included
                return above
            at = path.find("/", at + 1)
        return self.decide_here(path, is_dir)

    def decide_here(self, path: str, is_dir: bool, marker: Optional[str] = None) -> Decision:
        """As `decide`, for a path whose folders are known to be included.

        Args:
            path: The path relative to the folder, with `/`.
            is_dir: Whether it is a folder.
            marker: What the opened folder turned out to be, a key of `MARKERS`.

        Returns:
            The decision, with the rule that made it.
        """
        own = MARKERS[marker] if marker in RECORDS else own_file(path[path.rfind("/") + 1 :])
        if own:
            return Decision(True, own, DEFAULT_ORIGIN)
        if self._rules:
            whole = path.encode("utf-8", "surrogateescape")
            name = whole[whole.rfind(b"/") + 1 :]
            for rule in self._rules:
                if (is_dir or not rule.pattern.folders_only) and rule.matches(name if rule.names_only else whole):
                    return rule.decision
        if self._defaults:
            text = MARKERS[marker] if marker else default_rule(path, is_dir)
            if text:
                return Decision(True, text, DEFAULT_ORIGIN)
        return NO_RULE

    @property
    def identity(self) -> Identity:
        """What `patterns_of` makes all rules of; equal for rules that decide equally."""
        return self._defaults, tuple((rule.pattern, rule.decision) for rule in reversed(self._rules))

    @property
    def defaults(self) -> bool:
        """Whether the built-in excludes apply."""
        return self._defaults

    def decide_record(self, name: str, marker: str) -> Optional[Decision]:
        """The decision for an entry of a source folder that is itself espalier's, None for what else lies there."""
        return Decision(True, MARKERS[marker], DEFAULT_ORIGIN) if name in RECORDS[marker] else None


def patterns_of(rules: Identity) -> List[Tuple[Pattern, Decision]]:
    """All rules in order, the last that matches decides; for the native scanner. Markers are not among them."""
    defaults, users = rules
    own = [(Pattern(text.encode(), False, False), Decision(True, rule, DEFAULT_ORIGIN)) for text, rule in PATTERNS]
    return [*(_default_rules() if defaults else ()), *users, *own]


@functools.lru_cache(maxsize=None)
def _default_rules() -> Tuple[Tuple[Pattern, Decision], ...]:
    return tuple(
        (Pattern(text, not rule, folder), Decision(True, rule, DEFAULT_ORIGIN) if rule else NO_RULE)
        for text, folder, rule in default_patterns()
    )


def _read(path: str) -> Optional[bytes]:
    """The bytes of an ignore file, None when it is absent or no file (opening a FIFO would wait)."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EspalierError(
            "source_unreadable",
            f"Can't read the ignore file {path}: {error.strerror}.",
            "Make it readable, or remove it.",
            path=path,
        ) from error


def _compile(name: str, data: bytes) -> List[_Rule]:
    """The rules of an ignore file. Only a CR before the line's end is dropped, as git does."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    # (to git a NUL ends the line)
    lines = [line[:-1] if line.endswith(b"\r") else line for line in data.split(b"\n")]
    texts = [_trim(line.partition(b"\0")[0]) for line in lines]
    rules = [
        _compile_rule(text, f"{name}:{number}")
        for number, text in enumerate(texts, 1)
        if text and not text.startswith(b"#")
    ]
    return [rule for rule in rules if rule is not None]


def _trim(line: bytes) -> bytes:
    """Drops trailing spaces that no backslash protects (git trims spaces only, never tabs)."""
    kept = line.rstrip(b" ")
    slashes = len(kept) - len(kept.rstrip(b"\\"))
    return kept + b" " if slashes % 2 and len(line) > len(kept) else kept


def _compile_rule(text: bytes, origin: str) -> Optional[_Rule]:
    """One rule, None for a pattern that can match nothing (git drops those silently too)."""
    negated = text.startswith(b"!")
    body = text[1:] if negated else text
    folders_only = body.endswith(b"/")
    body = body[:-1] if folders_only else body
    names_only = b"/" not in body
    matches = compile_pattern(body, names_only) if body else None
    if matches is None:
        return None
    decision = Decision(not negated, text.decode("utf-8", "surrogateescape"), origin)
    return _Rule(decision, names_only, matches, Pattern(body, negated, folders_only))
