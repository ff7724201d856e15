"""What is done with snapshots outside of submits: taken and kept, compared, written out again."""

import contextlib
import os
import re
from typing import Any, Dict, List, Mapping

from espalier.adapters.files import remove_tree
from espalier.api.run import Run
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.os_errors import disk_full, is_full
from espalier.base.paths import WorkspacePaths, is_run_id, partial
from espalier.base.progress import indivisible
from espalier.base.records import make_folders, seconds_of
from espalier.base.types import Frame
from espalier.runner.workdir import materialise
from espalier.snapshot.compare import FolderSide, Side, StoredSide, as_frame, compare
from espalier.snapshot.garbage import delete_garbage, find_garbage
from espalier.snapshot.hold import alone_with_objects, holding_objects
from espalier.snapshot.reach import keep, kept_snapshots, remove_record
from espalier.snapshot.take import take_snapshot
from espalier.store.trees import has_tree
from espalier.workspace.handle import run_missing

_ID = re.compile(r"sha256:[0-9a-f]{64}")
_KEPT = {"id": "string", "taken_at": "time", "source_directory": "string", "files": "integer", "bytes": "double"}
_GARBAGE = {"what": "string", "path": "string", "size": "double", "why": "string", "deleted": "logical"}


def take_and_keep(
    paths: WorkspacePaths, directory: str, default_excludes: bool, outside_links: str
) -> Dict[str, Any]:
    """Takes a snapshot of a folder and keeps it. See `Snapshots.take_values`."""
    with holding_objects(paths):
        snapshot = take_snapshot(paths, directory, default_excludes, outside_links)
        with indivisible():
            keep(paths, snapshot)
    return {
        "id": snapshot.id,
        "files": snapshot.files,
        "bytes": snapshot.bytes,
        "source_directory": snapshot.source_directory,
        "notes": snapshot.excluded_notes,
    }


def stop_keeping(paths: WorkspacePaths, snapshot_id: str) -> bool:
    """Keeps a snapshot no longer. See `Snapshots.delete`."""
    return remove_record(paths, _checked_id(snapshot_id))


def list_kept(paths: WorkspacePaths) -> Frame:
    """The kept snapshots as a frame, newest first."""
    records = kept_snapshots(paths)
    columns = {name: [record.get(name) for record in records] for name in _KEPT}
    columns["taken_at"] = [seconds_of(text) for text in columns["taken_at"]]
    return Frame(columns, _KEPT)


def restore(paths: WorkspacePaths, snapshot: str, target: str) -> str:
    """Writes a snapshot into a new folder, whole or not at all.

    Args:
        snapshot: A run's id or `sha256:<64 hex digits>`.
        target: The folder to make; folders on the way are made. It may exist if it is empty.

    Raises:
        EspalierError: `file_exists` when there is something at the target, `bad_argument` when it cannot be written,
            `snapshot_missing`, `snapshot_damaged`, `run_missing`.
    """
    folder = os.path.abspath(os.path.expanduser(target))
    with holding_objects(paths, only_reading=True):
        snapshot_id = snapshot_of(paths, snapshot)
        _refuse_taken(folder)
        # a name that isn't in use: a folder of the user's that happens to be called `<target>.part` stays as it is
        aside = f"{partial(folder)}-{os.urandom(4).hex()}"
        try:
            make_folders(os.path.dirname(folder))
            materialise(paths.root, snapshot_id, aside)
            _refuse_taken(folder)
            os.rename(aside, folder)
        except OSError as error:
            if is_full(error):
                raise disk_full(folder, error) from error
            message = f"Can't write the snapshot to {folder}: {error.strerror}."
            raise EspalierError("bad_argument", message, "Give another folder.", path=folder) from error
        finally:
            if os.path.lexists(aside):
                remove_tree(aside)
    return folder


