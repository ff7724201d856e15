"""Logs of jobs as text for people: what a terminal would show in the end, in bounded memory. Standard library."""

import os
import re
from typing import BinaryIO, List, Optional, Tuple

from espalier.adapters.files import open_regular

# Control characters other than tab and newline, and what follows an escape: CSI, OSC, or one character. (One set of
# characters at the beginning, so that plain text is searched fast.)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f](?:(?<=\x1b)(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|.))?"
)
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|.)")
# Back to the beginning of the line, or the whole line erased.
_BACK = re.compile(r"\x1b\[(?:[01]?G|2K)")
_LINE_END = re.compile(r"\r+\n")
_CONTROL_BYTES = bytes([*range(9), *range(11, 32), 127])

# How much of a log is read for people at most, bytes, and characters of one of its lines.
LOG_BYTES = 16 * 1024 * 1024
_LINE_LENGTH = 10_000


def plain_text(text: str) -> str:
    """Text of a job made safe to show: of a line that was written over again and again its last output, and no
    control sequences."""
    if "\r" in text or "\b" in text or "\x1b" in text:
        text = "\n".join(map(_settled, _LINE_END.sub("\n", text).split("\n")))
    return _CONTROL.sub("", text)


def plain_bytes(data: bytes) -> str:
    """`plain_text` of bytes; fast where there is nothing to remove."""
    text = data.decode("utf-8", "replace")
    # (control characters beyond ASCII begin with \xc2)
    is_plain = b"\xc2" not in data and len(data.translate(None, _CONTROL_BYTES)) == len(data)
    return text if is_plain else plain_text(text)


def _settled(line: str) -> str:
    """What a line shows in the end: progress bars write it over by carriage returns, backspaces and escapes."""
    if "\x1b" in line:
        line = _SEQUENCE.sub("", _BACK.sub("\r", line))
    if "\b" in line:
        line = _without_backspaces(line)
    if "\r" not in line:
        return line
    shown = [part for part in line.split("\r") if part.strip()]
    return shown[-1] if shown else ""


def _without_backspaces(line: str) -> str:
    kept: List[str] = []
    for char in line:
        if char != "\b":
            kept.append(char)
        elif kept and kept[-1] != "\r":
            kept.pop()
    return "".join(kept)


def lines_of(file: BinaryIO, path: str, n: Optional[int] = None, limit_bytes: int = LOG_BYTES) -> List[str]:
    """The last lines of a log, as a terminal would show them.

    Args:
        n: How many lines; None for all.
        limit_bytes: How much of the log is read. A first line reports what is left out.
    """
    lines, left_out = _last_lines(file, limit_bytes)
    if n is not None and n < len(lines):
        return lines[len(lines) - n :]
    return [left_out_note(left_out, path), *lines] if left_out else lines


def last_lines(path: str, limit_bytes: int) -> List[str]:
    """The lines in the last bytes of a log; empty if there is none."""
    try:
        with open_regular(path) as file:
            return _last_lines(file, limit_bytes)[0]
    except OSError:
        return []


def _last_lines(file: BinaryIO, limit_bytes: int) -> Tuple[List[str], int]:
    """Lines, and how many bytes there are before them."""
    size = os.fstat(file.fileno()).st_size
    begin = max(size - limit_bytes, 0)
    file.seek(begin)
    data = file.read(limit_bytes)
    # (the first line is torn, unless there is no other)
    first_end = data.find(b"\n") + 1 if begin else 0
    lines = plain_bytes(data[first_end:]).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [cut_middle(line, _LINE_LENGTH) for line in lines], begin + first_end


def cut_middle(line: str, length: int) -> str:
    """A line of at most so many characters: of a longer one its two ends, with an ellipsis between."""
    front = (length - 1) // 2
    return line if len(line) <= length else line[:front] + "…" + line[len(line) - (length - 1 - front) :]


def left_out_note(left_out: int, path: str) -> str:
    """What stands in place of the beginning of a long log."""
    return f"[the first {left_out / 1e6:,.1f} MB of this log are left out; the whole log: {path}]"
