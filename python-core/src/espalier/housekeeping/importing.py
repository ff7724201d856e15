"""Importing runs that another workspace exported: each appears whole, by one rename in its shard, or not at all.

All of an archive is checked before anything is written. Objects of snapshots go to the store first; where that is as
far as it comes, they are garbage, which is collected.
"""

import errno
import os
import shutil
import time
from contextlib import closing
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Set

from espalier.adapters.files import remove_tree
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decoded
from espalier.base.model.job import JobSpec
from espalier.base.model.status import status_in
from espalier.base.names import is_name
from espalier.base.os_errors import cannot_write
from espalier.base.paths import (
    CHILDREN,
    META,
    SPEC,
    STATUS,
    RunPaths,
    WorkspacePaths,
    archived_file,
    archived_object,
    experiment_of,
    is_digest,
    is_run_id,
    temporary,
)
from espalier.base.progress import report
from espalier.base.records import FILE_MODE, FOLDER_MODE, check_kinds, dump_record, make_folders, now_iso
from espalier.base.resources import bytes_of
from espalier.base.types import Frame, Text
from espalier.housekeeping.archive_file import Archive
from espalier.housekeeping.portable import HOST_FIELDS, Entry, is_portable, is_same
from espalier.jobs.folder import make_shard, place_folder, sync_together
from espalier.snapshot.hold import holding_objects
from espalier.snapshot.reach import snapshots_in
from espalier.store.objects import SMALL, ObjectWriter
from espalier.store.packs import ObjectReader
from espalier.store.stored_files import put_pieces
from espalier.store.trees import objects_of, read_tree
from espalier.workspace.experiment_record import record_experiment

_KINDS = {"run_id": "string", "experiment": "string", "status": "string", "files": "integer", "size": "double",
          "imported": "logical"}  # fmt: skip
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
# The field of `meta.json` by which an imported run is known.
_IMPORTED = "imported"


class _Arrival(NamedTuple):
    """A run of an archive: its files, its mutable record, how it ended, and the snapshots that it refers to."""

    run: RunPaths
    files: Mapping[str, Entry]
    meta: Dict[str, Any]
    status: str
    snapshots: Sequence[str]

    @property
    def run_id(self) -> str:
        return os.path.basename(self.run.root)


