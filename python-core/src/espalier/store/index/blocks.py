"""Whole tables of very many runs, from columns that are kept ready in blocks of 4,096 runs.

Row by row, SQLite needs seconds for 100,000 runs. A block is made when a whole table is first asked for, and deleted
when one of its runs changes (rows.py). Runs that end now are in the last one.
"""

import contextlib
import json
import sqlite3
from array import array
from operator import itemgetter
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from espalier.base.types import Frame
from espalier.store.index.columns import columns_of, frame_of, with_children
from espalier.store.index.fields import ATTRIBUTES, GROUPS
from espalier.store.index.layout import COLUMNS
from espalier.store.index.rows import BLOCK, common_kind

# From so many runs on, if they are most of all.
_MANY = 5000
# The column that holds the numbers of a block's runs.
_PLACES = ""
# Text that repeats itself is written as words and a byte a row.
_FEW = 256
# Column -> its kind and values.
_Part = Tuple[str, List[Any]]
_Block = Dict[str, _Part]


def table_of(database: sqlite3.Connection, runs: Sequence[int]) -> Frame:
    """As `frame_of`, of any number of runs."""
    (total,) = database.execute("SELECT count(*) FROM runs").fetchone()
    if len(runs) < max(_MANY, total / 2):
        return frame_of(database, runs)
    blocks = _blocks(database)
    picked = _picker([n for block in blocks for n in block[_PLACES][1]], runs)
    columns: Dict[str, List[Any]] = {}
    kinds: Dict[str, str] = {}
    for name in [*COLUMNS, *_names(database)]:
        parts = [block.get(name) for block in blocks]
        kind = ATTRIBUTES.get(name) or _kind([part for part in parts if part is not None])
        if kind is None:
            return frame_of(database, runs)
        column = picked(_joined(parts, blocks, kind))
        if name in ATTRIBUTES or (any(parts) and (len(runs) == total or column.count(None) < len(runs))):
            columns[name], kinds[name] = column, kind
    return with_children(database, columns, kinds)


def _names(database: sqlite3.Connection) -> List[str]:
    """The columns of tags, parameters and metrics, by name."""
    return [
        prefix + name
        for group, prefix in GROUPS.items()
        if prefix
        for (name,) in database.execute("SELECT name FROM names WHERE grouped = ? ORDER BY name", (group,))
    ]


def _kind(parts: Sequence[_Part]) -> Optional[str]:
    """The kind of a column; None where text and numbers meet, which only the cells themselves can join."""
    found = {kind for kind, values in parts if kind != "logical" or values.count(None) < len(values)}
    kind = common_kind((each, True, 0.0) for each in found)
    return None if kind == "string" and len(found) > 1 else kind


def _joined(parts: Sequence[Optional[_Part]], blocks: Sequence[_Block], kind: Optional[str]) -> List[Any]:
    whole: List[Any] = []
    for part, block in zip(parts, blocks):
        if part is None:
            whole += [None] * len(block[_PLACES][1])
        elif kind == "double" and part[0] == "integer":
            whole += [None if value is None else float(value) for value in part[1]]
        else:
            whole += part[1]
    return whole


def _picker(places: List[int], runs: Sequence[int]) -> Callable[[List[Any]], List[Any]]:
    """What puts a column of all runs into the order of those that are wanted."""
    wanted = list(runs)
    if wanted == places[::-1]:  # newest first, as runs come to the index
        return lambda column: column[::-1]
    row = {n: at for at, n in enumerate(places)}
    pick = itemgetter(*(row[n] for n in wanted))
    return lambda column: list(pick(column))


# ---- blocks ------------------------------------------------------------------------------------------------


def _blocks(database: sqlite3.Connection) -> List[_Block]:
    first, last = database.execute("SELECT min(n), max(n) FROM runs").fetchone()
    blocks: Dict[int, _Block] = {number: {} for number in range(first // BLOCK, last // BLOCK + 1)}
    for number, name, kind, data in database.execute("SELECT number, name, kind, data FROM blocks"):
        blocks[number][name] = (kind[1:], _read(kind[0], data))
    for number, block in blocks.items():
        if not block:
            block.update(_made(database, number))
    return list(blocks.values())


def _made(database: sqlite3.Connection, number: int) -> _Block:
    query = "SELECT n FROM runs WHERE n >= ? AND n < ? ORDER BY n"
    runs = [n for (n,) in database.execute(query, (number * BLOCK, number * BLOCK + BLOCK))]
    columns, kinds = columns_of(database, runs)
    block = {name: (kinds.get(name) or ATTRIBUTES[name], values) for name, values in columns.items()}
    block[_PLACES] = ("integer", runs)
    written = [(number, name, *_write(kind, values)) for name, (kind, values) in block.items()]
    with contextlib.suppress(sqlite3.OperationalError):  # what can't be kept is made again next time
        database.executemany("REPLACE INTO blocks VALUES (?, ?, ?, ?)", written)
    return block


def _write(kind: str, values: List[Any]) -> Tuple[str, bytes]:
    """A column as bytes: `d`, doubles as they are; `w`, words and a byte a row; `j`, JSON. The kind follows."""
    if kind in ("double", "time") and None not in values:
        return "d" + kind, array("d", values).tobytes()
    words = list(dict.fromkeys(values)) if kind == "string" else []
    if 0 < len(words) <= _FEW:
        codes = {word: code for code, word in enumerate(words)}
        return "w" + kind, json.dumps(words).encode() + b"\n" + bytes(codes[value] for value in values)
    return "j" + kind, json.dumps(values).encode()


def _read(way: str, data: bytes) -> List[Any]:
    if way == "d":
        numbers = array("d")
        numbers.frombytes(data)
        return numbers.tolist()
    if way == "w":
        head, _, codes = data.partition(b"\n")
        return list(map(json.loads(head).__getitem__, codes))
    return json.loads(data)  # type: ignore[no-any-return]
