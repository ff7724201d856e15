"""Tables for people: aligned, as wide as the terminal, states in colour."""

import contextlib
import os
import sys
import time
from typing import Any, Dict, List, Mapping, Sequence

from espalier.base import states
from espalier.base.records import seconds_of
from espalier.cli.output import cell
from espalier.cli.text import has_colour, is_terminal, lines, tell

_GAP = 2
# A text column gives way down to so many characters before others are left out.
_LEAST = 12
# What of a run people look at first; the rest follows as far as there is room.
_FIRST = ("run_id", "status", "experiment", "created_at", "duration_seconds", "metric_", "param_", "tag_")
# What says nothing when it is cut.
_WHOLE = ("run_id", "status")
_COLOURS = {
    states.COMPLETED: "32", states.FAILED: "31", states.DAMAGED: "31", states.RUNNING: "33", states.PREPARING: "33",
    states.CANCELED: "90",
}  # fmt: skip


def as_table(value: Any, kinds: Mapping[str, str]) -> str:
    """A value as a table: a list of objects a row each, one object a line a name, anything else a line each.

    Args:
        kinds: The kinds of columns; numbers are aligned to the right, and times shown as those of this place.
    """
    if isinstance(value, dict):
        return _names(value)
    if not isinstance(value, list):
        return "" if value is None else _paragraph(value)
    if not value or not all(isinstance(row, dict) for row in value):
        return "".join(_of_cell(item) + "\n" for item in value)
    return _rows(value, kinds)


def _names(value: Mapping[str, Any]) -> str:
    """A line a name; what has no value is left out."""
    given = {cell(name): item for name, item in value.items() if item not in (None, [], {})}
    width = max(map(_width, given), default=0)
    room = max(_room(), width + _GAP + _LEAST)
    lines = []
    for name, item in given.items():
        text = _cut(_of_cell(item), room - width - _GAP)
        lines.append(f"{_padded(name, width)}  {_coloured(text) if name == 'status' else text}\n")
    return "".join(lines)


def _rows(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> str:
    names = [name for name in _ordered(rows[0]) if any(row.get(name) is not None for row in rows)]
    columns = {name: [_shown(row.get(name), kinds.get(name, "")) for row in rows] for name in names}
    widths = {name: max(map(_width, [cell(name), *column])) for name, column in columns.items()}
    right = {name for name in names if all(_is_number(row.get(name)) for row in rows)}
    whole = {*right, *_WHOLE, *(name for name, kind in kinds.items() if kind == "time")}
    shown = _fitted(widths, {name: at if name in whole else min(at, _LEAST) for name, at in widths.items()})
    if len(shown) < len(names):
        tell(f"{len(names) - len(shown)} columns aren't shown; -o json has all.", "i")
    bold = has_colour(sys.stdout)
    head = _line([cell(name) for name in shown], shown, right)
    lines = [f"\x1b[1m{head}\x1b[0m" if bold else head]
    for row in zip(*(columns[name] for name in shown)):
        lines.append(_line(row, shown, right, coloured=bold))
    return "\n".join(lines) + "\n"


def _ordered(row: Mapping[str, Any]) -> List[str]:
    if "run_id" not in row:
        return list(row)
    place = {prefix: at for at, prefix in enumerate(_FIRST)}

    def key(name: str) -> int:
        return next((at for prefix, at in place.items() if name == prefix or _begins(name, prefix)), len(place))

    return sorted(row, key=key)


def _begins(name: str, prefix: str) -> bool:
    return prefix.endswith("_") and name.startswith(prefix)


def _fitted(widths: Mapping[str, int], least: Mapping[str, int]) -> Dict[str, int]:
    """The columns there is room for, in their order, and their widths."""
    room = _room() + _GAP
    shown: Dict[str, int] = {}
    for name in widths:
        if shown and sum(least[each] + _GAP for each in (*shown, name)) > room:
            break
        shown[name] = widths[name]
    while sum(shown.values()) + _GAP * len(shown) > room:
        widest = max(shown, key=lambda name: shown[name] - least[name])
        if shown[widest] <= least[widest]:
            break
        shown[widest] -= 1
    return shown


def _room() -> int:
    """The columns of the terminal, or those of the variable COLUMNS; no limit where there is neither."""
    with contextlib.suppress(ValueError):
        if int(os.environ.get("COLUMNS") or 0) > 0:
            return int(os.environ["COLUMNS"])
    with contextlib.suppress(ValueError, OSError):
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80 if is_terminal(sys.stdout) else 1_000_000
    return 80


def _line(cells: Sequence[str], widths: Mapping[str, int], right: "set[str]", *, coloured: bool = False) -> str:
    parts = []
    for text, (name, width) in zip(cells, widths.items()):
        padded = _padded(_cut(text, width), width, right=name in right)
        colour = _COLOURS.get(text) if coloured and name == "status" else None
        parts.append(f"\x1b[{colour}m{padded}\x1b[0m" if colour else padded)
    return (" " * _GAP).join(parts).rstrip()


def _shown(value: Any, kind: str) -> str:
    if kind == "time" and value is not None:
        return _local(value)
    return _of_cell(value)


def _of_cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return cell(value)


def _coloured(state: str) -> str:
    colour = _COLOURS.get(state) if has_colour(sys.stdout) else None
    return f"\x1b[{colour}m{state}\x1b[0m" if colour else state


def _paragraph(value: Any) -> str:
    text = lines(value) if isinstance(value, str) else cell(value)
    return text if text.endswith("\n") else text + "\n"


def _local(text: str) -> str:
    seconds = seconds_of(text)
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds is not None else ""


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _width(text: str) -> int:
    """The columns of a terminal that text takes."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    while text and _width(text) > width - 1:
        text = text[:-1]
    return text + "…"


def _padded(text: str, width: int, *, right: bool = False) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
