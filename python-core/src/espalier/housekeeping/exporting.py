"""Exporting ended runs: a zip file of their files, the stored objects of their snapshots, and a manifest of digests.

Files are streamed, so that memory grows with their number only.
"""

import contextlib
import hashlib
import io
import itertools
import json
import os
import stat
import time
import zipfile
import zlib
from typing import BinaryIO, Dict, Iterator, Sequence, Set, Tuple

from espalier.adapters import posix
from espalier.base import states
from espalier.base.archive_paths import (
    ARCHIVE_MANIFEST,
    archive_in_writing,
    archived_file,
    archived_object,
    is_archive_in_writing,
)
from espalier.base.errors import EspalierError
from espalier.base.model.codec import encode
from espalier.base.paths import FORMAT, WorkspacePaths
from espalier.base.progress import advance, report
from espalier.base.records import kind_of_entry, opener, read_record
from espalier.base.types import Frame
from espalier.housekeeping.archive_file import MOST_ENTRIES, Manifest, RunFiles
from espalier.housekeeping.families import ended, families, present
from espalier.housekeeping.portable import CHUNK, Entry, archive_place, files_of, pieces_of
from espalier.lifecycle.status import status_record
from espalier.snapshot.hold import holding_objects
from espalier.snapshot.reach import snapshots_of
from espalier.store.packs import ObjectReader, open_stored
from espalier.store.trees import damage, objects_of
from espalier.tracking.run_rows import check_records

_KINDS = {"run_id": "string", "experiment": "string", "files": "integer", "size": "double", "left_out": "integer"}
# The same for each entry, so that equal files give equal entries.
_DATE = (1980, 1, 1, 0, 0, 0)
_LEVEL, _SAMPLE_BYTES = 1, 1 << 16
# What wasn't written to for so long, and no process holds, was left by one that was killed. Seconds.
_LEFT_SECONDS = 60.0


def export_runs(paths: WorkspacePaths, run_ids: Sequence[str], file: str, *, overwrite: bool) -> Frame:
    """See `Housekeeping.export_runs`."""
    target = archive_place(file)
    _refuse_place(paths, target, overwrite)
    found = ended(paths, families(paths, run_ids), "export")
    for run_id, state in found.items():
        if not states.is_final(state):
            raise EspalierError("damaged", f"Can't export the run {run_id}: its state can't be read.", "Leave it out.")
        run = paths.run(run_id)
        with present(run):  # (as an import does)
            check_records(run_id, read_record(run.spec), status_record(run), read_record(run.meta))
    aside = archive_in_writing(os.path.dirname(target))
    try:
        _remove_left(os.path.dirname(target))
        with holding_objects(paths, only_reading=True), open(aside, "xb", opener=opener) as stream:
            with contextlib.suppress(OSError):  # (a file system without locks)
                posix.lock(stream.fileno())
            frame = _written(paths, list(found), stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, target)
    except OSError as error:
        if error.filename in (aside, None):
            error.filename = target  # (which the boundary of the API names)
        raise
    finally:
        with contextlib.suppress(OSError):
            os.unlink(aside)
    return frame


def _refuse_place(paths: WorkspacePaths, target: str, overwrite: bool) -> None:
    """Raises EspalierError where nothing may be put: `file_exists`, or `bad_argument` among the runs themselves."""
    if os.path.lexists(target):
        mode = os.lstat(target).st_mode
        if not stat.S_ISREG(mode) or not overwrite:
            hint = "Give another file, or allow it with `overwrite`." if stat.S_ISREG(mode) else "Give another file."
            message = f"Can't export to {target}: there's {kind_of_entry(mode)} already."
            raise EspalierError("file_exists", message, hint, path=target)
    runs = os.path.realpath(paths.runs)
    if os.path.commonpath([runs, os.path.realpath(target)]) == runs:
        message = f"Can't export runs to {target}: it lies among the runs of the workspace."
        raise EspalierError("bad_argument", message, "Give a file in another folder.", path=target)


def _remove_left(folder: str) -> None:
    """Remove what exports left in a folder that were killed."""
    with contextlib.suppress(OSError):
        for name in filter(is_archive_in_writing, os.listdir(folder)):
            path = os.path.join(folder, name)
            if time.time() - os.lstat(path).st_mtime > _LEFT_SECONDS and posix.is_unlocked(path):
                os.unlink(path)


