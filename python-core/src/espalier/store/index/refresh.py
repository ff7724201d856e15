"""Bringing the index up to date (design.md, law 2).

An ended run changes only by a commit that goes through its shard's folder, and that makes the shard's mtime new. So
256 shards are looked at, of those that changed each run's folder, and each run that has not ended or is damaged.
What is done to an ended run's files in place is seen when that run is asked for, or by `Workspace.verify()`.
"""

import contextlib
import hashlib
import os
import sqlite3
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from espalier.base.paths import CANCEL, EVENTS, META, SPEC, STATUS, is_run_id
from espalier.base.progress import report
from espalier.base.states import DAMAGED, is_final
from espalier.store.index.known import stamp_of
from espalier.store.index.rows import Look, Names, forget, store

# What changed this recently may change again within the clock's granularity: look at it again, seconds.
_SUSPECT_SECONDS = 2.0
# A first index is committed after so many runs; called off, it goes on there.
_CHUNK = 1000
# How it shows that a row holds what SQLite doesn't. (A full disk is another error.)
_NOT_HELD = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
    sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError,
)  # fmt: skip
Summarise = Callable[[str], Dict[str, Any]]


class _Due(NamedTuple):
    """A run to be read; `seen`: when it was read last, None if never."""

    shard: str
    run_id: str
    seen: Optional[float]


class _Changes(NamedTuple):
    """What a look at the workspace found: shards to be noted or forgotten, runs to be read or forgotten."""

    shards: Dict[str, int]
    lost_shards: List[str]
    runs: List[_Due]
    lost_runs: List[int]


