"""Deleting ended runs: each goes out of sight by one rename in its shard, then its files go.

Killed at any moment, a run is there whole or not at all. What is left of its files has a temporary name and an old
time, so the next submit to that shard, or garbage collection, removes it.
"""

import contextlib
import os
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Set

from espalier.adapters.files import remove_tree, size_below
from espalier.base.errors import EspalierError
from espalier.base.names import check_name
from espalier.base.os_errors import cannot_write
from espalier.base.paths import WorkspacePaths, temporary
from espalier.base.progress import report
from espalier.base.records import sync_folder
from espalier.base.types import Frame
from espalier.housekeeping.families import Member, families, index_of, refuse_needed, refuse_unended
from espalier.store.index.run_index import Query
from espalier.store.index.sql import Sql

_KINDS = {
    "run_id": "string", "experiment": "string", "status": "string", "size": "double", "why": "string",
    "needed_by": "string", "deleted": "logical",
}  # fmt: skip


class Doomed(NamedTuple):
    """A run that is to go: how it ended, its size in bytes, why it goes, and the ended runs that read outputs of it."""

    member: Member
    status: str
    size: int
    why: str
    needed_by: Sequence[str]


def delete_runs(paths: WorkspacePaths, run_ids: Sequence[str], *, delete: bool) -> Frame:
    """List or delete some ended runs, with all runs below them.

    Args:
        delete: Delete them; else they are only listed.

    Returns:
        A row a run, parents before their children: `run_id`, `experiment`, `status`, `size` in bytes, `why`,
        `needed_by` (ended runs that stay and have read its outputs, or depended on it), `deleted`.

    Raises:
        EspalierError: `run_missing`; `run_in_use`, `newer_format`, `workspace_read_only`.
    """
    return listed_or_deleted(paths, listed(paths, families(paths, run_ids), {}), delete=delete)


def delete_experiment(paths: WorkspacePaths, name: str, *, delete: bool) -> Frame:
    """List or delete all runs of an experiment, and then its record.

    Raises:
        EspalierError: as `delete_runs`; `bad_name`, or `bad_argument` when there isn't one of that name.
    """
    check_name("experiment", name)
    query = Query(fixed=Sql("r.experiment = ?", (name,)))
    run_ids = index_of(paths).ask(lambda database: index_of(paths).ids(database, query))
    record = paths.experiment(name)
    if not run_ids and not os.path.exists(record):
        raise EspalierError(
            "bad_argument", f"There is no experiment {name!r} in {paths.root}.", "See list_experiments()."
        )
    found = listed_or_deleted(paths, listed(paths, families(paths, run_ids), {}), delete=delete)
    if delete:
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(record)
                sync_folder(paths.experiments)
        except OSError as error:
            raise cannot_write(paths.root, error) from error
    return found


def listed(paths: WorkspacePaths, members: Sequence[Member], reasons: Mapping[str, str]) -> List[Doomed]:
    """Runs that may go.

    Args:
        members: Parents before their children.
        reasons: Why named runs go, by id; else because they were named.

    Raises:
        EspalierError: `run_in_use`, `newer_format`.
    """
    seen = refuse_unended(members, "delete")
    readers = refuse_needed(paths, members)
    found = []
    for done, member in enumerate(members):
        report("Measuring runs", done, len(members))
        why = f"below {member.above}" if member.above else reasons.get(member.run_id, "named")
        run_id = member.run_id
        found.append(Doomed(member, seen[run_id], size_below(member.run.root), why, readers.get(run_id, ())))
    return found


def listed_or_deleted(paths: WorkspacePaths, doomed: Sequence[Doomed], *, delete: bool) -> Frame:
    """The table of runs that may go, which are deleted if that is asked for. Raises as `delete_runs`."""
    gone = _remove(paths, [item.member for item in doomed]) if delete else set()
    columns: Dict[str, List[Optional[object]]] = {
        "run_id": [item.member.run_id for item in doomed],
        "experiment": [item.member.run_id.rsplit("_", 2)[0] for item in doomed],
        "status": [item.status for item in doomed],
        "size": [float(item.size) for item in doomed],
        "why": [item.why for item in doomed],
        "needed_by": [", ".join(item.needed_by) or None for item in doomed],
        "deleted": [item.member.run_id in gone for item in doomed],
    }
    return Frame(columns, _KINDS)


def _remove(paths: WorkspacePaths, members: Sequence[Member]) -> Set[str]:
    """Delete runs, children before their parents. Returns the ids of those that are gone."""
    trash: Dict[str, str] = {}
    try:
        for done, member in enumerate(reversed(members)):
            report("Deleting runs", done, len(members))
            aside = temporary(member.run.shard)
            with contextlib.suppress(FileNotFoundError):  # another process deleted it
                os.rename(member.run.root, aside)
                os.utime(aside, (0, 0))  # (as old as what may be swept)
            trash[member.run_id] = aside
        for shard in sorted(set(map(os.path.dirname, trash.values()))):
            sync_folder(shard)
    except OSError as error:
        raise cannot_write(paths.root, error) from error
    for done, aside in enumerate(trash.values()):
        report("Removing files", done, len(trash))
        remove_tree(aside)
    return set(trash)