def _written(paths: WorkspacePaths, run_ids: Sequence[str], stream: BinaryIO) -> Frame:
    """Write an archive of runs, their objects and the manifest."""
    runs, rows, found = {}, [], {}
    for run_id in run_ids:
        with present(paths.run(run_id)):
            found[run_id] = files_of(paths.run(run_id))
    report("Exporting runs", 0, sum(seen.st_size for files, _ in found.values() for seen in files.values()))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for run_id, (files, left_out) in found.items():
            run, entries = paths.run(run_id), {}
            with present(run):
                for name, seen in files.items():
                    entry = _add(archive, archived_file(run_id, name), pieces_of(run, name))
                    entries[name] = entry._replace(executable=True) if seen.st_mode & 0o100 else entry
            runs[run_id] = RunFiles(entries)
            size = float(sum(entry.size for entry in entries.values()))
            rows.append((run_id, run.experiment, len(entries), size, left_out))
        objects, trees = _add_objects(paths, run_ids, archive)
        workspace_id = str(read_record(paths.record, follow=True)["id"])
        manifest = Manifest(FORMAT, workspace_id, runs, objects, trees)
        _add(archive, ARCHIVE_MANIFEST, iter([json.dumps(encode(manifest)).encode()]))
    return Frame.of_rows(rows, _KINDS)


def _add_objects(
    paths: WorkspacePaths, run_ids: Sequence[str], archive: zipfile.ZipFile
) -> Tuple[Dict[str, int], Dict[str, int]]:
    """Write what the snapshots of runs consist of, each object once.

    Returns:
        The sizes of objects, and of manifests of snapshots in the first format, by digest.
    """
    objects: Dict[str, int] = {}
    flat: Dict[str, int] = {}
    trees: Set[str] = set()
    snapshots: Dict[str, None] = {}
    for run_id in run_ids:
        with present(paths.run(run_id)):
            snapshots.update(dict.fromkeys(snapshots_of(paths.run(run_id), set())))
    with ObjectReader(paths) as reader:
        for snapshot in snapshots:
            for digest in objects_of(paths, "sha256:" + snapshot, reader, trees):
                is_flat = not reader.has(digest) and os.path.exists(paths.tree(digest))
                stored, path = (flat, paths.tree(digest)) if is_flat else (objects, paths.blob(digest))
                if digest in stored:
                    continue
                report("Exporting snapshots", len(objects) + len(flat))
                try:
                    entry = _add(archive, archived_object(digest, is_flat), _stored_pieces(reader, digest, path))
                    problem = "" if entry.sha256 == digest else "the content does not match its digest"
                except FileNotFoundError:
                    problem = "it is missing"
                if problem:
                    raise damage(paths, "sha256:" + snapshot, digest, path, problem)
                stored[digest] = entry.size
    return objects, flat


def _stored_pieces(reader: ObjectReader, digest: str, path: str) -> Iterator[bytes]:
    data = reader.verified_slice(digest)
    with io.BytesIO(data) if data is not None else os.fdopen(open_stored(path), "rb") as file:
        yield from iter(lambda: file.read(CHUNK), b"")


def _add(archive: zipfile.ZipFile, name: str, pieces: Iterator[bytes]) -> Entry:
    """Write one entry, piece by piece."""
    if len(archive.filelist) >= MOST_ENTRIES:
        message = f"Can't export these runs: they have more than {MOST_ENTRIES:,} files."
        raise EspalierError("bad_argument", message, "Export fewer runs at a time.")
    info = zipfile.ZipInfo(name, _DATE)
    info.external_attr, info.create_system = (stat.S_IFREG | 0o644) << 16, 3
    first = next(pieces, b"")
    info.compress_type = _way_of(first)
    hashed, written = hashlib.sha256(), 0
    with archive.open(info, "w", force_zip64=True) as entry:  # (it may be larger than 4 GB)
        for piece in itertools.chain([first], pieces):
            hashed.update(piece)
            written += len(piece)
            entry.write(piece)
            advance(len(piece))
    return Entry(written, hashed.hexdigest())


def _way_of(piece: bytes) -> int:
    """How an entry is packed, by its beginning: what is compressed already would take time and become no smaller."""
    sample = piece[:_SAMPLE_BYTES]
    return zipfile.ZIP_DEFLATED if len(zlib.compress(sample, _LEVEL)) < 0.9 * len(sample) else zipfile.ZIP_STORED
