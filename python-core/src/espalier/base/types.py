"""Types that public signatures use, beside Python's own."""

import time
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Union

from espalier.base.values import NA, from_json, value_text

INT_MAX = 2**31 - 1

# How one column of a frame is to be read; `time` is seconds since 1970, UTC.
KINDS = ("double", "integer", "logical", "string", "time")
# What `repr` shows of a table: so many rows, so wide in all, so much of a value.
_ROWS, _WIDTH, _CELL = 10, 100, 40


if TYPE_CHECKING:
    Data = Any
    Index = int
    Text = Union[str, float]
else:

    class Data:
        """Any data: a table, a column, an array, or nested lists and dicts of these. A mark for signatures only."""

    class Index:
        """A position: an int, from 0 here, as other languages count there. A mark for signatures only."""

    class Text:
        """Text, or a number or logical value that is recorded as text. A mark for signatures only."""


class Frame:
    """A small table: named columns of equal length, each with its kind. None is a missing value.

    Args:
        columns: Column name to values, in the order to show.
        kinds: Column name to one of `KINDS`, for every column.

    Attributes:
        page_token: Of a list that was asked for by pages: the token of the next page; None after the last.

    Raises:
        ValueError: a column has no kind, an unknown kind, or another length than the first.
    """

    page_token: Optional[str] = None

    def __init__(self, columns: Mapping[str, Sequence[Any]], kinds: Mapping[str, str]) -> None:
        self.columns: Dict[str, List[Any]] = {name: list(values) for name, values in columns.items()}
        self.kinds: Dict[str, str] = {}
        lengths = {len(values) for values in self.columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")
        for name in self.columns:
            kind = kinds.get(name, "none")
            if kind not in KINDS:
                raise ValueError(f"column {name!r}: kind {kind!r} is not one of {', '.join(KINDS)}")
            self.kinds[name] = kind

    @classmethod
    def of_rows(cls, rows: Sequence[Sequence[Any]], kinds: Mapping[str, str]) -> "Frame":
        """A table of rows, each of which has its values in the order of `kinds`."""
        return cls({name: [row[at] for row in rows] for at, name in enumerate(kinds)}, kinds)

    def __len__(self) -> int:
        """How many rows."""
        return len(next(iter(self.columns.values()), ()))

    def __repr__(self) -> str:
        """The first rows as a table, each cut to the width of a terminal."""
        return "\n".join([f"Frame of {len(self)} rows and {len(self.columns)} columns", *_table(self)])

    def to_dict(self) -> Dict[str, List[Any]]:
        """The columns by name, as lists that can be changed."""
        return {name: list(values) for name, values in self.columns.items()}

    def to_pandas(self) -> Any:
        """The same table as a pandas DataFrame, with times in UTC. Raises ImportError without pandas."""
        import pandas  # (a session need not have it)

        table = pandas.DataFrame(self.to_dict())
        for name, kind in self.kinds.items():
            if kind == "time":
                table[name] = pandas.to_datetime(table[name], unit="s", utc=True)
        return table

    def rows(self) -> List[Dict[str, Any]]:
        """The same table as one dict a row."""
        names = list(self.columns)
        return [dict(zip(names, values)) for values in zip(*self.columns.values())]


def _table(frame: Frame) -> List[str]:
    """The first rows of a table as lines: columns as far as there is room for them."""
    columns = []
    for name, values in frame.columns.items():
        cells = [name, *(_cell(value, frame.kinds[name]) for value in values[:_ROWS])]
        width = max(map(len, cells))
        right = frame.kinds[name] in ("double", "integer")
        columns.append([cell.rjust(width) if right else cell.ljust(width) for cell in cells])
    shown, used = 0, -2
    for column in columns:
        used += len(column[0]) + 2
        if shown and used > _WIDTH:
            break
        shown += 1
    lines = [line.rstrip() for line in map("  ".join, zip(*columns[:shown]))]
    lines += [f"... and {len(frame) - _ROWS} more rows"] if len(frame) > _ROWS else []
    return lines + ([f"... and more columns: {', '.join(list(frame.columns)[shown:])}"] if shown < len(columns) else [])


def _cell(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == "time":
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(value))
    text = f"{value:.6g}" if isinstance(value, float) else ascii(value)[1:-1] if isinstance(value, str) else str(value)
    return text if len(text) <= _CELL else text[: _CELL - 3] + "..."


def common_kind(cells: Sequence[Mapping[str, Any]]) -> str:
    """The narrowest kind that holds all values: logical, integer, double, string."""
    kinds = {cell["kind"] for cell in cells if cell["value"] != "!NA" or cell["kind"] != "logical"}
    if len(kinds) <= 1:
        kind = kinds.pop() if kinds else "logical"
        wide = kind == "integer" and any(abs(v) > INT_MAX for v in (c["value"] for c in cells) if isinstance(v, int))
        return "double" if wide else str(kind)
    return "double" if kinds == {"integer", "double"} else "string"


def as_kind(cell: Optional[Mapping[str, Any]], kind: str) -> Any:
    """The value of a `{"kind", "value"}` cell as one of a column of `kind`; None for a missing cell or NA."""
    if cell is None:
        return None
    value = from_json(cell["value"])
    if value is NA:
        return None
    if kind == "double":
        return float(value)
    return value_text(value) if kind == "string" else value
