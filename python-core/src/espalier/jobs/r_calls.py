"""Calls in R code and their arguments, found without R."""

import re
from typing import Iterator, List, Optional

# Strings and comments, in which brackets and commas mean nothing.
_TOKENS = re.compile(
    r"""[rR](?P<q>["'])(?P<dash>-*)\(.*?\)(?P=dash)(?P=q)|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|\#[^\n]*""",
    re.DOTALL,
)
_OPENING, _CLOSING = "([{", ")]}"
_LITERAL = re.compile(r"""\s*(["'])([^"'\\]*)\1\s*$""")
_NAMED = re.compile(r"""\s*(?:([A-Za-z.][\w.]*)|["'`]([^"'`\\]+)["'`])\s*=(?!=)""")


def without_comments(code: str) -> str:
    """R code whose comments are blank."""
    return _TOKENS.sub(lambda found: found[0] if found[0][0] != "#" else " ", code)


def calls_of(code: str, name: str) -> Iterator[List[str]]:
    """The arguments of each call of a function, as text.

    Args:
        code: R code without comments.
        name: A pattern of the function's name.
    """
    blank = _TOKENS.sub(lambda found: "_" * len(found[0]), code)
    for found in re.finditer(rf"(?<![\w.]){name}\s*\(", blank):
        arguments = _arguments(code, blank, found.end())
        if arguments is not None:
            yield arguments


def _arguments(code: str, blank: str, begin: int) -> Optional[List[str]]:
    """What stands between commas from here to the closing bracket; None if there is none."""
    depth, start, found = 0, begin, []
    for at in range(begin, len(blank)):
        char = blank[at]
        if char in _OPENING:
            depth += 1
        elif char in _CLOSING and depth:
            depth -= 1
        elif char in _CLOSING or (char == "," and not depth):
            found.append(code[start:at])
            start = at + 1
            if char != ",":
                return [text for text in found if text.strip()]
    return None


def name_of(argument: str) -> Optional[str]:
    """The name that an argument is given by, or None."""
    found = _NAMED.match(argument)
    return (found[1] or found[2]) if found else None


def texts_of(argument: str) -> Optional[List[str]]:
    """The texts of a literal, or of a `c()` of literals; None for anything else."""
    inner = re.fullmatch(r"\s*c\s*\((.*)\)\s*", argument, re.DOTALL)
    found = [_LITERAL.match(part) for part in (inner[1].split(",") if inner else [argument])]
    return [literal[2] for literal in found if literal] if all(found) else None
