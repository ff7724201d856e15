"""The reader's index: rows of runs in SQLite, kept outside the workspace, rebuilt whenever in doubt.

Nothing is ever lost with it. It stays fresh cheaply (design.md, law 2): every commit to a run renames a temporary file
through the run's shard folder, so a shard whose mtime is unchanged has no news, except from runs still unfinished.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from espalier.paths import WorkspacePaths, is_run_id

# A row of the index and whether the run is finished (and so needs no further look until its shard changes).
Summary = Tuple[Dict[str, Any], bool]

_VERSION = 1
_IN_MEMORY = ":memory:"
# A shard changed this recently may change again within the clock's granularity: look at it again, seconds.
_SUSPECT_SECONDS = 2.0
# How long to wait for another reader's refresh.
_PATIENCE_SECONDS = 10.0


def cache_folder() -> str:
    """Where indexes lie: `ESPALIER_CACHE_DIR`, else `$XDG_CACHE_HOME/espalier`, else `~/.cache/espalier`."""
    chosen = os.environ.get("ESPALIER_CACHE_DIR")
    if chosen:
        return os.path.abspath(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "espalier")


class RunIndex:
    """The index of one workspace.

    Args:
        paths: The workspace.
        summarise: Run folder -> its row and whether it is finished; must not raise for a damaged run.
    """

    def __init__(self, paths: WorkspacePaths, summarise: Callable[[str], Summary]) -> None:
        self._paths = paths
        self._summarise = summarise
        key = hashlib.sha256(os.fsencode(os.path.realpath(paths.root))).hexdigest()[:32]
        self._file = os.path.join(cache_folder(), "index", key + ".sqlite")

    def rows(self) -> List[Dict[str, Any]]:
        """All runs, refreshed, newest first."""
        try:
            return self._refreshed()
        except sqlite3.OperationalError:
            self._file = _IN_MEMORY  # a cache that cannot be read or written is no reason not to answer
        except sqlite3.DatabaseError:
            # garbage where the index was, or one of an older layout: make it anew
            for end in ("", "-wal", "-shm"):
                with contextlib.suppress(OSError):
                    os.unlink(self._file + end)
            if os.path.exists(self._file):
                self._file = _IN_MEMORY
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
                os.makedirs(os.path.dirname(self._file), exist_ok=True)
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
            "CREATE TABLE IF NOT EXISTS runs"
            " (id TEXT PRIMARY KEY, shard TEXT, signature TEXT, finished INTEGER, row TEXT)"
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
        rows = database.execute("SELECT id, shard, signature, finished FROM runs").fetchall()
        for run_id, shard, signature, finished in rows:
            # of finished runs only whether somebody edited a record in place, which no shard tells
            if not finished or not signature.startswith(_records_signature(self._folder(shard, run_id))):
                self._refresh_run(database, run_id, shard, signature)

    def _folder(self, shard: str, run_id: str) -> str:
        return os.path.join(self._paths.runs, shard, run_id)

    def _shards(self) -> Dict[str, int]:
        try:
            return {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(self._paths.runs) if entry.is_dir()}
        except FileNotFoundError:
            return {}

    def _refresh_shard(self, database: sqlite3.Connection, shard: str) -> None:
        folder = os.path.join(self._paths.runs, shard)
        present = {name for name in _list(folder) if is_run_id(name) and name[-8:-6] == shard}
        query = database.execute("SELECT id, signature FROM runs WHERE shard = ?", (shard,))
        known: Dict[str, str] = dict(query.fetchall())
        for run_id in set(known) - present:
            database.execute("DELETE FROM runs WHERE id = ?", (run_id,))
        for run_id in present:
            self._refresh_run(database, run_id, shard, known.get(run_id))

    def _refresh_run(self, database: sqlite3.Connection, run_id: str, shard: str, known: Optional[str]) -> None:
        folder = self._folder(shard, run_id)
        signature = _signature(folder)
        if signature == known:
            return
        row, finished = self._summarise(folder)
        database.execute(
            "REPLACE INTO runs VALUES (?, ?, ?, ?, ?)", (run_id, shard, signature, int(finished), json.dumps(row))
        )


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


def _records_signature(folder: str) -> str:
    """Changes with every change of the run's definition, state or tags, by whom and how ever."""
    parts = []
    for name in ("spec.json", "status.json", "meta.json"):
        try:
            stat = os.stat(os.path.join(folder, name))
            parts.append(f"{stat.st_mtime_ns}.{stat.st_size}.{stat.st_ino}")
        except OSError:
            parts.append("-")
    return "/".join(parts)


def _signature(folder: str) -> str:
    """Changes with every commit to the run, and while it runs with every event."""
    canceling = os.path.exists(os.path.join(folder, "requests", "cancel.json"))
    try:
        with os.scandir(os.path.join(folder, "events")) as entries:
            events = str(sum(entry.stat(follow_symlinks=False).st_size for entry in entries))
    except OSError:
        events = "-"
    return f"{_records_signature(folder)}/{canceling}/{events}"