def _refuse_taken(folder: str) -> None:
    if os.path.isdir(folder) and not os.path.islink(folder) and not os.listdir(folder):
        return
    if os.path.lexists(folder):
        raise EspalierError(
            "file_exists",
            f"Can't write the snapshot to {folder}: it exists already.",
            "Give another folder, or remove that one.",
            path=folder,
        )


def collect(paths: WorkspacePaths, *, delete: bool) -> Frame:
    """Lists garbage, and deletes it when asked. See `Snapshots.collect_garbage`."""
    if delete:
        with alone_with_objects(paths):
            found = find_garbage(paths)
            gone = delete_garbage(paths, found)
    else:
        with holding_objects(paths, only_reading=True):
            found, gone = find_garbage(paths), set()
    columns: Dict[str, List[Any]] = {
        "what": [item.what for item in found],
        "path": [os.path.relpath(item.path, paths.root) for item in found],
        "size": [float(item.size) for item in found],
        "why": [item.why for item in found],
        "deleted": [item.path in gone for item in found],
    }
    return Frame(columns, _GARBAGE)


def compare_sides(a: Any, b: Any, outside_links: str) -> Frame:
    """Compares two snapshots, or a snapshot and a folder. See `Snapshots.compare_snapshots`."""
    with contextlib.ExitStack() as held:
        return as_frame(compare(_side(a, outside_links, held), _side(b, outside_links, held)))


def _side(what: Any, outside_links: str, held: contextlib.ExitStack) -> Side:
    if isinstance(what, Run):
        return _stored(what.workspace_path, what.id, held)
    if isinstance(what, (str, os.PathLike)):
        return FolderSide(os.fspath(what), outside_links)
    if isinstance(what, Mapping) and what.keys() == {"workspace", "snapshot"}:
        workspace = what["workspace"]
        return _stored(workspace if isinstance(workspace, str) else workspace.path, str(what["snapshot"]), held)
    raise EspalierError(
        "bad_argument",
        f"Can't compare {what!r}: it must be a run, a folder, or a snapshot of a workspace.",
        'A snapshot is given as {"workspace": workspace, "snapshot": id}.',
    )


def _stored(workspace: str, snapshot: str, held: contextlib.ExitStack) -> Side:
    paths = WorkspacePaths(workspace)
    held.enter_context(holding_objects(paths, only_reading=True))
    side = StoredSide(paths, snapshot_of(paths, snapshot))
    held.callback(side.close)
    return side


def snapshot_of(paths: WorkspacePaths, snapshot: str) -> str:
    """The snapshot that is meant, once it is known to be there.

    Args:
        snapshot: A run's id or `sha256:<64 hex digits>`.

    Returns:
        `sha256:<64 hex digits>`.

    Raises:
        EspalierError: `bad_argument` when it is neither, `run_missing`, `snapshot_missing`.
    """
    if is_run_id(snapshot):
        return _of_run(paths, snapshot)
    if not has_tree(paths, _checked_id(snapshot)):
        raise EspalierError(
            "snapshot_missing",
            f"Can't find the snapshot {snapshot} in {paths.root}.",
            "The id may belong to another workspace, or garbage collection removed a snapshot that wasn't kept.",
            snapshot=snapshot,
        )
    return snapshot


def _checked_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise EspalierError(
            "bad_argument",
            f"Can't use {text!r} as the id of a snapshot: an id is sha256: and 64 hex digits.",
            "take_snapshot() returns an id, list_snapshots() lists the kept ones.",
        )
    return text


def _of_run(paths: WorkspacePaths, run_id: str) -> str:
    try:
        recorded = read_as(JobSpec, paths.run(run_id).spec).snapshot
    except FileNotFoundError:
        raise run_missing(run_id, paths.root) from None
    if not recorded:
        raise EspalierError(
            "snapshot_missing",
            f"Can't find a snapshot of the run {run_id}: it was submitted without a folder.",
            "Give `source_directory` to keep one.",
            run_id=run_id,
        )
    return recorded.id
