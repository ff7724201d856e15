"""How the index is laid out, and how its file is opened: made again where it is garbage or of another version."""

import contextlib
import os
import sqlite3

from espalier.base.records import make_private_folder
from espalier.store.index.fields import ATTRIBUTES, GROUPS, TEXTS

_VERSION = 7
OTHER_LAYOUT = "layout of another version"
IN_MEMORY = ":memory:"
# How long to wait for another reader's refresh.
PATIENCE_SECONDS = 10.0
_TYPES = {"string": "TEXT", "time": "REAL", "double": "REAL", "integer": "INTEGER"}
# What a run has one of, beside what lists show; `children` is counted.
COLUMNS = [name for name in ATTRIBUTES if name != "children"]
HIDDEN = ["host", "user", "reuse_key", "archived_at"]
# Other values of a metric that was logged several times, NULL where one is as the last. `first_value` may also be text,
# or an empty blob, which is a missing value.
STATISTICS = {"first": "first_value", "min": "least", "max": "largest"}
# What the index itself knows of a run. `settled`: it has ended and is whole, so that it changes no more in place.
_OWN = """n INTEGER PRIMARY KEY, shard TEXT, mtime INTEGER, seen REAL, signature TEXT, settled INTEGER, digest TEXT,
    changed INTEGER"""


def _statements() -> "list[str]":
    plain = ", ".join(f'"{name}" {_TYPES[ATTRIBUTES.get(name, "string")]}' for name in [*COLUMNS, *HIDDEN])
    made = [
        "CREATE TABLE shards (name TEXT PRIMARY KEY, mtime INTEGER, seen REAL)",
        # the last number that `changed` of a run has, which only grows
        "CREATE TABLE counter (changed INTEGER)",
        "INSERT INTO counter VALUES (0)",
        f"CREATE TABLE runs ({_OWN}, {plain})",
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
    """The index in a file, laid out; in memory where the file can't be had.

    Raises:
        sqlite3.DatabaseError: the file is garbage, or of another version.
    """
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
