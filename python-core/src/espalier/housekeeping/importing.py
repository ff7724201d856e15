"""Importing runs that another workspace exported: each appears whole, by one rename in its shard, or not at all.

All of an archive is checked before anything is written. Objects of snapshots go to the store first; where that is as
far as it comes, they are garbage, which is collected.
"""

import errno
import os
import shutil
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set

from espalier.adapters.files import remove_tree
from espalier.base import states
from espalier.base.archive_paths import ARCHIVED_RECORDS, archived_file, archived_object
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decoded, encode
from espalier.base.model.job import JobSpec, Meta
from espalier.base.names import is_name
from espalier.base.os_errors import cannot_write
from espalier.base.paths import CHILDREN, META, SPEC, STATUS, RunPaths, WorkspacePaths, is_digest, is_run_id, temporary
from espalier.base.progress import report
from espalier.base.records import (
    FILE_MODE,
    FOLDER_MODE,
    RECORD_BYTES,
    dump_record,
    make_folders,
    now_iso,
    parse_record,
    sync_folder,
    write_all,
    write_file,
)
from espalier.base.resources import bytes_of
from espalier.base.types import Frame, Text
from espalier.housekeeping.archive_file import Archive
from espalier.housekeeping.portable import HOST_FIELDS, Entry, is_portable, is_same
from espalier.jobs.commit import make_shard, place_folder, sync_together
from espalier.snapshot.hold import holding_objects
from espalier.snapshot.reach import snapshots_in
from espalier.store.objects import SMALL, ObjectWriter
from espalier.store.packs import ObjectReader
from espalier.store.stored_files import create, discard, place, put_bytes
from espalier.store.trees import objects_of, read_tree
from espalier.workspace.experiment_record import record_experiment

_TABLE = {"run_id": "string", "experiment": "string", "status": "string", "files": "integer", "size": "double",
          "imported": "logical"}  # fmt: skip
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# A manifest of a snapshot in the first format is read whole, bytes.
_TREE_BYTES = 64 << 20
# The field of `meta.json` by which an imported run is known.
IMPORTED = "imported"


class _Arrival(NamedTuple):
    """A run of an archive: its files, its mutable record, how it ended, and the snapshots that it refers to."""

    run: RunPaths
    files: Dict[str, Entry]
    meta: Dict[str, Any]
    status: str
    snapshots: Sequence[str]

    @property
    def run_id(self) -> str:
        return os.path.basename(self.run.root)


