"""What a snapshot leaves out: built-in excludes, then the rules of one ignore file at the root."""

import os
import re
import stat
import warnings
from typing import Callable, List, NamedTuple, Optional, Tuple

from espalier.errors import EspalierError
from espalier.snapshot.defaults import DEFAULT_ORIGIN, MARKERS, default_patterns, default_rule, is_record

# The first of these that exists is read; they are never merged and nested ones are not read.
IGNORE_FILES = (".espalierignore", ".amlignore", ".gitignore")


class Decision(NamedTuple):
    """Whether a path is left out, by which pattern, written where (`.gitignore:3`, `default`, or empty)."""

    excluded: bool
    rule: str
    origin: str


NO_RULE = Decision(False, "", "")

_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "xdigit": "0-9a-fA-F",
    "space": " \t\r\v\f",
    "blank": " \t",
}
_CLASS = re.compile(r"(\[[!^]?\]?[^\[\]]*)\[:(" + "|".join(_CLASSES) + r"):\]")
_REWRITE = re.compile(r"\\.|\*{3,}", re.DOTALL)
_REWRITTEN = {"***": "**", "\\/": "/"}


class Pattern(NamedTuple):
    """A rule as the native scanner takes it; `text` is without the `!` and the `/` at its end."""

    text: bytes
    negated: bool
    folders_only: bool


class _Rule(NamedTuple):
    decision: Decision
    folders_only: bool
    names_only: bool  # no slash in the pattern: it is about names, wherever they are
    search: Callable[[str], Optional["re.Match[str]"]]
    marked: bool
    pattern: "Pattern"


class IgnoreRules:
    """The rules of one source folder.

    Args:
        file: The ignore file's name, None where there is none.
        rules: Its compiled rules, in the file's order.
        defaults: Whether the built-in excludes apply (before the file's own rules).
    """

    def __init__(self, file: Optional[str], rules: List[_Rule], defaults: bool = True) -> None:
        self.file = file
        self._rules = rules[::-1]  # the last match wins, so it is looked for from the end
        self._defaults = defaults

    @property
    def remedy_file(self) -> str:
        """The file where a further rule belongs: the one in use, else the one to create."""
        return self.file or IGNORE_FILES[0]

    @classmethod
    def load(cls, source: str, defaults: bool = True) -> "IgnoreRules":
        """Reads the one ignore file of a folder: `.espalierignore`, else `.amlignore`, else `.gitignore`.

        Args:
            source: The source folder.
            defaults: Whether the built-in excludes apply.

        Returns:
            The rules; only the built-in ones when there is no ignore file.

        Raises:
            EspalierError: `source_unreadable`, the ignore file cannot be read.
        """
        for name in IGNORE_FILES:
            data = _read(os.path.join(source, name))
            if data is not None:
                return cls(name, _compile(name, data), defaults)
        return cls(None, [], defaults)

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
        name = path[path.rfind("/") + 1 :]
        for rule in self._rules:
            if is_dir or not rule.folders_only:
                match = rule.search(name if rule.names_only else path)
                # A match that ends at a folder's mark is about that folder, not about this path.
                if match is not None and not (rule.marked and match.group("ps_d")):
                    return rule.decision
        if self._defaults:
            text = MARKERS[marker] if marker else default_rule(path, is_dir)
            if text:
                return Decision(True, text, DEFAULT_ORIGIN)
        return NO_RULE

    @property
    def patterns(self) -> List[Tuple[Pattern, Decision]]:
        """All rules in order, the last that matches decides; for the native scanner. Markers are not among them."""
        before = default_patterns() if self._defaults else []
        found = [(Pattern(text, False, folder), Decision(True, rule, DEFAULT_ORIGIN)) for text, folder, rule in before]
        return found + [(rule.pattern, rule.decision) for rule in reversed(self._rules)]

    @property
    def defaults(self) -> bool:
        """Whether the built-in excludes apply."""
        return self._defaults

    def decide_record(self, name: str) -> Decision:
        """The decision for an entry of a source folder that is itself a workspace."""
        if self._defaults and is_record(name):
            return Decision(True, MARKERS["workspace"], DEFAULT_ORIGIN)
        return NO_RULE


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
            f"The ignore file {path} cannot be read: {error.strerror}.",
            "Make it readable, or remove it.",
            path=path,
        ) from error


def _compile(name: str, data: bytes) -> List[_Rule]:
    """The rules of an ignore file. Only a CR before the line's end is dropped, as git does."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    texts = [_trim(line[:-1] if line.endswith("\r") else line) for line in lines]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # re's, about patterns like `[[a]`
        rules = [
            _compile_rule(text, f"{name}:{number}")
            for number, text in enumerate(texts, 1)
            if text and not text.startswith("#")
        ]
    return [rule for rule in rules if rule is not None]


def _trim(line: str) -> str:
    """Drops trailing spaces that no backslash protects (git trims spaces only, never tabs)."""
    kept = line.rstrip(" ")
    slashes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if slashes % 2 and len(line) > len(kept) else kept


def _compile_rule(text: str, origin: str) -> Optional[_Rule]:
    """One rule, None for a pattern that can match nothing (git drops those silently too)."""
    negated = text.startswith("!")
    body, folders_only = _body(text[1:] if negated else text)
    if not body:
        return None
    from pathspec import GitIgnoreSpec  # here, for folders without an ignore file

    try:
        pattern = next(iter(GitIgnoreSpec.from_lines([body]).patterns))
    except (ValueError, StopIteration, re.error):
        return None
    regex = getattr(pattern, "regex", None)
    if regex is None:
        return None
    decision = Decision(not negated, text, origin)
    given = (text[1:] if negated else text).encode("utf-8", "surrogateescape")
    plain = Pattern(given[:-1] if folders_only else given, negated, folders_only)
    return _Rule(decision, folders_only, "/" not in body, regex.search, "ps_d" in regex.groupindex, plain)


def _body(text: str) -> Tuple[str, bool]:
    """The pattern proper, without the marks that are handled here; empty when it matches nothing.

    Where pathspec and git part, the pattern is rewritten to one they agree on: pathspec strips tabs, lets
    `name/` match what lies below, and knows neither `***` nor `[[:alpha:]]`.
    """
    folders_only = text.endswith("/")
    body = text[:-1] if folders_only else text
    slashes = len(body) - len(body.rstrip("\\"))
    if not body or body.endswith("/") or slashes % 2:
        return "", folders_only
    body = _CLASS.sub(lambda found: found.group(1) + _CLASSES[found.group(2)], body)
    body = _REWRITE.sub(lambda found: _REWRITTEN.get(found.group(0)[:3], found.group(0)), body)
    if body[-1].isspace() and body[-2:-1] != "\\" and body.rfind("[") <= body.rfind("]"):
        body = f"{body[:-1]}[{body[-1]}]"
    if body[0] in "!#":
        body = "\\" + body
    return body, folders_only
