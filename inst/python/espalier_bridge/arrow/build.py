"""Columns from Python's own values. Nothing is rounded or guessed silently: what does not fit is refused by name."""

import ctypes
import datetime
import itertools
import operator
from array import array
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from espalier_bridge.arrow import layout
from espalier_bridge.arrow.export import Node

_INT32 = range(-(2**31) + 1, 2**31)  # -2^31 is R's NA
_INT64 = range(-(2**63), 2**63)
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

# Given by R at the start: notes that carry it are believed there.
token = {"value": ""}


def note(kind: str) -> bytes:
    """Metadata that tells R what Arrow's types cannot: `raw`, `complex`."""
    return layout.write_metadata({"espalier.r": f"{token['value']} 0 {kind}"})


def table(columns: Sequence[Tuple[str, Node]], rows: Optional[int] = None) -> Node:
    """Named columns as a table.

    Raises:
        ValueError: they differ in length.
    """
    lengths = {name: node.length for name, node in columns}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r} has {length}" for name, length in list(lengths.items())[:6])
        raise ValueError(f"columns of different lengths cannot make a data frame: {shown}")
    for name, node in columns:
        node.name = name
    height = next(iter(lengths.values()), rows or 0)
    return Node("+s", height, [0], children=[node for _, node in columns])


# ---- buffers ----------------------------------------------------------------------------------------------


def address(memory: Any) -> int:
    """Where the bytes of an `array.array` or of bytes begin; 0 for none."""
    if isinstance(memory, array):
        return memory.buffer_info()[0] if len(memory) else 0
    return ctypes.cast(ctypes.c_char_p(memory), ctypes.c_void_p).value or 0 if memory else 0


