"""Tables for people: aligned, as wide as the terminal, states in colour."""

import contextlib
import os
import sys
import time
from typing import Any, Dict, Iterator, List, Mapping, Sequence

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.records import seconds_of
from espalier.base.types import Frame
from espalier.cli.output import cell
from espalier.cli.text import has_colour, is_terminal, lines, tell

_GAP = 2
# A text column gives way down to so many characters before others are left out.
_LEAST = 12
# So many characters of a text are shown beside its name.
_MOST = 4_000
# What says nothing when it is cut.
_WHOLE = ("run_id", "status")
_COLOURS = {
    states.COMPLETED: "32", states.FAILED: "31", states.DAMAGED: "31", states.RUNNING: "33", states.PREPARING: "33",
    states.CANCELED: "90",
}  # fmt: skip
# What filters write, and how the column begins.
_PREFIXES = (("metrics.", "metric_"), ("params.", "param_"), ("tags.", "tag_"), ("attributes.", ""))
# By these people compare runs.
_COMPARED = (("metric_", "first(", "min(", "max("), ("param_",), ("tag_",))
_SHOWN = 8


def as_table(value: Any, kinds: Mapping[str, str], always: Sequence[str] = ()) -> str:
    """A value as a table: a list of objects a row each, one object a line a name, anything else a line each.

    Args:
        kinds: The kinds of columns; numbers are aligned to the right, and times shown as those of this place.
        always: Columns that are shown even if there is no room for them.
    """
    if isinstance(value, dict):
        return "".join(line + "\n" for line in _names(value, ""))
    if not isinstance(value, list):
        return "" if value is None else _paragraph(value)
    if not value or not all(isinstance(row, dict) for row in value):
        return "".join(_of_cell(item) + "\n" for item in value)
    return _rows(value, kinds, always)


def _names(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    """A line a name, and what an object holds below its name; what has no value is left out."""
    given = {cell(name): item for name, item in value.items() if item not in (None, [], {})}
    flat = [name for name, item in given.items() if not _is_nested(item)]
    width = max(map(_width, flat), default=0)
    for name, item in given.items():
        if not _is_nested(item):
            head = f"{indent}{_padded(name, width)}  "
            for number, text in enumerate(_wrapped(item, _room() - len(head))):
                shown = _coloured(text) if name == "status" else text
                yield (head if number == 0 else " " * len(head)) + shown
            continue
        yield f"{indent}{name}:"
        for number, part in enumerate(item if isinstance(item, list) else [item]):
            if number:
                yield ""
            yield from _names(part, indent + "  ")


def _is_nested(item: Any) -> bool:
    parts = item if isinstance(item, list) else [item]
    return all(isinstance(part, dict) for part in parts)


def _wrapped(item: Any, room: int) -> List[str]:
    """A value in lines; of long text the beginning."""
    if isinstance(item, list) and not any(isinstance(part, (list, dict)) for part in item):
        parts = [lines(part) if isinstance(part, str) else _of_cell(part) for part in item]
        text = ", ".join(parts)
        if len(text) > room or "\n" in text:
            text = "\n".join(parts)
    else:
        text = lines(item) if isinstance(item, str) else _of_cell(item)
    if len(text) <= room and "\n" not in text:
        return [text]
    import textwrap

    text = text if len(text) <= _MOST else text[:_MOST] + "…"
    width = max(room, _LEAST)
    found = [part for line in text.splitlines() for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]
    return found or [""]


def _rows(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str], always: Sequence[str]) -> str:
    names = _ordered(rows, always)
    columns = {name: [_shown(row.get(name), kinds.get(name, "")) for row in rows] for name in names}
    widths = {name: max(map(_width, [cell(name), *column])) for name, column in columns.items()}
    right = {name for name in names if all(_is_number(row.get(name)) for row in rows)}
    whole = {*right, *_WHOLE, *(name for name, kind in kinds.items() if kind == "time")}
    shown = _fitted(widths, {name: at if name in whole else min(at, _LEAST) for name, at in widths.items()}, always)
    if len(shown) < len(names):
        tell(f"{len(names) - len(shown)} columns aren't shown; --columns chooses, -o json has all.", "i")
    bold = has_colour(sys.stdout)
    head = _line([cell(name) for name in shown], shown, right)
    lines = [f"\x1b[1m{head}\x1b[0m" if bold else head]
    for row in zip(*(columns[name] for name in shown)):
        lines.append(_line(row, shown, right, coloured=bold))
    return "\n".join(lines) + "\n"


def _ordered(rows: Sequence[Mapping[str, Any]], always: Sequence[str]) -> List[str]:
    """The columns that have values, and those that are always shown; of runs as people compare these."""
    if "run_id" in rows[0] and "created_at" in rows[0] and len(always) < len(rows[0]):
        return compared(rows, always)
    return [name for name in rows[0] if name in always or any(row.get(name) is not None for row in rows)]


def _fitted(widths: Mapping[str, int], least: Mapping[str, int], always: Sequence[str]) -> Dict[str, int]:
    """The columns there is room for, in their order, and their widths."""
    room = _room() + _GAP
    shown: Dict[str, int] = {}
    for name in widths:
        if shown and name not in always and sum(least[each] + _GAP for each in (*shown, name)) > room:
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


def chosen_columns(frame: Frame, text: str) -> Frame:
    """A table with the columns that a user chose.

    Args:
        text: Their names, with commas between them; also as filters write them, `metrics.auc`.

    Raises:
        EspalierError: `bad_argument`: the table lacks the column.
    """
    chosen = [_column(name.strip()) for name in text.split(",") if name.strip()]
    for name in chosen:
        if name not in frame.columns:
            import difflib

            near = difflib.get_close_matches(name, frame.columns, _SHOWN, 0.5) or list(frame.columns)[:_SHOWN]
            raise EspalierError(
                "bad_argument", f"Can't show the column {name!r:.100}.", f"There are {', '.join(near)}."
            )
    found = Frame({name: frame.columns[name] for name in chosen}, frame.kinds)
    found.page_token = frame.page_token
    return found


def _column(name: str) -> str:
    for word, prefix in _PREFIXES:
        name = name.replace(word, prefix, 1)
    return name


def named_columns(arguments: Mapping[str, Any]) -> List[str]:
    """The columns that a list of runs is sorted and filtered by."""
    from espalier.store.index.grammar import fields_of, parse_filter, parse_order

    tree = parse_filter(arguments.get("filter") or "")
    fields = [order.field for order in parse_order(arguments.get("order_by") or [])]
    fields += list(fields_of(tree)) if tree is not None else []
    return list(dict.fromkeys(field.column for field in fields))


def compared(rows: Sequence[Mapping[str, Any]], named: Sequence[str]) -> List[str]:
    """The columns of runs, those first by which people compare them; last those that are the same in all rows.

    Args:
        named: What the list is sorted or filtered by.
    """
    names = [name for name in rows[0] if name in named or any(row.get(name) is not None for row in rows)]
    differs = [name for name in names if len(rows) == 1 or len({repr(row.get(name)) for row in rows}) > 1]
    measured = [name for prefixes in _COMPARED for name in differs if name.startswith(prefixes)]
    first = ["run_id", "status", *named, *measured, "duration_seconds", "created_at", *differs, *names]
    return [name for name in dict.fromkeys(first) if name in names]
