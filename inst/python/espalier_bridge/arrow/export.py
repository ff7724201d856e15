"""Columns as Arrow structs that others may take over.

All nodes of a table lie in one array of numbers, so a table of 10,000 columns costs a few calls into ctypes, not
10,000. That memory goes when the last node was released: consumers may move children out of a table and keep them.
"""

import ctypes
import itertools
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from espalier_bridge.arrow import layout


@dataclass
class Node:
    """One column with its type, or a table: a node of format `+s`.

    Args:
        format: Arrow's format string.
        length: Rows.
        buffers: Addresses, 0 for none; the validity bitmap first.
        keep: What owns the memory behind the addresses.
        name: The column's.
        nulls: How many values are missing; -1 for unknown.
        offset: Elements to skip in the buffers.
        flags: Arrow's flags.
        children: Columns of a struct, items of a list.
        dictionary: The distinct values, for indices.
        metadata: As `layout.write_metadata()` gives it.
    """

    format: str
    length: int
    buffers: Sequence[int]
    keep: Any = None
    name: str = ""
    nulls: int = 0
    offset: int = 0
    flags: int = layout.NULLABLE
    children: List["Node"] = field(default_factory=list)
    dictionary: Optional["Node"] = None
    metadata: bytes = b""


class _Kind(NamedTuple):
    """Where the fields of a struct are that point to others."""

    width: int
    children: int
    dictionary: int
    release: int


_ARRAY = _Kind(layout.ARRAY_FIELDS, 6, 7, layout.ARRAY_RELEASE)
_SCHEMA = _Kind(layout.SCHEMA_FIELDS, 5, 6, layout.SCHEMA_RELEASE)
_N_CHILDREN = 4  # in both


class _Shared:
    """The memory of all nodes of one table."""

    def __init__(self, kind: _Kind, keep: Any) -> None:
        self.kind, self.keep, self.live = kind, keep, 0
        self.fields: Any = None


_shared: Dict[int, _Shared] = {}
_keys = itertools.count(1)
_lock = threading.Lock()


def pending() -> int:
    """How many tables were handed out and not released; for tests."""
    return len(_shared) + len(_lent)


# ---- release: called by consumers, on any thread ------------------------------------------------------


def _release(kind: _Kind, address: int) -> None:
    fields = (ctypes.c_int64 * kind.width).from_address(address)
    key, is_root = fields[kind.width - 1] >> 1, fields[kind.width - 1] & 1
    shared = _shared[key]
    gone = 1
    if is_root:
        # All nodes at once; those that were moved elsewhere are marked so.
        marks = shared.fields[kind.release :: kind.width]
        gone += len(marks) - 1 - marks[1:].count(0)
    else:
        for child in _below(kind, fields):
            if (ctypes.c_int64 * kind.width).from_address(child)[kind.release]:
                _release(kind, child)
    fields[kind.release] = 0
    with _lock:
        shared.live -= gone
        if shared.live <= 0:
            _shared.pop(key, None)


def _below(kind: _Kind, fields: Any) -> List[int]:
    found = layout.numbers(fields[kind.children], fields[_N_CHILDREN])
    return [*found, fields[kind.dictionary]] if fields[kind.dictionary] else found


@layout.Release
def _release_array(address: int) -> None:
    _release(_ARRAY, address)


@layout.Release
def _release_schema(address: int) -> None:
    _release(_SCHEMA, address)


_RELEASE_ARRAY = ctypes.cast(_release_array, ctypes.c_void_p).value
_RELEASE_SCHEMA = ctypes.cast(_release_schema, ctypes.c_void_p).value


# ---- making ---------------------------------------------------------------------------------------------


def _flatten(root: Node) -> List[Node]:
    """Root first, then level by level, so that the children of a node stand side by side."""
    nodes, at = [root], 0
    while at < len(nodes):
        nodes += nodes[at].children
        if nodes[at].dictionary is not None:
            nodes.append(nodes[at].dictionary)  # type: ignore[arg-type]
        at += 1
    return nodes


def _write(
    kind: _Kind, nodes: List[Node], row: Callable[[Node, int, int, int], Sequence[int]], keep: Any
) -> layout.Moved:
    """Lay all nodes out; `row` gives a node's fields but the last one, from children, dictionary and its number."""
    shared = _Shared(kind, [keep, nodes])
    shared.fields = (ctypes.c_int64 * (kind.width * len(nodes)))()
    base, size = ctypes.addressof(shared.fields), 8 * kind.width
    pointers = (ctypes.c_int64 * len(nodes))(*range(base, base + size * len(nodes), size))
    table = ctypes.addressof(pointers)
    key = next(_keys)
    values: List[int] = []
    following = 1  # where the next node's children begin
    for number, node in enumerate(nodes):
        children = table + 8 * following if node.children else 0
        following += len(node.children)
        dictionary = base + size * following if node.dictionary is not None else 0
        following += node.dictionary is not None
        values += row(node, children, dictionary, number)
        values.append(2 * key + (number == 0))
    shared.fields[:] = values
    shared.keep = [keep, nodes, pointers]
    shared.live = len(nodes)
    _shared[key] = shared
    return layout.Moved(kind.width, kind.release, base)