def pack(flags: bytes) -> bytes:
    """Bytes of 0 and 1 as bits, the first one lowest."""
    if not flags:
        return b""
    digits = flags[::-1].translate(_DIGITS)
    return int(digits, 2).to_bytes((len(flags) + 7) // 8, "little")


_DIGITS = bytes(b"1"[0] if value else b"0"[0] for value in range(256))


def column(format_: str, length: int, data: Sequence[Any], present: Optional[bytes] = None, **more: Any) -> Node:
    """A node that owns its buffers.

    Args:
        format_: Arrow's format.
        length: Rows.
        data: The buffers after the bitmap, as `array.array` or bytes.
        present: A byte for each row, 0 where the value is missing; None if none is.
        more: Further fields of the node.
    """
    bits = pack(present) if present is not None else b""
    buffers = [address(bits), *(address(buffer) for buffer in data)]
    nulls = present.count(0) if present is not None else 0
    return Node(format_, length, buffers, keep=[bits, data], nulls=nulls, **more)


def _filled(values: Sequence[Any], filler: Any) -> Tuple[Sequence[Any], Optional[bytes]]:
    """The values with something harmless for None, and where they are present."""
    if None not in values:
        return values, None
    if values.count(None) == len(values):
        return [filler] * len(values), bytes(len(values))
    present = bytes(map(operator.is_not, values, itertools.repeat(None)))
    return [filler if value is None else value for value in values], present


# ---- kinds ------------------------------------------------------------------------------------------------


def doubles(values: Sequence[Any]) -> Node:
    """Numbers as float64."""
    full, present = _filled(values, 0.0)
    return column("g", len(values), [array("d", full)], present)


def integers(values: Sequence[Any]) -> Node:
    """Whole numbers, in 32 bits where all fit, else in 64."""
    full, present = _filled(values, 0)
    low, high = min(full, default=0), max(full, default=0)
    if low in _INT32 and high in _INT32:
        return column("i", len(values), [array("i", full)], present)
    if low in _INT64 and high in _INT64:
        return column("l", len(values), [array("q", full)], present)
    raise ValueError("a whole number beyond 64 bits; turn it into a float or into text")


def logicals(values: Sequence[Any]) -> Node:
    """True and False."""
    full, present = _filled(values, False)
    return column("b", len(values), [pack(bytes(full))], present)


def texts(values: Sequence[Any]) -> Node:
    """Text as it is.

    Raises:
        ValueError: it has zero bytes or lone surrogates, which R's strings cannot hold.
    """
    joined = "".join(value for value in values if value is not None)
    if "\0" in joined:
        raise ValueError("text with a zero byte, which R's strings cannot have")
    try:
        joined.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("text that is no UTF-8 (lone surrogates)") from None
    return strings(values)


def strings(values: Sequence[Any]) -> Node:
    """Text; as a dictionary where few strings make many rows.

    What R's strings cannot hold (zero bytes, lone surrogates) becomes U+FFFD: names of files have them.
    """
    full, present = _filled(values, "")
    # (of ids a few tell that they are no words)
    some = full[:: len(full) // 500 or 1]
    if len(full) < 1000 or len(set(some)) > len(some) // 2:
        return _texts(full, present)
    distinct = dict.fromkeys(full)
    if len(distinct) > len(full) // 10:
        return _texts(full, present)
    codes = dict(zip(distinct, range(len(distinct))))
    indices = array("i", map(codes.__getitem__, full)) if len(codes) > 1 else array("i", bytes(4 * len(full)))
    words = _texts(list(distinct), None)
    return column("i", len(full), [indices], present, dictionary=words, metadata=note("character"))


def _texts(full: Sequence[str], present: Optional[bytes]) -> Node:
    joined = "".join(full)
    if joined.isascii() and "\0" not in joined:
        encoded, lengths = joined.encode("ascii"), map(len, full)
    else:
        parts = [text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace") for text in full]
        encoded, lengths = b"".join(parts), map(len, parts)
    wide = len(encoded) > 2**31 - 1
    offsets = array("q" if wide else "i", itertools.accumulate(lengths, initial=0))
    return column("U" if wide else "u", len(full), [offsets, encoded], present)


def blobs(values: Sequence[Any]) -> Node:
    """Bytes; a list of raw vectors in R."""
    full, present = _filled(values, b"")
    offsets = array("q", itertools.accumulate((len(value) for value in full), initial=0))
    return column("Z", len(values), [offsets, b"".join(bytes(value) for value in full)], present)


def complexes(values: Sequence[Any]) -> Node:
    """Complex numbers."""
    parts = [part for value in values for part in ((None, None) if value is None else (value.real, value.imag))]
    return Node("+w:2", len(values), [0], children=[doubles(parts)], metadata=note("complex"))


def dates(values: Sequence[Any]) -> Node:
    """`datetime.date`."""
    full, present = _filled([None if day is None else day.toordinal() - _EPOCH_DAY for day in values], 0)
    return column("tdD", len(values), [array("i", full)], present)


def seconds(values: Sequence[Any]) -> Node:
    """Seconds since 1970, UTC, as times: they stay the doubles that R's times are made of."""
    node = doubles(values)
    node.metadata = note("POSIXct::UTC")
    return node


def times(values: Sequence[Any]) -> Node:
    """`datetime.datetime`: all with a zone, or all without one.

    Raises:
        ValueError: some have a zone and some not.
    """
    aware = {value.tzinfo is not None for value in values if value is not None}
    if len(aware) > 1:
        raise ValueError("times with and without a time zone in one column")
    zone = _zone(values) if aware == {True} else ""
    micro = datetime.timedelta(microseconds=1)
    start = _EPOCH if zone else _EPOCH.replace(tzinfo=None)
    full, present = _filled([None if value is None else (value - start) // micro for value in values], 0)
    return column(f"tsu:{zone}", len(values), [array("q", full)], present)


def _zone(values: Sequence[Any]) -> str:
    zones = {str(value.tzinfo) for value in values if value is not None}
    return zone_name(zones.pop()) if len(zones) == 1 else "UTC"


def zone_name(zone: str) -> str:
    """A zone that R knows: those with a place. Offsets such as UTC+02:00 it does not, so these instants are in UTC."""
    return zone if "/" in zone else "UTC"


def durations(values: Sequence[Any]) -> Node:
    """`datetime.timedelta`."""
    micro = datetime.timedelta(microseconds=1)
    full, present = _filled([None if value is None else value // micro for value in values], 0)
    return column("tDu", len(values), [array("q", full)], present)


# ---- any Python values ------------------------------------------------------------------------------------

_BY_TYPE: Dict[Any, Callable[[Sequence[Any]], Node]] = {
    bool: logicals, int: integers, float: doubles, str: texts, bytes: blobs, complex: complexes,
    datetime.datetime: times, datetime.date: dates, datetime.timedelta: durations,
}
# What may stand in one column together: the types, and what they become.
_MIXED: List[Tuple[Any, Callable[[Sequence[Any]], Node]]] = [
    ({int, float}, doubles), ({int, float, complex}, complexes),
]


def _maker(kinds: Any) -> Optional[Callable[[Sequence[Any]], Node]]:
    if len(kinds) == 1:
        return _BY_TYPE.get(next(iter(kinds)))
    return next((make for known, make in _MIXED if kinds <= known), None)


def have_one_kind(values: Sequence[Any]) -> bool:
    """Whether plain values, None among them, can stand in one column."""
    kinds = {type(value) for value in values} - {type(None)}
    return not kinds or _maker(kinds) is not None


def from_values(values: Sequence[Any], what: str = "the list") -> Node:
    """A column of the kind that the values are of; None is missing, lists make a list column.

    Raises:
        TypeError: they are of several kinds, or of one that R has no column for.
        ValueError: one of them does not fit.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return Node("n", len(values), [], nulls=len(values))
    make = _maker(kinds)
    if make is not None:
        try:
            return make(values)
        except ValueError as error:
            raise ValueError(f"{what} has {error}") from error
    if kinds <= {list, tuple}:
        return _lists(values, what)
    shown = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(f"{what} has values of type {shown}, which make no column of R")


def _lists(values: Sequence[Any], what: str) -> Node:
    full, present = _filled(values, ())
    items = from_values(list(itertools.chain.from_iterable(full)), f"an element of {what}")
    items.name = "item"
    offsets = array("q", itertools.accumulate(map(len, full), initial=0))
    return column("+L", len(values), [offsets], present, children=[items])
