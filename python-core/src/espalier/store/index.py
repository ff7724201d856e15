"""The reader's index: rows of runs in SQLite, kept outside the workspace, rebuilt whenever in doubt.

Nothing is ever lost with it. It stays fresh cheaply (design.md, law 2): a shard folder whose mtime is unchanged holds
no new and no deleted run, and a run whose files are as they were (`_signature`) is not read again.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from typing import Any, Callable, Dict, Iterable, List, Optional

from espalier.adapters.homes import cache_folder
from espalier.base.cache_paths import index_file
from espalier.base.paths import CANCEL, EVENTS, META, SPEC, STATUS, WorkspacePaths, is_run_id
from espalier.base.progress import report
from espalier.base.records import make_private_folder

_VERSION = 4
_IN_MEMORY = ":memory:"
# A shard changed this recently may change again within the clock's granularity: look at it again, seconds.
_SUSPECT_SECONDS = 2.0
# How long to wait for another reader's refresh.
_PATIENCE_SECONDS = 10.0


class RunIndex:
    """The index of one workspace.

    Args:
        paths: The workspace.
        summarise: Run folder -> its row; must not raise for a damaged run.
    """

    def __init__(self, paths: WorkspacePaths, summarise: Callable[[str], Dict[str, Any]]) -> None:
        self._paths = paths
        self._summarise = summarise
        key = hashlib.sha256(os.fsencode(os.path.realpath(paths.root))).hexdigest()[:32]
        self._file = index_file(cache_folder(), key)

    def rows(self) -> List[Dict[str, Any]]:
        """All runs, refreshed, newest first."""
        with contextlib.suppress(sqlite3.OperationalError):
            try:
                return self._refreshed()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                # garbage where the index was, or one of an older layout: make it anew
                for end in ("", "-wal", "-shm"):
                    with contextlib.suppress(OSError):
                        os.unlink(self._file + end)
                if not os.path.lexists(self._file):
                    return self._refreshed()
        self._file = _IN_MEMORY  # a cache that cannot be read or written isn't a reason not to answer
        return self._refreshed()

    def _refreshed(self) -> List[Dict[str, Any]]:
        database = self._connect()
        try:
            if _begin(database):
                self._refresh(database)
            rows = [json.loads(row) for (row,) in database.execute("SELECT row FROM runs")]
            database.commit()
        finally:
            database.close()
        return sorted(rows, key=lambda row: (row["created_at"] or "", row["run_id"]), reverse=True)

    def _connect(self) -> sqlite3.Connection:
        try:
            if self._file != _IN_MEMORY:
                make_private_folder(os.path.dirname(self._file))
            database = sqlite3.connect(self._file, timeout=_PATIENCE_SECONDS, isolation_level=None)
            database.execute("PRAGMA synchronous=OFF")  # losing it costs a rebuild, nothing else
            self._create(database)
        except (OSError, sqlite3.OperationalError):
            database = sqlite3.connect(
                ":memory:", isolation_level=None
            )  # a cache that cannot be kept is still an index
            self._create(database)
        return database

    @staticmethod
    def _create(database: sqlite3.Connection) -> None:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == _VERSION:
            return
        if version != 0:
            raise sqlite3.DatabaseError("layout of another version")
        database.execute("CREATE TABLE IF NOT EXISTS shards (name TEXT PRIMARY KEY, mtime INTEGER, seen REAL)")
        database.execute(
            "CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, shard TEXT, signature TEXT, row TEXT)"
        )
        database.execute("CREATE INDEX IF NOT EXISTS runs_by_shard ON runs (shard)")
        database.execute(f"PRAGMA user_version={_VERSION}")

    def _refresh(self, database: sqlite3.Connection) -> None:
        now = time.time()  # before looking: what changes meanwhile stays suspect
        known = {name: (mtime, seen) for name, mtime, seen in database.execute("SELECT * FROM shards")}
        present = self._shards()
        for name in set(known) - set(present):
            database.execute("DELETE FROM runs WHERE shard = ?", (name,))
            database.execute("DELETE FROM shards WHERE name = ?", (name,))
        for name, mtime in present.items():
            old_mtime, seen = known.get(name, (None, 0.0))
            if mtime != old_mtime or seen - mtime / 1e9 < _SUSPECT_SECONDS:
                self._refresh_shard(database, name)
                database.execute("REPLACE INTO shards VALUES (?, ?, ?)", (name, mtime, now))
        # ended runs too: what somebody edited or damaged in place, no shard tells
        runs = database.execute("SELECT id, shard, signature FROM runs").fetchall()
        for done, (run_id, shard, signature) in enumerate(runs):
            report("Reading runs", done, len(runs))
            self._refresh_run(database, run_id, shard, signature)

    def _shards(self) -> Dict[str, int]:
        found = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self._paths.runs) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    if entry.is_dir():
                        found[entry.name] = entry.stat().st_mtime_ns
        return found

    def _refresh_shard(self, database: sqlite3.Connection, shard: str) -> None:
        folder = os.path.join(self._paths.runs, shard)
        present = {name for name in _list(folder) if is_run_id(name) and name[-8:-6] == shard}
        known = {run_id for (run_id,) in database.execute("SELECT id FROM runs WHERE shard = ?", (shard,))}
        for run_id in known - present:
            database.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        for run_id in present - known:
            database.execute("INSERT INTO runs VALUES (?, ?, NULL, NULL)", (run_id, shard))

    def _refresh_run(self, database: sqlite3.Connection, run_id: str, shard: str, known: Optional[str]) -> None:
        folder = f"{self._paths.runs}/{shard}/{run_id}"
        signature = _signature(folder)  # before reading: what changes meanwhile is seen next time
        if signature != known:
            row = json.dumps(self._summarise(folder))
            database.execute("REPLACE INTO runs VALUES (?, ?, ?, ?)", (run_id, shard, signature, row))


def _begin(database: sqlite3.Connection) -> bool:
    """Begin a refresh; False when another reader has been at one for so long that its last commit must do."""
    try:
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False
    return True


def _list(folder: str) -> Iterable[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return ()


def _signature(folder: str) -> str:
    """Changes with every change of the run's definition, state, tags and event logs, by whom and how ever.

    Taken of every run at every listing, so it costs a few system calls a run and no more.
    """
    parts = []
    for name in (SPEC, STATUS, META):
        try:
            stat = os.stat(f"{folder}/{name}")
            parts.append(f"{stat.st_mtime_ns}.{stat.st_size}.{stat.st_ino}")
        except OSError:
            parts.append("-")
    parts.append(str(os.path.exists(f"{folder}/{CANCEL}")))
    try:
        with os.scandir(f"{folder}/{EVENTS}") as entries:
            logs = sorted((entry.name, entry.stat(follow_symlinks=False)) for entry in entries)
        parts += [f"{name}.{stat.st_mtime_ns}.{stat.st_size}" for name, stat in logs]
    except OSError:
        parts.append("-")
    return "/".join(parts)
