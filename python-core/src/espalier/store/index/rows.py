"""A run's summary as what the index keeps of it: plain columns, and cells of its tags, parameters and metrics.
And how the index is laid out, and its file opened: made again where it is garbage or of another version."""

import contextlib
import hashlib
import json
import os
import re
import sqlite3
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from espalier.base.records import fast_encoder, make_private_folder, seconds_of
from espalier.base.states import is_final
from espalier.base.types import INT_MAX
from espalier.base.values import NA, from_json, is_cell, value_text
from espalier.store.index.fields import ASKED_FOR, ATTRIBUTES, GROUPS, KINDS, TEXTS

_VERSION = 8
OTHER_LAYOUT = "layout of another version"
IN_MEMORY = ":memory:"
# How long to wait for another reader's refresh.
PATIENCE_SECONDS = 10.0
_TYPES = {"string": "TEXT", "time": "REAL", "double": "REAL", "integer": "INTEGER"}
# What a run has one of, beside what lists show; `children` is counted.
COLUMNS = [name for name in ATTRIBUTES if name != "children"]
HIDDEN = ["host", "user", "reuse_key", *ASKED_FOR]
# Other values of a metric that was logged several times, NULL where one is as the last. `first_value` may also be text,
# or an empty blob, which is a missing value.
STATISTICS = {"first": "first_value", "min": "least", "max": "largest"}
# What the index itself knows of a run. `settled`: it has ended and is whole, so that it changes no more in place.
_OWN_COLUMNS = """n INTEGER PRIMARY KEY, shard TEXT, mtime INTEGER, seen REAL, signature TEXT, settled INTEGER,
    digest TEXT, changed INTEGER"""


def _statements() -> "list[str]":
    plain = ", ".join(f'"{name}" {_TYPES[KINDS.get(name, "string")]}' for name in [*COLUMNS, *HIDDEN])
    made = [
        "CREATE TABLE shards (name TEXT PRIMARY KEY, mtime INTEGER, seen REAL)",
        # the last number that `changed` of a run has, which only grows
        "CREATE TABLE counter (changed INTEGER)",
        "INSERT INTO counter VALUES (0)",
        f"CREATE TABLE runs ({_OWN_COLUMNS}, {plain})",
        "CREATE UNIQUE INDEX runs_by_id ON runs (run_id)",
        "CREATE INDEX runs_by_shard ON runs (shard)",
        "CREATE INDEX runs_by_time ON runs (created_at, run_id)",
        "CREATE INDEX runs_by_experiment ON runs (experiment, created_at, run_id)",
        "CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL",
        "CREATE INDEX runs_by_reuse ON runs (reuse_key) WHERE reuse_key IS NOT NULL",
        "CREATE INDEX runs_open ON runs (n) WHERE NOT settled",
        "CREATE INDEX runs_changed ON runs (changed)",
        # the runs that a run depends on, or reads outputs of
        "CREATE TABLE needs (run INTEGER, needed TEXT, PRIMARY KEY (run, needed)) WITHOUT ROWID",
        "CREATE INDEX needs_by_needed ON needs (needed)",
        "CREATE TABLE names (id INTEGER PRIMARY KEY, grouped TEXT, name TEXT, UNIQUE (grouped, name))",
        "CREATE TABLE blocks (number INTEGER, name TEXT, kind TEXT, data BLOB, PRIMARY KEY (number, name))",
    ]
    for group in GROUPS:
        more = "".join(f", {column}" for column in STATISTICS.values()) if group == "metrics" else ""
        sought = "text" if group in TEXTS else f"number, text, kind{more}"
        made += [
            f"CREATE TABLE {group} (run INTEGER, name INTEGER, kind TEXT, number REAL, text TEXT{more},"
            " PRIMARY KEY (run, name)) WITHOUT ROWID",
            f"CREATE INDEX {group}_by_name ON {group} (name, {sought})",
        ]
    return made


def opened(file: str) -> sqlite3.Connection:
    """The index in a file, laid out; in memory where the file can't be had. Raises sqlite3.DatabaseError: the file is
    garbage, or of another version."""
    try:
        if file != IN_MEMORY:
            make_private_folder(os.path.dirname(file))
        return _laid_out(sqlite3.connect(file, timeout=PATIENCE_SECONDS, isolation_level=None))
    except (OSError, sqlite3.OperationalError):  # a cache that can't be kept is still an index
        return _laid_out(sqlite3.connect(IN_MEMORY, isolation_level=None))


