"""The values of one column, as Python objects or as a NumPy array over R's memory."""

import ctypes
import datetime
from typing import Any, Callable, Dict, Iterator, List, Optional

from espalier_bridge.arrow.export import Node

_TYPES: Dict[str, Any] = {
    "c": ctypes.c_int8, "C": ctypes.c_uint8, "s": ctypes.c_int16, "S": ctypes.c_uint16, "i": ctypes.c_int32,
    "I": ctypes.c_uint32, "l": ctypes.c_int64, "L": ctypes.c_uint64, "f": ctypes.c_float, "g": ctypes.c_double,
    "tdD": ctypes.c_int32,
}
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
_UTC = datetime.timezone.utc
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)
_UNITS = {"s": "s", "m": "ms", "u": "us", "n": "ns"}
_MICROS = {"s": 1_000_000, "m": 1_000, "u": 1}


class Values:
    """One column of a `Table`."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def name(self) -> str:
        """The column's name."""
        return self._node.name

    @property
    def type(self) -> str:
        """Arrow's format string, of the values for a dictionary."""
        return self._node.dictionary.format if self._node.dictionary else self._node.format

    def __len__(self) -> int:
        return self._node.length

    @property
    def ordered(self) -> bool:
        """Whether it is an ordered factor of R."""
        return bool(self._node.flags & 1)

    def missing(self) -> Optional[List[bool]]:
        """Where values are missing; None where none is."""
        node = self._node
        if not node.nulls or not node.buffers or not node.buffers[0]:
            return None
        return [not present for present in _bits(node, 0)]

    def memory(self) -> memoryview:
        """Numbers in place, read-only; what stands at missing places has no meaning.

        Raises:
            TypeError: they are not numbers.
        """
        node = self._node
        of = ctypes.c_int64 if node.format.startswith("ts") else _TYPES.get(node.format)
        if of is None:
            raise TypeError(f"column {self.name!r} is not a column of numbers but of Arrow type {node.format!r}")
        if not node.length:
            return memoryview((of * 0)()).cast("B").cast(of._type_).toreadonly()
        array = (of * node.length).from_address(node.buffers[1] + ctypes.sizeof(of) * node.offset)
        array._owner = node.keep  # R's memory lives as long as this view
        return memoryview(array).cast("B").cast(of._type_).toreadonly()

    def to_numpy(self) -> Any:
        """A NumPy array over the same memory, without a copy; masked where whole numbers are missing.

        Missing doubles are NaN, as they are in R's memory. NumPy must be there.
        """
        import numpy

        values = numpy.asarray(self.memory())
        if self._node.format.startswith("ts"):
            values = values.view(f"datetime64[{_UNITS[self._node.format[2]]}]")
        missing = None if self._node.format in ("f", "g") else self.missing()
        return values if missing is None else numpy.ma.masked_array(values, missing)

    def to_list(self) -> List[Any]:
        """Python objects, None for missing ones.

        Dates are `datetime.date`, times `datetime.datetime` in UTC, factors text, lists lists.

        Raises:
            ValueError: times finer than microseconds, which Python's have not.
        """
        values = _read(self._node)
        missing = self.missing()
        if missing is None:
            return list(values)
        return [None if gone else value for value, gone in zip(values, missing)]

    def __repr__(self) -> str:
        return f"<{len(self)} values of Arrow type {self.type!r}>"


def _bits(node: Node, which: int) -> Iterator[bool]:
    first, last = node.offset, node.offset + node.length
    data = ctypes.string_at(node.buffers[which], (last + 7) // 8)
    return (bool(data[i >> 3] >> (i & 7) & 1) for i in range(first, last))


def _read(node: Node) -> Any:
    if node.dictionary is not None:
        levels = Values(node.dictionary).to_list()
        codes = Values(Node(node.format, node.length, node.buffers, node.keep, offset=node.offset)).memory()
        return [levels[code] if levels else None for code in codes]
    reader = _READERS.get(node.format)
    if reader is not None:
        return reader(node)
    if node.format.startswith("ts"):
        return _times(node)
    if node.format.startswith("+w:2"):
        parts = Values(node.children[0]).to_list()[2 * node.offset : 2 * (node.offset + node.length)]
        return [a if a is None else complex(a, b) for a, b in zip(parts[::2], parts[1::2])]
    return Values(node).memory()


def _texts(node: Node) -> List[str]:
    wide = ctypes.c_int64 if node.format == "U" else ctypes.c_int32
    offsets = (wide * (node.length + 1)).from_address(node.buffers[1] + ctypes.sizeof(wide) * node.offset)
    size = offsets[node.length] if node.length else 0
    # (string_at() counts in 32 bits)
    data = memoryview((ctypes.c_char * size).from_address(node.buffers[2]) if size else b"")
    return [str(data[offsets[i] : offsets[i + 1]], "utf-8") for i in range(node.length)]


def _dates(node: Node) -> List[Any]:
    return [_date(day) for day in Values(node).memory()]


def _date(day: int) -> Any:
    ordinal = day + _EPOCH_DAY
    return datetime.date.fromordinal(ordinal) if 1 <= ordinal <= datetime.date.max.toordinal() else None


def _times(node: Node) -> List[Any]:
    unit = node.format[2]
    if unit == "n":
        raise ValueError(f"column {node.name!r} has times finer than microseconds; use to_numpy() or pyarrow")
    return [_EPOCH + datetime.timedelta(microseconds=tick * _MICROS[unit]) for tick in Values(node).memory()]


def _lists(node: Node) -> List[Any]:
    wide = ctypes.c_int64 if node.format == "+L" else ctypes.c_int32
    offsets = (wide * (node.length + 1)).from_address(node.buffers[1] + ctypes.sizeof(wide) * node.offset)
    items = Values(node.children[0]).to_list()
    return [items[offsets[i] : offsets[i + 1]] for i in range(node.length)]


def _rows(node: Node) -> List[Dict[str, Any]]:
    names = [child.name for child in node.children]
    rows = slice(node.offset, node.offset + node.length)
    columns = [Values(child).to_list()[rows] for child in node.children]
    return [dict(zip(names, row)) for row in zip(*columns)] if columns else [{} for _ in range(node.length)]


_READERS: Dict[str, Callable[[Node], Any]] = {
    "n": lambda node: [None] * node.length,
    "b": lambda node: list(_bits(node, 1)),
    "u": _texts, "U": _texts, "tdD": _dates, "+l": _lists, "+L": _lists, "+s": _rows,
}
