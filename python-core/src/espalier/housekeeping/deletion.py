"""Deleting ended runs: each goes out of sight by one rename in its shard, then its files go. Archiving them.

Killed at any moment, a run is there whole or not at all. What is left of its files has a temporary name and an old
time, so the next submit to that shard, or garbage collection, removes it.
"""

import contextlib
import os
import time
from typing import List, Sequence

from espalier.adapters.files import remove_tree, size_below
from espalier.base.errors import EspalierError
from espalier.base.names import check_name
from espalier.base.os_errors import cannot_write
from espalier.base.paths import WorkspacePaths, experiment_of, temporary
from espalier.base.progress import report
from espalier.base.records import now_iso, sync_folder
from espalier.base.types import Frame
from espalier.housekeeping.families import Member, ended, families, index_of, readers_of
from espalier.jobs.folder import sync_together
from espalier.store.index.run_index import Query
from espalier.store.index.sql import Sql
from espalier.tracking.tags import changing_meta, read_meta

_KINDS = {
    "run_id": "string", "experiment": "string", "status": "string", "size": "double", "why": "string",
    "needed_by": "string", "deleted": "logical",
}  # fmt: skip
# The field of `meta.json` by which an archived run is known.
_ARCHIVED = "archived_at"


def delete_experiment(paths: WorkspacePaths, name: str, *, dry_run: bool) -> Frame:
    """See `Housekeeping.delete_experiment`."""
    check_name("experiment", name)
    index, query = index_of(paths), Query(fixed=Sql("r.experiment = ?", (name,)))
    run_ids = index.ask(lambda database: index.ids(database, query))
    record = paths.experiment(name)
    if not run_ids and not os.path.exists(record):
        message = f"There is no experiment {name!r} in {paths.root}."
        raise EspalierError("bad_argument", message, "See list_experiments().")
    found = delete(paths, families(paths, run_ids), dry_run=dry_run)
    if not dry_run:
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(record)
                sync_folder(paths.experiments)
        except OSError as error:
            raise cannot_write(paths.root, error) from error
    return found


def delete(paths: WorkspacePaths, members: Sequence[Member], *, dry_run: bool, why: str = "named") -> Frame:
    """Delete ended runs, or list them only. See `Housekeeping.delete_runs`.

    Args:
        members: Parents before their children.
        why: Why those go that don't lie below another.
    """
    status, readers, rows = ended(members, "delete"), readers_of(paths, members), []
    for done, (run, above) in enumerate(members):
        report("Measuring runs", done, len(members))
        run_id = os.path.basename(run.root)
        reason, needed_by = f"below {above}" if above else why, ", ".join(readers.get(run_id, ())) or None
        size = float(size_below(run.root))
        rows.append((run_id, experiment_of(run_id), status[run_id], size, reason, needed_by, not dry_run))
    if not dry_run:
        _remove(paths, members)
    return Frame.of_rows(rows, _KINDS)


def _remove(paths: WorkspacePaths, members: Sequence[Member]) -> None:
    """Delete runs, children before their parents."""
    trash: List[str] = []
    try:
        for done, member in enumerate(reversed(members)):
            report("Deleting runs", done, len(members))
            trash.append(temporary(member.run.shard))
            with contextlib.suppress(FileNotFoundError):  # another process deleted it
                os.rename(member.run.root, trash[-1])
                os.utime(trash[-1], (0, 0))  # (as old as what may be swept)
    except OSError as error:
        raise cannot_write(paths.root, error) from error
    sync_together(paths, {member.run.shard for member in members})
    for done, aside in enumerate(trash):
        report("Removing files", done, len(trash))
        remove_tree(aside)


def set_archived(paths: WorkspacePaths, run_ids: Sequence[str], *, archived: bool) -> List[str]:
    """See `Housekeeping.archive_runs` and `restore_runs`."""
    members = families(paths, run_ids)
    ended(members, "archive" if archived else "restore")
    now, changed = now_iso(time.time()), []
    for done, member in enumerate(members):
        report("Archiving runs" if archived else "Restoring runs", done, len(members))
        if (read_meta(member.run).get(_ARCHIVED) is not None) == archived:
            continue
        try:
            with changing_meta(member.run) as meta:
                meta.pop(_ARCHIVED, None)
                meta.update({_ARCHIVED: now} if archived else {})
        except OSError as error:
            raise cannot_write(paths.root, error) from error
        changed.append(member.run_id)
    return changed