def copied(file: str) -> sqlite3.Connection:
    """What an index has that can be read and not written, in memory."""
    database = sqlite3.connect(IN_MEMORY, isolation_level=None)
    with contextlib.suppress(sqlite3.Error, OSError):
        source = sqlite3.connect(f"file:{file.replace('?', '%3f').replace('#', '%23')}?mode=ro", uri=True)
        try:
            source.backup(database)
            return _laid_out(database)
        finally:
            source.close()
    database.close()
    return _laid_out(sqlite3.connect(IN_MEMORY, isolation_level=None))


def _laid_out(database: sqlite3.Connection) -> sqlite3.Connection:
    try:
        database.execute("PRAGMA synchronous=OFF")  # losing it costs a rebuild, nothing else
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            if version != 0 or database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
                raise sqlite3.DatabaseError(OTHER_LAYOUT)
            database.execute("BEGIN IMMEDIATE")
            (version,) = database.execute("PRAGMA user_version").fetchone()  # another process may have been first
            if version != _VERSION:
                for statement in _statements():
                    database.execute(statement)
                database.execute(f"PRAGMA user_version={_VERSION}")
            database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


# Runs are kept in blocks of so many for whole tables (columns.py).
BLOCK = 4096
_OWN = ("n", "shard", "mtime", "seen", "signature", "settled", "digest")
_PLAIN = (*COLUMNS, *HIDDEN)
_INSERT = (
    f"REPLACE INTO runs ({', '.join(_OWN)}, {', '.join(f'{chr(34)}{name}{chr(34)}' for name in _PLAIN)}, changed)"
    f" VALUES ({', '.join('?' * (len(_OWN) + len(_PLAIN)))}, (SELECT changed FROM counter))"
)
_INSERT_CELL = {
    group: f"INSERT INTO {group} VALUES (?, ?, ?, ?, ?{', ?' * (group == 'metrics' and len(STATISTICS))})"
    for group in GROUPS
}
_AS_LAST, _MISSING = (None, None, None), b""
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\s*")
_LOGICAL = {"TRUE": 1.0, "True": 1.0, "true": 1.0, "FALSE": 0.0, "False": 0.0, "false": 0.0}
_EXACT = 2**53
_as_json = fast_encoder(json.JSONEncoder())
# Kind, number and text. A number that isn't finite has its word as text, NA has neither.
Cell = Tuple[str, Optional[float], Optional[str]]
Names = Dict[Tuple[str, str], int]


class Look(NamedTuple):
    """What was known of a run's files before they were read."""

    shard: str
    mtime: int
    seen: float
    signature: Optional[str]


