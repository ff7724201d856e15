"""Runs of the index as a table: a row a run, a column for each tag, parameter and metric. Whole tables of very many
runs are made from columns that are kept ready in blocks of 4,096 runs.

Row by row, SQLite needs seconds for 100,000 runs. A block is made when a whole table is first asked for, and deleted
when one of its runs changes (rows.py). Runs that end now are in the last one.
"""

import contextlib
import json
import sqlite3
from array import array
from operator import itemgetter
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from espalier.base.types import Frame
from espalier.store.index.fields import ATTRIBUTES, GROUPS, TEXTS, Field
from espalier.store.index.rows import BLOCK, COLUMNS, Cell, common_kind, value_of
from espalier.store.index.sql import cells_of

# So many runs are asked for at once: SQLite takes no more parameters everywhere.
_AT_ONCE = 900
Columns = Dict[str, List[Any]]


def frame_of(database: sqlite3.Connection, runs: Sequence[int]) -> Frame:
    """Some runs as a frame, in their order; tags become `tag_*`, parameters `param_*`, last metrics `metric_*`,
    each by name."""
    columns, kinds = columns_of(database, runs)
    return with_children(database, columns, kinds)


def with_children(database: sqlite3.Connection, columns: Columns, kinds: Dict[str, str]) -> Frame:
    """Columns as a frame, with the number of each run's children."""
    counts = _children(database, columns["run_id"])
    ids = columns["run_id"]
    columns["children"] = [counts.get(run_id, 0) for run_id in ids] if counts else [0] * len(ids)
    rest = [name for name in columns if name not in ATTRIBUTES]
    return Frame({name: columns[name] for name in [*ATTRIBUTES, *rest]}, {**ATTRIBUTES, **kinds})


def columns_of(database: sqlite3.Connection, runs: Sequence[int]) -> Tuple[Columns, Dict[str, str]]:
    """The columns of some runs, and the kinds of those of tags, parameters and metrics."""
    place = {n: row for row, n in enumerate(runs)}
    plain = ", ".join(f'"{name}"' for name in COLUMNS)
    found = dict(_each(database, f"SELECT n, {plain} FROM runs WHERE n IN", runs))
    rows = [found[n] for n in runs]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(COLUMNS)}
    kinds: Dict[str, str] = {}
    for group, prefix in GROUPS.items():
        if not prefix:
            continue
        cells: Dict[int, List[Tuple[int, Cell]]] = {}
        query = f"SELECT run, name, kind, number, text FROM {group} WHERE run IN"
        for run, (name, kind, number, text) in _each(database, query, runs):
            cells.setdefault(name, []).append((place[run], (kind, number, text)))
        names = dict(database.execute("SELECT id, name FROM names WHERE grouped = ?", (group,)))
        for name in sorted(cells, key=names.__getitem__):
            column = prefix + names[name]
            kinds[column] = _kind_of_column(cells[name])
            columns[column] = [None] * len(runs)
            for row, found_cell in cells[name]:
                columns[column][row] = value_of(found_cell, kinds[column])
    return columns, kinds


def add_named(database: sqlite3.Connection, frame: Frame, runs: Sequence[int], fields: Iterable[Field]) -> None:
    """Add the columns that a query names, and that a table doesn't have: other values of metrics than the last one, and
    tags, parameters and metrics that no row has a value of."""
    for field in fields:
        column = field.column
        if not GROUPS.get(field.group) or column in frame.columns:
            continue
        if field.statistic:
            frame.columns[column], frame.kinds[column] = _statistics(database, runs, field)
            continue
        query = f"""SELECT kind, max(number IS NOT NULL OR text IS NOT NULL), max(abs(number)) FROM {field.group}
            WHERE name = (SELECT id FROM names WHERE grouped = ? AND name = ?) GROUP BY kind"""
        kinds = database.execute(query, (field.group, field.key)).fetchall()
        frame.columns[column] = [None] * len(frame)
        frame.kinds[column] = "string" if field.group in TEXTS else common_kind(iter(kinds))


def _statistics(database: sqlite3.Connection, runs: Sequence[int], field: Field) -> Tuple[List[Any], str]:
    """A metric's first, least or largest value in some runs, and their kind."""
    cells = cells_of(field)
    query = f"""SELECT run, {cells.kind}, {cells.number}, {cells.text} FROM metrics
        WHERE name = (SELECT id FROM names WHERE grouped = ? AND name = ?) AND run IN"""
    found = [
        (run, (kind, number, text))
        for run, (kind, number, text) in _each(database, query, runs, (field.group, field.key))
    ]
    kind = _kind_of_column(found)
    values = {run: value_of(cell, kind) for run, cell in found}
    return [values.get(n) for n in runs], kind


def _each(
    database: sqlite3.Connection, query: str, keys: Sequence[Any], first: Tuple[Any, ...] = ()
) -> "List[Tuple[Any, List[Any]]]":
    """What a query answers to many keys; `first` are the values of its other parameters."""
    found = []
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        cursor = database.execute(f"{query} ({', '.join('?' * len(some))})", [*first, *some])
        found += [(key, values) for key, *values in cursor]
    return found


def _children(database: sqlite3.Connection, run_ids: Sequence[str]) -> Dict[str, int]:
    if len(run_ids) > _AT_ONCE:
        return dict(database.execute("SELECT parent, count(*) FROM runs WHERE parent IS NOT NULL GROUP BY parent"))
    marks = ", ".join("?" * len(run_ids))
    query = f"SELECT parent, count(*) FROM runs WHERE parent IN ({marks}) GROUP BY parent"
    return dict(database.execute(query, run_ids))


def _kind_of_column(cells: Sequence[Tuple[int, Cell]]) -> str:
    found: Dict[str, Tuple[bool, float]] = {}
    for _, (kind, number, text) in cells:
        has, largest = found.get(kind, (False, 0.0))
        found[kind] = (has or number is not None or text is not None, max(largest, abs(number or 0.0)))
    return common_kind((kind, *facts) for kind, facts in found.items())


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