def import_runs(paths: WorkspacePaths, file: str, *, max_size: Optional[Text] = None) -> Frame:
    """Import the runs of an archive. Those that the workspace has already, with equal content, are left as they are.

    Args:
        file: The archive.
        max_size: What it may unpack to, in bytes or as `5 GB`. Default: 1 GB, or 100 times its size.

    Returns:
        A row a run: `run_id`, `experiment`, `status`, how many `files`, their `size` in bytes, and whether it was
        `imported` or was there.

    Raises:
        EspalierError: `archive_invalid`, `newer_format`; `run_exists` when a run is there with other content;
            `workspace_read_only`, `bad_argument`. No run was imported then.
    """
    imported: Set[str] = set()
    limit = None if max_size is None else bytes_of(max_size, "max_size")
    with Archive(os.path.abspath(os.path.expanduser(file)), limit) as archive:
        arrivals = [_checked(paths, archive, run_id) for run_id in _in_order(archive)]
        new = [arrival for arrival in arrivals if not _is_there(archive, arrival)]
        if new:
            if archive.size > shutil.disk_usage(paths.root).free:
                raise cannot_write(paths.root, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            imported = _imported(paths, archive, new)
    return _table(arrivals, imported)


def _imported(paths: WorkspacePaths, archive: Archive, arrivals: Sequence[_Arrival]) -> Set[str]:
    """Import runs: all are written before the first is moved to its place. Returns the ids of those that are new."""
    asides: Dict[str, str] = {}
    try:
        with holding_objects(paths):
            _store_objects(paths, archive)
            _check_snapshots(paths, archive, arrivals)
            for done, arrival in enumerate(arrivals):
                report("Importing runs", done, len(arrivals))
                _write(paths, archive, arrival, asides)
            sync_together(paths, [folder for aside in asides.values() for folder, _, _ in os.walk(aside)])
            new = {each.run_id for each in arrivals if _placed(paths, archive, each, asides[each.run_id])}
            for shard in {each.run.shard for each in arrivals}:
                sync_folder(shard)
            return new
    except OSError as error:
        raise cannot_write(paths.root, error) from error
    finally:
        for aside in asides.values():
            if os.path.lexists(aside):
                remove_tree(aside)


def _in_order(archive: Archive) -> List[str]:
    """The runs of an archive, older ones first, so parents before their children."""
    return sorted(archive.manifest.runs, key=lambda run_id: (int(run_id.rsplit("_", 2)[1]), run_id))


def _checked(paths: WorkspacePaths, archive: Archive, run_id: str) -> _Arrival:
    """One run of an archive, whose records were read and checked."""
    files = archive.manifest.runs[run_id]
    records = {name: _record(archive, run_id, name) for name in ARCHIVED_RECORDS}
    try:
        spec = decoded(JobSpec, SPEC, records[SPEC])
        snapshots = snapshots_in(records[SPEC])
        meta = encode(decoded(Meta, META, records[META]))
    except (EspalierError, ValueError, LookupError, TypeError) as error:
        raise archive.refused(f"the records of the run {run_id} can't be read: {error}"[:400]) from error
    problem = _problem_of_spec(spec, run_id) or _problem_of_status(records[STATUS]) or _problem_of_children(files)
    if problem:
        raise archive.refused(f"the run {run_id} {problem}")
    return _Arrival(paths.run(run_id), files, meta, str(records[STATUS]["state"]), snapshots)


def _record(archive: Archive, run_id: str, name: str) -> Dict[str, Any]:
    if name not in archive.manifest.runs[run_id]:
        raise archive.refused(f"the run {run_id} has no {name}")
    entry = archived_file(run_id, name)
    try:
        return parse_record(entry, archive.read(entry, RECORD_BYTES))
    except EspalierError as error:
        if error.code == "newer_format":
            raise
        raise archive.refused(f"{entry} can't be read: {error.message}"[:400]) from error


def _problem_of_spec(spec: JobSpec, run_id: str) -> str:
    """Why a definition isn't that of the run, or names files that aren't its own."""
    if spec.id != run_id or spec.experiment != run_id.rsplit("_", 2)[0] or not is_name(spec.experiment):
        return f"names itself {spec.id[:200]!r}, of the experiment {spec.experiment[:200]!r}"
    if spec.snapshot is not None and not is_digest(spec.snapshot.id.partition("sha256:")[2]):
        return "has a snapshot that can't be one"
    others = (*spec.depends_on, *(item.run for item in spec.inputs if item.run))
    if not all(map(is_run_id, (*others, *([spec.parent] if spec.parent else [])))):
        return "names a run that can't be one"
    outside = [item.path for item in spec.outputs if not is_portable(item.path.rstrip("/"))]
    return f"declares the output {outside[0][:200]!r}, which isn't its own" if outside else ""


def _problem_of_status(status: Dict[str, Any]) -> str:
    state, logs = status.get("state"), status.get("logs") or {}
    if not isinstance(state, str) or not states.is_final(state):
        return f"hasn't ended: its state is {state!r:.100}"
    found = [name for name in HOST_FIELDS if name in status]
    if found:
        return f"names processes or folders of another host: {found[0]}"
    if not isinstance(logs, dict):
        return "has a list of logs that is none"
    outside = [name for name, extent in logs.items() if isinstance(extent, dict) and not is_portable(name)]
    return f"has the log {outside[0][:200]!r}, which isn't its own" if outside else ""


def _problem_of_children(files: Dict[str, Entry]) -> str:
    entries = {name: entry for name, entry in files.items() if name.startswith(CHILDREN + "/")}
    wrong = [name for name, entry in entries.items() if not is_run_id(name[len(CHILDREN) + 1 :]) or entry.size]
    return f"has the child {wrong[0][:200]!r}, which can't be one" if wrong else ""


def _is_there(archive: Archive, arrival: _Arrival) -> bool:
    """Whether the workspace has a run already. Raises EspalierError `run_exists`: it isn't the same."""
    if not os.path.lexists(arrival.run.root):
        return False
    if is_same(arrival.run, arrival.files):
        return True
    raise EspalierError(
        "run_exists",
        f"Can't import {archive.path}: the workspace has a run {arrival.run_id} already, with other content.",
        "Import it into another workspace, or delete the run here first.",
        run_id=arrival.run_id,
    )


def _store_objects(paths: WorkspacePaths, archive: Archive) -> None:
    """Add the archive's objects to the store, durable; each is verified on the way."""
    manifest = archive.manifest
    with ObjectWriter(paths) as writer:
        for done, (digest, size) in enumerate(sorted(manifest.objects.items())):
            report("Importing snapshots", done, len(manifest.objects))
            name = archived_object(digest)
            if size <= SMALL:
                writer.add(archive.read(name, SMALL))
            else:
                _store_large(paths, digest, archive.pieces(name))
                writer.rely_on([paths.blob(digest)])
        for digest in sorted(manifest.trees):
            put_bytes(paths, paths.tree(digest), archive.read(archived_object(digest, True), _TREE_BYTES))
            writer.rely_on([paths.tree(digest)])


def _store_large(paths: WorkspacePaths, digest: str, pieces: Iterator[bytes]) -> None:
    aside = temporary(paths.blobs)
    try:
        fd = create(paths, aside)
        try:
            for piece in pieces:
                write_all(fd, piece)
        finally:
            os.close(fd)
        place(paths, aside, paths.blob(digest))
    except OSError as error:
        raise cannot_write(paths.root, error) from error
    finally:
        discard(aside)


def _check_snapshots(paths: WorkspacePaths, archive: Archive, arrivals: Sequence[_Arrival]) -> None:
    """Refuse runs whose snapshots aren't whole: garbage collection could not tell what is in use."""
    seen: Set[str] = set()
    with ObjectReader(paths) as reader:
        for digest in {digest for arrival in arrivals for digest in arrival.snapshots}:
            try:
                read_tree(paths, "sha256:" + digest)
                missing = [
                    each
                    for each in objects_of(paths, "sha256:" + digest, reader, seen)
                    if not reader.has(each) and not os.path.exists(paths.tree(each))
                ]
            except EspalierError as error:
                raise archive.refused(f"the snapshot sha256:{digest} isn't whole: {error.message}"[:400]) from error
            if missing:
                raise archive.refused(f"the snapshot sha256:{digest} isn't whole: {missing[0]} is missing")


def _write(paths: WorkspacePaths, archive: Archive, arrival: _Arrival, asides: Dict[str, str]) -> None:
    """Write a run beside its place.

    Args:
        asides: Gets its folder, by its id.
    """
    aside = temporary(arrival.run.shard)
    meta = {**arrival.meta, IMPORTED: {"at": now_iso(time.time()), "workspace_id": archive.manifest.workspace_id}}
    make_shard(paths, arrival.run.shard, True)
    os.mkdir(aside, FOLDER_MODE)
    asides[arrival.run_id] = aside
    made = {aside}
    for name, entry in arrival.files.items():
        path = os.path.join(aside, name)
        if os.path.dirname(path) not in made:
            make_folders(os.path.dirname(path))
            made.add(os.path.dirname(path))
        if name == META:
            write_file(path, dump_record(meta))
            continue
        fd = os.open(path, _NEW, FILE_MODE | (0o111 if entry.executable else 0))
        try:
            for piece in archive.pieces(archived_file(arrival.run_id, name)):
                write_all(fd, piece)
        finally:
            os.close(fd)


def _placed(paths: WorkspacePaths, archive: Archive, arrival: _Arrival, aside: str) -> bool:
    """Move a run that was written to its place. False: another process was faster."""
    record_experiment(paths, arrival.run_id.rsplit("_", 2)[0])
    try:
        place_folder(paths, aside, arrival.run_id, sync=False)
    except EspalierError:
        if _is_there(archive, arrival):
            return False
        raise
    return True


def _table(arrivals: Sequence[_Arrival], new: Set[str]) -> Frame:
    columns: Dict[str, List[Any]] = {
        "run_id": [arrival.run_id for arrival in arrivals],
        "experiment": [arrival.run_id.rsplit("_", 2)[0] for arrival in arrivals],
        "status": [arrival.status for arrival in arrivals],
        "files": [len(arrival.files) for arrival in arrivals],
        "size": [float(sum(entry.size for entry in arrival.files.values())) for arrival in arrivals],
        "imported": [arrival.run_id in new for arrival in arrivals],
    }
    return Frame(columns, _TABLE)