def export_array(root: Node) -> layout.Moved:
    """The data of a table or column as an ArrowArray, ready to be moved."""
    nodes = _flatten(root)
    counts = [len(node.buffers) for node in nodes]
    buffers = (ctypes.c_int64 * (sum(counts) or 1))(*itertools.chain.from_iterable(node.buffers for node in nodes))
    starts = [0, *itertools.accumulate(counts)]
    base = ctypes.addressof(buffers)

    def row(node: Node, children: int, dictionary: int, number: int) -> Sequence[int]:
        return (
            node.length, node.nulls, node.offset, len(node.buffers), len(node.children), base + 8 * starts[number],
            children, dictionary, _RELEASE_ARRAY or 0,
        )

    return _write(_ARRAY, nodes, row, buffers)


def export_schema(root: Node) -> layout.Moved:
    """The type of a table or column as an ArrowSchema, ready to be moved."""
    nodes = _flatten(root)
    texts = [node.format.encode() + b"\0" for node in nodes]
    names = [node.name.encode("utf-8", "replace").replace(b"\0", b"\xef\xbf\xbd") + b"\0" for node in nodes]
    notes = [node.metadata for node in nodes]
    pool = ctypes.create_string_buffer(b"".join(itertools.chain(texts, names, notes)))
    places = itertools.accumulate(map(len, itertools.chain(texts, names, notes)), initial=ctypes.addressof(pool))
    at = list(places)
    count = len(nodes)

    def row(node: Node, children: int, dictionary: int, number: int) -> Sequence[int]:
        note = at[2 * count + number] if node.metadata else 0
        return (
            at[number], at[count + number], note, node.flags, len(node.children), children, dictionary,
            _RELEASE_SCHEMA or 0,
        )

    return _write(_SCHEMA, nodes, row, pool)


# ---- lending: a struct that somebody owns, once more -----------------------------------------------------

_lent: Dict[int, layout.Moved] = {}


def lent(struct: layout.Moved) -> layout.Moved:
    """A second struct of the same content, which keeps the first one alive until it is released.

    They share their children: only for a consumer that moves none of them out, as R's half of the road.
    """
    copy = layout.Moved(len(struct.fields), struct.release)
    key = next(_keys)
    copy.fields[:] = struct.fields
    copy.fields[struct.release] = _RETURN_ARRAY if struct.release == layout.ARRAY_RELEASE else _RETURN_SCHEMA
    copy.fields[struct.release + 1] = key
    _lent[key] = struct
    return copy


def _returned(release: int) -> Any:
    @layout.Release
    def give_back(address: int) -> None:
        fields = (ctypes.c_int64 * (release + 2)).from_address(address)
        fields[release] = 0
        _lent.pop(fields[release + 1], None)

    return give_back


_return_array, _return_schema = _returned(layout.ARRAY_RELEASE), _returned(layout.SCHEMA_RELEASE)
_RETURN_ARRAY = ctypes.cast(_return_array, ctypes.c_void_p).value
_RETURN_SCHEMA = ctypes.cast(_return_schema, ctypes.c_void_p).value


# ---- capsules: how Python's own libraries hand tables to each other -----------------------------------

_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
# (a destructor gets its object with no reference left: `py_object` would make one and drop it, and so on for ever)
_bare_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_held: Dict[int, layout.Moved] = {}


def capsule(struct: layout.Moved, name: bytes) -> Any:
    """A PyCapsule that owns the struct until a consumer moves it out.

    Args:
        struct: What to hand over.
        name: `arrow_schema`, `arrow_array` or `arrow_array_stream`.
    """
    _held[struct.address] = struct
    return _new(struct.address, name, _DESTROY[name])


def capsule_address(object_: Any, name: bytes) -> int:
    """Address of the struct in a capsule.

    Raises:
        ValueError: it is a capsule of something else.
    """
    return int(_pointer(object_, name))


def _destroyer(name: bytes) -> Any:
    @ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
    def destroy(object_: int) -> None:
        _held.pop(_bare_pointer(object_, name), None)

    return destroy


_DESTROYERS = {name: _destroyer(name) for name in (b"arrow_schema", b"arrow_array", b"arrow_array_stream")}
_DESTROY = {name: ctypes.cast(function, ctypes.c_void_p).value for name, function in _DESTROYERS.items()}
