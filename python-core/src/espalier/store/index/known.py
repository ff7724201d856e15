"""The newest ids of runs, for a press of Tab: what an index knows and what has changed since, without loading more.

The index isn't brought up to date, and nothing is written.
"""

import contextlib
import os
import sqlite3
from typing import Dict, Iterable, List

from espalier.adapters.homes import cache_folder
from espalier.base.cache_paths import index_file
from espalier.base.hashing import sha256
from espalier.base.paths import WorkspacePaths, is_run_id


def index_key(root: str) -> str:
    """What the index of a workspace is named by."""
    return str(sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32])


def stamp_of(stat: os.stat_result) -> int:
    """The time of a file's last change, which anyone can set to any: as SQLite holds it, in 64 bits, by going round."""
    return (stat.st_mtime_ns + 2**63) % 2**64 - 2**63


def newest_ids(paths: WorkspacePaths, prefix: str, limit: int) -> List[str]:
    """The ids of the newest runs that begin so, newest first.

    Args:
        limit: How many, at most.
    """
    found: List[str] = []
    shards: Dict[str, int] = {}
    with contextlib.suppress(sqlite3.Error, OSError, ValueError):  # (no text that SQLite takes)
        found, shards = _indexed(index_file(cache_folder(), index_key(paths.root)), prefix, limit)
    changed = set(_changed(paths.runs, shards))
    found = [run_id for run_id in found if run_id[-8:-6] not in changed]
    for shard in changed:
        with contextlib.suppress(OSError):
            found += [name for name in os.listdir(f"{paths.runs}/{shard}") if name.startswith(prefix)]
    # (they end with the time, and eight digits that are no time)
    return sorted(filter(is_run_id, found), key=lambda name: name[-19:], reverse=True)[:limit]


def known_names(paths: WorkspacePaths, group: str, prefix: str, limit: int) -> List[str]:
    """The names of metrics, parameters or tags that an index has, and that begin so.

    Args:
        group: `metrics`, `params` or `tags`.
    """
    file = index_file(cache_folder(), index_key(paths.root))
    query = "SELECT name FROM names WHERE grouped = ? AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?"
    with contextlib.suppress(sqlite3.Error, OSError, ValueError), contextlib.closing(_opened(file)) as database:
        return [str(name) for (name,) in database.execute(query, (group, len(prefix), prefix, limit))]
    return []


def _opened(file: str) -> sqlite3.Connection:
    uri = f"file:{file.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=0.05)


def _indexed(file: str, prefix: str, limit: int) -> "tuple[List[str], Dict[str, int]]":
    """The ids that an index has, and its shards as it saw them. Raises sqlite3.Error: there is none to be read."""
    with contextlib.closing(_opened(file)) as database:
        query = "SELECT run_id FROM runs WHERE substr(run_id, 1, ?) = ? ORDER BY created_at DESC LIMIT ?"
        ids = [str(run_id) for (run_id,) in database.execute(query, (len(prefix), prefix, limit))]
        return ids, dict(database.execute("SELECT name, mtime FROM shards"))


def _changed(runs: str, shards: Dict[str, int]) -> Iterable[str]:
    """The shards that aren't as an index saw them."""
    with contextlib.suppress(OSError), os.scandir(runs) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if stamp_of(entry.stat()) != shards.get(entry.name):
                    yield entry.name