class Refresh:
    """One refresh of an index.

    Args:
        summarise: Run folder -> its row; must not raise for a damaged run.
    """

    def __init__(self, database: sqlite3.Connection, runs: str, summarise: Summarise) -> None:
        self._database, self._runs, self._summarise = database, runs, summarise
        self._began = time.time()  # before looking: what changes meanwhile stays suspect

    def refresh(self, *, everything: bool = False) -> None:
        """See what is new.

        Args:
            everything: Read each run again, also if it is known.
        """
        changes = self._changes(everything)
        due = sorted(changes.runs, key=lambda run: (int(run.run_id.rsplit("_", 2)[1]), run.run_id))
        for start in range(0, len(due), _CHUNK):
            if not self._commit(lambda start=start: self._read(due, start)):  # type: ignore[misc]
                return
        if changes.shards or changes.lost_shards or changes.lost_runs:
            self._commit(lambda: self._note(changes))

    def refresh_run(self, shard: str, run_id: str) -> None:
        """Read one run again that the index has."""
        seen = self._seen(run_id)
        if seen is not None:
            self._commit(lambda: self._read_run(_Due(shard, run_id, seen), {}))

    def _seen(self, run_id: str) -> Optional[float]:
        found = self._database.execute("SELECT seen FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return None if found is None else float(found[0])

    def _folder(self, shard: str, run_id: str) -> str:
        return f"{self._runs}/{shard}/{run_id}"

    def _commit(self, write: Callable[[], None]) -> bool:
        """Write in a transaction. False when another reader has been at one for so long that its last commit must
        do."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return False
        try:
            self._database.execute("UPDATE counter SET changed = changed + 1")
            write()
            self._database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise
        return True

    # ---- looking ---------------------------------------------------------------------------------------------

    def _changes(self, everything: bool) -> _Changes:
        known = {name: (mtime, seen) for name, mtime, seen in self._database.execute("SELECT * FROM shards")}
        present = self._shards()
        changes = _Changes({}, sorted(set(known) - set(present)), [], [])
        for name, mtime in present.items():
            old, seen = known.get(name, (None, 0.0))
            if everything or mtime != old or seen - mtime / 1e9 < _SUSPECT_SECONDS:
                self._look_into(name, mtime, everything, changes)
        if not everything:
            query = "SELECT signature, shard, run_id, seen FROM runs WHERE NOT settled"
            for signature, *run in self._database.execute(query).fetchall():
                if signature_of(self._folder(*run[:2])) != signature:
                    changes.runs.append(_Due(*run))
        return changes

    def _shards(self) -> Dict[str, int]:
        found = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self._runs) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # removed meanwhile, or a link to itself
                    if entry.is_dir():
                        found[entry.name] = stamp_of(entry.stat())
        return found

    def _look_into(self, shard: str, stamp: int, everything: bool, changes: _Changes) -> None:
        """Find the runs of a shard that are new, gone, or may have changed. Of one that can't be read what is known
        stays, and it is looked at again; `verify()` tells."""
        try:
            entries = self._entries(shard)
        except OSError:
            return
        changes.shards[shard] = stamp
        query = "SELECT run_id, n, mtime, seen, settled FROM runs WHERE shard = ?"
        known = {row[0]: row for row in self._database.execute(query, (shard,)).fetchall()}
        for entry in entries:
            name = entry.name
            row = known.pop(name, None)
            if row is None and not (is_run_id(name) and name[-8:-6] == shard):
                continue
            try:
                now = stamp_of(entry.stat(follow_symlinks=False))
            except OSError:
                continue
            if row is None:
                changes.runs.append(_Due(shard, name, None))
            elif everything or (row[4] and (row[2] != now or row[3] - now / 1e9 < _SUSPECT_SECONDS)):
                changes.runs.append(_Due(shard, name, row[3]))
        changes.lost_runs.extend(row[1] for row in known.values())

    def _entries(self, shard: str) -> "List[os.DirEntry[str]]":
        """What lies in a shard. Raises OSError: it can't be read."""
        with contextlib.suppress(FileNotFoundError), os.scandir(f"{self._runs}/{shard}") as entries:
            return list(entries)
        return []

    # ---- reading ---------------------------------------------------------------------------------------------

    def _read(self, due: List[_Due], start: int) -> None:
        names: Names = {}
        for done, run in enumerate(due[start : start + _CHUNK], start):
            report("Reading runs", done, len(due))
            self._read_run(run, names)

    def _read_run(self, run: _Due, names: Names) -> None:
        if self._seen(run.run_id) != run.seen:
            return  # another reader was faster
        folder = self._folder(run.shard, run.run_id)
        with contextlib.suppress(OSError):  # removed meanwhile, or its shard can't be entered
            # before reading: what changes meanwhile is seen next time
            now, mtime = time.time(), stamp_of(os.lstat(folder))
            signature = None if run.seen is None else signature_of(folder)
            row = self._summarise(folder)
            if signature is None and not is_final(row["status"]):  # (most new runs have ended, and need none)
                signature = signature_of(folder)
                row = self._summarise(folder)
            self._store(row, Look(run.shard, mtime, now, signature), names)

    def _store(self, row: Dict[str, Any], look: Look, names: Names) -> None:
        """Put a run into the index; one that it can't hold is damaged, because it must never hide the others."""
        try:
            store(self._database, row, look, names)
        except _NOT_HELD as error:
            known = {"run_id": row["run_id"], "experiment": row["run_id"].rsplit("_", 2)[0]}
            problem = f"Can't list its records: {error!r:.200}."
            store(self._database, {**known, "status": DAMAGED, "error": problem}, look, names)

    def _note(self, changes: _Changes) -> None:
        for n in changes.lost_runs:
            forget(self._database, n)
        for name in changes.lost_shards:
            for (n,) in self._database.execute("SELECT n FROM runs WHERE shard = ?", (name,)).fetchall():
                forget(self._database, n)
            self._database.execute("DELETE FROM shards WHERE name = ?", (name,))
        values = [(name, mtime, self._began) for name, mtime in changes.shards.items()]
        self._database.executemany("REPLACE INTO shards VALUES (?, ?, ?)", values)


def signature_of(folder: str) -> Optional[str]:
    """Changes with every change of a run's definition, state, tags and event logs, by whom and how ever."""
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
    return hashlib.sha256("/".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]
