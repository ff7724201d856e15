"""Types that public signatures use, beside Python's own."""

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Union

from espalier.base.values import NA, from_json, value_text

INT_MAX = 2**31 - 1

# How one column of a frame is to be read; `time` is seconds since 1970, UTC.
KINDS = ("double", "integer", "logical", "string", "time")


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

    def rows(self) -> List[Dict[str, Any]]:
        """The same table as one dict a row."""
        names = list(self.columns)
        return [dict(zip(names, values)) for values in zip(*self.columns.values())]


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
