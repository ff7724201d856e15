"""Importing runs that another workspace exported: each appears whole, by one rename in its shard, or not at all.

All of an archive is checked before anything is written. Objects of snapshots go to the store first; where that is as
far as it comes, they are garbage, which is collected.
"""

import errno
import os
import shutil
import time
import warnings
from contextlib import closing
from typing import Any, Iterator, Mapping, NamedTuple, Optional, Sequence, Set

from espalier.adapters.files import remove_tree
from espalier.base import states
from espalier.base.archive_paths import archived_file, archived_object
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decoded, encode
from espalier.base.model.job import JobSpec, Meta
from espalier.base.model.status import status_in
from espalier.base.names import is_name
from espalier.base.os_errors import cannot_write
from espalier.base.paths import CHILDREN, META, SPEC, STATUS, RunPaths, WorkspacePaths, is_digest, is_run_id, temporary
from espalier.base.progress import report
from espalier.base.records import FILE_MODE, FOLDER_MODE, dump_record, make_folders, now_iso
from espalier.base.resources import bytes_of, counted
from espalier.base.types import Frame, Text
from espalier.housekeeping.archive_file import Archive
from espalier.housekeeping.portable import HOST_FIELDS, Entry, archive_place, is_portable, is_same
from espalier.jobs.commit import make_shard, place_folder, sync_together
from espalier.snapshot.hold import holding_objects
from espalier.snapshot.reach import snapshots_in
from espalier.store.objects import SMALL, ObjectWriter
from espalier.store.packs import ObjectReader
from espalier.store.stored_files import put_pieces
from espalier.store.trees import objects_of, read_tree
from espalier.tracking.run_rows import check_records
from espalier.workspace.handle import record_experiment

_KINDS = {"run_id": "string", "experiment": "string", "status": "string", "files": "integer", "size": "double",
          "imported": "logical"}  # fmt: skip
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)


class _Arrival(NamedTuple):
    """A run of an archive: its place, its files, how it ended, the snapshots that it refers to, its parent."""

    run_id: str
    run: RunPaths
    files: Mapping[str, Entry]
    status: str
    snapshots: Sequence[str]
    parent: Optional[str]


