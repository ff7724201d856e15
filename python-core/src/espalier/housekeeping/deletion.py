"""Deleting ended runs: each goes out of sight by one rename in its shard, then its files go. Archiving them.

Killed at any moment, a run is there whole or not at all. What is left of its files has a temporary name and an old
time, so the next submit to that shard, or garbage collection, removes it.
"""

import contextlib
import os
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Iterator, List, Mapping, Sequence

from espalier.adapters.files import remove_tree, size_below
from espalier.base.errors import EspalierError
from espalier.base.names import check_name
from espalier.base.os_errors import cannot_write
from espalier.base.paths import WorkspacePaths, temporary
from espalier.base.progress import report
from espalier.base.records import now_iso, sync_folder
from espalier.base.resources import counted
from espalier.base.types import Frame
from espalier.housekeeping.families import ended, families, index_of, present, readers_of
from espalier.jobs.commit import sync_together
from espalier.queue.home import allocator, queue_paths
from espalier.store.index.run_index import Query
from espalier.store.index.sql import Sql
from espalier.tracking.tags import changing_meta, read_meta

_KINDS = {
    "run_id": "string", "experiment": "string", "status": "string", "size": "double", "why": "string",
    "needed_by": "string", "deleted": "logical",
}  # fmt: skip
# How many folders are removed at a time.
_AT_ONCE = 8
# The field of `meta.json` by which an archived run is known.
_ARCHIVED = "archived_at"


def delete_experiment(paths: WorkspacePaths, name: str, *, dry_run: bool) -> Frame:
    """See `Housekeeping.delete_experiment`."""
    check_name("experiment", name)
    index, query = index_of(paths), Query(fixed=Sql("r.experiment = ?", (name,)))
    run_ids = index.ask(lambda database: index.ids(database, query))
    record = paths.experiment(name)
    if not run_ids and not os.path.exists(record):
        message = f"Can't find the experiment {name!r} in {paths.root}."
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


def delete(paths: WorkspacePaths, run_ids: Mapping[str, str], *, dry_run: bool, why: str = "asked for") -> Frame:
    """Delete ended runs, or list them only. See `Housekeeping.delete_runs`.

    Args:
        run_ids: See `families`.
        why: Why those go that don't lie below another.
    """
    status, readers, rows = ended(paths, run_ids, "delete"), readers_of(paths, run_ids), []
    for done, (run_id, above) in enumerate(run_ids.items()):
        report("Measuring runs", done, len(run_ids))
        run, reason = paths.run(run_id), f"below {above}" if above else why
        size, needed_by = float(size_below(run.root)), ", ".join(readers.get(run_id, ())) or None
        rows.append((run_id, run.experiment, status[run_id], size, reason, needed_by, not dry_run))
    if not dry_run:
        _remove(paths, run_ids)
    return Frame.of_rows(rows, _KINDS)


def _remove(paths: WorkspacePaths, run_ids: Mapping[str, str]) -> None:
    """Delete runs, children before their parents."""
    runs = [paths.run(run_id) for run_id in reversed(list(run_ids))]
    trash: List[str] = []
    # (submits on this host wait meanwhile, so that no run becomes needed)
    with _queue_held():
        readers_of(paths, run_ids)
        try:
            for run in runs:
                trash.append(temporary(run.shard))
                with contextlib.suppress(FileNotFoundError):  # another process deleted it
                    os.rename(run.root, trash[-1])
                    os.utime(trash[-1], (0, 0))  # (as old as what may be swept)
        except OSError as error:
            raise cannot_write(paths.root, error) from error
    sync_together(paths, {run.shard for run in runs})
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # (each waits for the disk)
        for done, _ in enumerate(pool.map(remove_tree, trash)):
            report("Removing files", done, len(trash))
    left = [aside for aside in trash if os.path.lexists(aside)]
    if left:
        message = f"The files of {counted(len(left), 'deleted run')} weren't all removed, see {left[0]}."
        warnings.warn(f"{message} Another account may own some.", stacklevel=2)


@contextlib.contextmanager
def _queue_held() -> Iterator[None]:
    """Hold the queue of this host, if it has one."""
    try:
        queue = queue_paths()
    except (OSError, EspalierError):
        yield
        return
    with allocator(queue):
        yield


def set_archived(paths: WorkspacePaths, run_ids: Sequence[str], *, archived: bool) -> List[str]:
    """Archive ended runs and all runs below them, or restore them. Returns the ids of those that weren't so."""
    found, changed, now = families(paths, run_ids), [], now_iso(time.time())
    ended(paths, found, "archive" if archived else "restore")
    for done, run_id in enumerate(found):
        report("Archiving runs" if archived else "Restoring runs", done, len(found))
        run = paths.run(run_id)
        with present(run):
            if (read_meta(run).get(_ARCHIVED) is not None) == archived:
                continue
            try:
                with changing_meta(run) as meta:
                    meta.pop(_ARCHIVED, None)
                    meta.update({_ARCHIVED: now} if archived else {})
            except OSError as error:
                raise cannot_write(paths.root, error) from error
        changed.append(run_id)
    return changed
