"""Runs of the index as a table: a row a run, a column for each tag, parameter and metric."""

import sqlite3
from typing import Any, Dict, Iterable, List, Sequence, Tuple

from espalier.base.types import Frame
from espalier.store.index.cells import cells_of
from espalier.store.index.fields import ATTRIBUTES, GROUPS, TEXTS, Field
from espalier.store.index.layout import COLUMNS
from espalier.store.index.rows import Cell, common_kind, value_of

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
            kinds[column] = _kind(cells[name])
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
    kind = _kind(found)
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


def _kind(cells: Sequence[Tuple[int, Cell]]) -> str:
    found: Dict[str, Tuple[bool, float]] = {}
    for _, (kind, number, text) in cells:
        has, largest = found.get(kind, (False, 0.0))
        found[kind] = (has or number is not None or text is not None, max(largest, abs(number or 0.0)))
    return common_kind((kind, *facts) for kind, facts in found.items())