def import_runs(paths: WorkspacePaths, file: str, *, max_size: Optional[Text]) -> Frame:
    """See `Housekeeping.import_runs`. Where it raises, no run was imported."""
    limit = None if max_size is None else bytes_of(max_size, "max_size")
    with closing(Archive(archive_place(file), limit)) as archive:
        ids = sorted(archive.manifest.runs, key=lambda run_id: (int(run_id.rsplit("_", 2)[1]), run_id))
        arrivals = [_checked(paths, archive, run_id) for run_id in ids]  # (by time: parents before their children)
        new = [arrival for arrival in arrivals if not _is_there(archive, arrival)]
        if new and archive.size > shutil.disk_usage(paths.root).free:
            raise cannot_write(paths.root, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        imported = _imported(paths, archive, new) if new else set()
    alone = [run_id for run_id, _, _, _, _, parent in arrivals if parent and not os.path.isdir(paths.run(parent).root)]
    if alone:
        message = f"Lists leave out {counted(len(alone), 'run')} whose parent isn't in this workspace"
        warnings.warn(f"{message}, unless they have `include_children`: {', '.join(alone[:3])}.", stacklevel=2)
    rows = []
    for run_id, run, files, status, _, _ in arrivals:
        size = float(sum(entry.size for entry in files.values()))
        rows.append((run_id, run.experiment, status, len(files), size, run_id in imported))
    return Frame.of_rows(rows, _KINDS)


def _imported(paths: WorkspacePaths, archive: Archive, arrivals: Sequence[_Arrival]) -> Set[str]:
    """Import runs: all are written before the first is moved to its place. Returns the ids of those that are new."""
    asides = {arrival.run_id: temporary(arrival.run.shard) for arrival in arrivals}
    new = set()
    try:
        with holding_objects(paths):
            _store_objects(paths, archive)
            _check_snapshots(paths, archive, {digest for arrival in arrivals for digest in arrival.snapshots})
            for done, arrival in enumerate(arrivals):
                report("Importing runs", done, len(arrivals))
                _write(paths, archive, arrival, asides[arrival.run_id])
            sync_together(paths, [folder for aside in asides.values() for folder, _, _ in os.walk(aside)])
            for arrival in arrivals:
                record_experiment(paths, arrival.run.experiment)
                try:
                    place_folder(paths, asides[arrival.run_id], arrival.run_id, sync=False)
                    new.add(arrival.run_id)
                except EspalierError:
                    if not _is_there(archive, arrival):  # (else another process was faster)
                        raise
            sync_together(paths, [paths.runs, *{arrival.run.shard for arrival in arrivals}])
    except OSError as error:
        raise cannot_write(paths.root, error) from error
    finally:
        for aside in asides.values():
            remove_tree(aside)
    return new


def _checked(paths: WorkspacePaths, archive: Archive, run_id: str) -> _Arrival:
    """One run of an archive, whose records were read and checked."""
    run, files = paths.run(run_id), archive.manifest.runs[run_id].files
    with archive.checked(f"the records of the run {run_id} can't be read"):
        record, status, meta = (archive.record(run_id, name) for name in (SPEC, STATUS, META))
        spec = decoded(JobSpec, SPEC, record)
        for problem in _problems(run_id, run.experiment, spec, status, files):
            raise archive.refused(f"the run {run_id} {problem}")
        decoded(Meta, META, meta)
        check_records(run_id, record, status, meta)
        snapshots, manifest = snapshots_in(record), archive.manifest
        if not all(digest in manifest.objects or digest in manifest.trees for digest in snapshots):
            raise archive.refused(f"the run {run_id} has a snapshot that isn't whole")
        return _Arrival(run_id, run, files, str(status["state"]), snapshots, spec.parent)


def _problems(
    run_id: str, experiment: str, spec: JobSpec, record: Mapping[str, Any], files: Mapping[str, Entry]
) -> Iterator[str]:
    """Why the records and files aren't those of a run that has ended, or name what isn't its own."""
    status, children = status_in(record), CHILDREN + "/"
    if spec.id != run_id or spec.experiment != experiment or not is_name(experiment):
        yield f"names itself {spec.id[:200]!r}, of the experiment {spec.experiment[:200]!r}"
    if spec.snapshot is not None and not is_digest(spec.snapshot.id.partition("sha256:")[2]):
        yield "has a snapshot that can't be one"
    others = [*spec.depends_on, *(item.run for item in spec.inputs), spec.parent]
    if not all(is_run_id(other) for other in others if other):
        yield "names a run that can't be one"
    if not states.is_final(status.state):
        yield f"hasn't ended: its state is {record.get('state')!r:.100}"
    yield from (f"names processes or folders of another host: {name}" for name in HOST_FIELDS if name in record)
    places = [*(item.path.rstrip("/") for item in spec.outputs), *(status.logs or ())]
    yield from (f"has the file {name[:200]!r}, which isn't its own" for name in places if not is_portable(name))
    for name, entry in files.items():
        if name.startswith(children) and (not is_run_id(name[len(children) :]) or entry.size):
            yield f"has the child {name[:200]!r}, which can't be one"


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
    for folder in {os.path.dirname(name) for name in arrival.files} - {""}:
        make_folders(os.path.join(aside, folder), top=aside)
    for name, entry in arrival.files.items():
        changed = None
        if name == META:
            meta = decoded(Meta, META, archive.record(arrival.run_id, META))
            changed = [dump_record(encode(meta._replace(imported=origin)))]
        fd = os.open(os.path.join(aside, name), _NEW, FILE_MODE | (0o111 if entry.executable else 0))
        with os.fdopen(fd, "wb") as file:
            file.writelines(changed or archive.pieces(archived_file(arrival.run_id, name)))