def import_runs(paths: WorkspacePaths, file: str, *, max_size: Optional[Text]) -> Frame:
    """See `Housekeeping.import_runs`. Where it raises, no run was imported."""
    limit = None if max_size is None else bytes_of(max_size, "max_size")
    with closing(Archive(os.path.abspath(os.path.expanduser(file)), limit)) as archive:
        ids = sorted(archive.manifest.runs, key=lambda run_id: (int(run_id.rsplit("_", 2)[1]), run_id))
        arrivals = [_checked(paths, archive, run_id) for run_id in ids]  # (by time: parents before their children)
        new = [arrival for arrival in arrivals if not _is_there(archive, arrival)]
        if new and archive.size > shutil.disk_usage(paths.root).free:
            raise cannot_write(paths.root, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        imported = _imported(paths, archive, new) if new else set()
    rows = []
    for run, files, _, status, _ in arrivals:
        run_id, size = os.path.basename(run.root), float(sum(entry.size for entry in files.values()))
        rows.append((run_id, experiment_of(run_id), status, len(files), size, run_id in imported))
    return Frame.of_rows(rows, _KINDS)


def _imported(paths: WorkspacePaths, archive: Archive, arrivals: Sequence[_Arrival]) -> Set[str]:
    """Import runs: all are written before the first is moved to its place. Returns the ids of those that are new."""
    asides = {arrival.run_id: temporary(arrival.run.shard) for arrival in arrivals}
    try:
        with holding_objects(paths):
            _store_objects(paths, archive)
            _check_snapshots(paths, archive, {digest for arrival in arrivals for digest in arrival.snapshots})
            for done, arrival in enumerate(arrivals):
                report("Importing runs", done, len(arrivals))
                _write(paths, archive, arrival, asides[arrival.run_id])
            sync_together(paths, [folder for aside in asides.values() for folder, _, _ in os.walk(aside)])
            new = {each.run_id for each in arrivals if _placed(paths, archive, each, asides[each.run_id])}
            sync_together(paths, [paths.runs, *{each.run.shard for each in arrivals}])
            return new
    except OSError as error:
        raise cannot_write(paths.root, error) from error
    finally:
        for aside in asides.values():
            remove_tree(aside)


def _checked(paths: WorkspacePaths, archive: Archive, run_id: str) -> _Arrival:
    """One run of an archive, whose records were read and checked."""
    files = archive.manifest.runs[run_id].files
    with archive.checked(f"the records of the run {run_id} can't be read"):
        record, status = archive.record(run_id, SPEC), archive.record(run_id, STATUS)
        meta = check_kinds(META, archive.record(run_id, META), {"tags": dict, "properties": dict})
        problem = (
            _problem_of_spec(decoded(JobSpec, SPEC, record), run_id)
            or _problem_of_status(status)
            or _problem_of_children(files)
        )
        if problem:
            raise archive.refused(f"the run {run_id} {problem}")
        return _Arrival(paths.run(run_id), files, meta, str(status["state"]), snapshots_in(record))


def _problem_of_spec(spec: JobSpec, run_id: str) -> str:
    """Why a definition isn't that of the run, or names files that aren't its own."""
    if spec.id != run_id or spec.experiment != experiment_of(run_id) or not is_name(spec.experiment):
        return f"names itself {spec.id[:200]!r}, of the experiment {spec.experiment[:200]!r}"
    if spec.snapshot is not None and not is_digest(spec.snapshot.id.partition("sha256:")[2]):
        return "has a snapshot that can't be one"
    others = (*spec.depends_on, *(item.run for item in spec.inputs if item.run))
    if not all(map(is_run_id, (*others, *([spec.parent] if spec.parent else [])))):
        return "names a run that can't be one"
    outside = [item.path for item in spec.outputs if not is_portable(item.path.rstrip("/"))]
    return f"declares the output {outside[0][:200]!r}, which isn't its own" if outside else ""


def _problem_of_status(record: Mapping[str, Any]) -> str:
    status = status_in(record)
    if not states.is_final(status.state):
        return f"hasn't ended: its state is {record.get('state')!r:.100}"
    found = [name for name in HOST_FIELDS if name in record]
    if found:
        return f"names processes or folders of another host: {found[0]}"
    outside = [name for name in status.logs or {} if not is_portable(name)]
    return f"has the log {outside[0][:200]!r}, which isn't its own" if outside else ""


def _problem_of_children(files: Mapping[str, Entry]) -> str:
    for name, entry in files.items():
        folder, _, child = name.partition("/")
        if folder == CHILDREN and (not is_run_id(child) or entry.size):
            return f"has the child {name[:200]!r}, which can't be one"
    return ""


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
            pieces = archive.pieces(archived_object(digest))
            if size <= SMALL:
                writer.add(b"".join(pieces))
            else:
                put_pieces(paths, paths.blob(digest), pieces)
                writer.rely_on([paths.blob(digest)])
        for digest in sorted(manifest.trees):
            put_pieces(paths, paths.tree(digest), archive.pieces(archived_object(digest, True)))
            writer.rely_on([paths.tree(digest)])


def _check_snapshots(paths: WorkspacePaths, archive: Archive, digests: Set[str]) -> None:
    """Refuse snapshots that aren't whole: garbage collection could not tell what is in use."""
    seen: Set[str] = set()
    with ObjectReader(paths) as reader:
        for snapshot_id in ("sha256:" + digest for digest in digests):
            with archive.checked(f"the snapshot {snapshot_id} isn't whole"):
                read_tree(paths, snapshot_id)
                for digest in objects_of(paths, snapshot_id, reader, seen):
                    if not reader.has(digest) and not os.path.exists(paths.tree(digest)):
                        raise archive.refused(f"the snapshot {snapshot_id} isn't whole: {digest} is missing")


def _write(paths: WorkspacePaths, archive: Archive, arrival: _Arrival, aside: str) -> None:
    """Write a run into a folder beside its place."""
    origin = {"at": now_iso(time.time()), "workspace_id": archive.manifest.workspace_id}
    make_shard(paths, arrival.run.shard, False)
    os.mkdir(aside, FOLDER_MODE)
    folders = {os.path.dirname(name) for name in arrival.files}
    for folder in sorted(folders - {""}):
        make_folders(os.path.join(aside, folder), top=aside)
    for name, entry in arrival.files.items():
        changed = [dump_record({**arrival.meta, _IMPORTED: origin})] if name == META else None
        fd = os.open(os.path.join(aside, name), _NEW, FILE_MODE | (0o111 if entry.executable else 0))
        with os.fdopen(fd, "wb") as file:
            file.writelines(changed or archive.pieces(archived_file(arrival.run_id, name)))


def _placed(paths: WorkspacePaths, archive: Archive, arrival: _Arrival, aside: str) -> bool:
    """Move a run that was written to its place. False: another process was faster."""
    record_experiment(paths, experiment_of(arrival.run_id))
    try:
        place_folder(paths, aside, arrival.run_id, sync=False)
    except EspalierError:
        if not _is_there(archive, arrival):
            raise
        return False
    return True