def store(database: sqlite3.Connection, row: Dict[str, Any], look: Look, names: Optional[Names] = None) -> None:
    """Put a run's summary into the index, or what is new of it.

    Args:
        names: The numbers of keys, as far as this transaction has asked for them.
    """
    names = {} if names is None else names
    digest = hashlib.sha256(_as_json(row).encode()).hexdigest()[:16]
    known = database.execute("SELECT n, digest FROM runs WHERE run_id = ?", (row["run_id"],)).fetchone()
    settled = is_final(row["status"])
    if known is not None and known[1] == digest:
        changes = (look.mtime, look.seen, look.signature, known[0])
        database.execute("UPDATE runs SET mtime = ?, seen = ?, signature = ? WHERE n = ?", changes)
        return
    if known is None:
        n = None
    else:
        n = known[0]
        forget(database, n)
    own = (n, look.shard, look.mtime, look.seen, look.signature, settled, digest)
    plain = [None if row.get(name) is None else _column(name, row[name]) for name in _PLAIN]
    n = database.execute(_INSERT, [*own, *plain]).lastrowid
    database.execute("DELETE FROM blocks WHERE number = ?", (n // BLOCK,))  # type: ignore[operator]
    for each in row.get("needs") or ():
        database.execute("INSERT OR IGNORE INTO needs VALUES (?, ?)", (n, each))
    for group in filter(row.get, GROUPS):
        given = ((name, _cell(group, value)) for name, value in row[group].items())
        found = {name: cell for name, cell in given if cell is not None}
        values: List[Any] = [(n, _name_id(database, names, group, name), *cell) for name, cell in found.items()]
        if group == "metrics":
            ranges = row.get("metric_ranges") or {}
            others = (_statistics(ranges.get(name), cell[0]) for name, cell in found.items())
            values = [(*value, *other) for value, other in zip(values, others)]
        database.executemany(_INSERT_CELL[group], values)


def forget(database: sqlite3.Connection, n: int) -> None:
    """Take a run out of the index."""
    database.execute("DELETE FROM runs WHERE n = ?", (n,))
    database.execute("DELETE FROM blocks WHERE number = ?", (n // BLOCK,))
    for table in ("needs", *GROUPS):
        database.execute(f"DELETE FROM {table} WHERE run = ?", (n,))


def _column(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return seconds_of(value) if KINDS.get(name) == "time" else clean(value)
    return None if isinstance(value, int) and abs(value) >= 2**63 else value  # (SQLite has no larger ones)


def clean(text: str) -> str:
    """Text that SQLite can hold: lone surrogates, which names of files have, become what R shows of them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _name_id(database: sqlite3.Connection, names: Names, group: str, name: str) -> int:
    key = (group, name)
    if key not in names:
        kept = (group, clean(name))
        found = database.execute("SELECT id FROM names WHERE grouped = ? AND name = ?", kept).fetchone()
        if found is None:
            found = (database.execute("INSERT INTO names (grouped, name) VALUES (?, ?)", kept).lastrowid,)
        names[key] = found[0]
    return names[key]


def number_of(text: str, *, logical: bool) -> Optional[float]:
    """The number that a text reads as, or 1 and 0 for true and false; None where it doesn't."""
    if logical:
        return _LOGICAL.get(text)
    return float(text) if len(text) < 40 and _NUMBER.fullmatch(text) else None


def _cell(group: str, value: Any) -> Optional[Cell]:
    """A tag or property (text), a parameter or metric (kind and value), or a vector parameter, which becomes text."""
    if value is None:
        return None
    if isinstance(value, list):  # given as script_params
        return "string", None, _joined([item["value"] for item in value])
    if not isinstance(value, dict):
        text = clean(str(value))
        number = number_of(text, logical=False)
        return "string", number_of(text, logical=True) if number is None else number, text
    if isinstance(value["value"], list):  # declared by job_params()
        return "string", None, _joined(value["value"])
    plain = from_json(value["value"])
    return _typed(str(value["kind"]), plain, keep_text=group == "params")


def _typed(kind: str, value: Any, *, keep_text: bool) -> Cell:
    if value is NA:
        return kind, None, None
    if isinstance(value, str):
        return kind, None, clean(value)
    number = float(value)
    exact = abs(number) <= _EXACT if kind == "integer" else number == number  # (NaN is no number for SQLite)
    text = value_text(value if kind != "double" else number) if keep_text or not exact else None
    return kind, number if number == number else None, text


def _statistics(values: Any, kind: str) -> Tuple[Any, Any, Any]:
    """The other values of a metric of a kind, as the index has them. What isn't as it should be counts as the last."""
    if not values or not isinstance(values, dict):  # (most metrics are logged once)
        return _AS_LAST
    least, largest = _statistic(values.get("min"), kind), _statistic(values.get("max"), kind)
    return (
        _statistic(values.get("first"), kind),
        least if type(least) is float else None,
        largest if type(largest) is float else None,
    )


def _statistic(value: Any, kind: str) -> Any:
    if value is None or (type(value) is float and kind == "double"):  # (most are)
        return value
    cell = value if isinstance(value, dict) else {"kind": kind, "value": value}
    if not is_cell(cell):
        return None
    kind, number, text = _typed(cell["kind"], from_json(cell["value"]), keep_text=False)
    known = text if kind == "string" else number
    return _MISSING if known is None else known


def _joined(values: List[Any]) -> str:
    return clean(" ".join(value_text(from_json(value)) for value in values))


def common_kind(kinds: "Iterator[Tuple[str, bool, Optional[float]]]") -> str:
    """The narrowest kind that holds all values of a column: logical, integer, double, string.

    Args:
        kinds: The kinds there are; whether any value of it isn't NA, and the largest absolute value.
    """
    found = {kind: largest for kind, has_values, largest in kinds if has_values or kind != "logical"}
    if len(found) <= 1:
        kind = next(iter(found), "logical")
        return "double" if kind == "integer" and (found[kind] or 0) > INT_MAX else kind
    return "double" if set(found) == {"integer", "double"} else "string"


def value_of(cell: Cell, kind: str) -> Any:
    """A cell as a value of a column of `kind`; None is NA."""
    own, number, text = cell
    if kind == "string":
        if own == "string" or number is None:
            return text
        return text if text is not None else value_text(_plain(own, number))
    if number is None:
        return float("nan") if text == "NaN" else None
    return number if kind == "double" else _plain(kind, number)


def _plain(kind: str, number: float) -> Any:
    return number if kind == "double" else bool(number) if kind == "logical" else int(number)
