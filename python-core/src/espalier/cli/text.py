"""Text on its way to a terminal: what jobs and other people wrote is shown, and never obeyed."""

import contextlib
import os
import re
import sys
from typing import Any, TextIO

# Of results.
FORMATS = ("json", "table", "tsv", "yaml")
# What moves a cursor, rings, colours, ends a line, or turns the direction of writing; and halves of characters.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def one_line(text: str) -> str:
    """Text as one line without control characters; each is shown as an escape."""
    return text if text.isprintable() else _CONTROL.sub(_escape, text)


def lines(text: str) -> str:
    """The same with its line ends and tabs."""
    return text if text.isprintable() else _LINES.sub(_escape, text)


def json_text(text: str) -> str:
    """JSON that no terminal obeys: the same value, with escapes for what JSON lets stand."""
    return text if text.isprintable() else _LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: "re.Match[str]") -> str:
    sign = found[0]
    return _SHORT.get(sign) or (f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}")


def settle_streams() -> None:
    """What the terminal's character set lacks is shown as an escape, and fails no command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def give_up_broken_streams() -> None:
    """What a stream doesn't take is dropped, so that the interpreter doesn't fail at it when it ends."""
    for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def is_terminal(stream: Any) -> bool:
    """Whether people look at a stream."""
    return stream is not None and stream.isatty()


def has_colour(stream: TextIO) -> bool:
    """Whether colours are wanted there: on a terminal that has some, unless NO_COLOR is set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write(text: str) -> None:
    """Write to stdout, if there is one."""
    if sys.stdout is not None:
        sys.stdout.write(text)


def tell(text: str, mark: str = "") -> None:
    """A line for people, to stderr.

    Args:
        mark: What it begins with: `i` for advice, `!` for a warning.
    """
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):  # (a message that finds no reader changes no result)
        sys.stderr.write(f"{mark} {lines(text)}\n" if mark else f"{lines(text)}\n")
        sys.stderr.flush()
