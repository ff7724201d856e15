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
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Sequence, Set

from espalier.base import states
from espalier.base.archive_paths import ARCHIVE_MANIFEST, archived_file, archived_object
from espalier.base.errors import EspalierError
from espalier.base.os_errors import disk_full, is_full
from espalier.base.paths import FORMAT, RunPaths, WorkspacePaths, temporary
from espalier.base.progress import advance, report
from espalier.base.records import now_iso, opener, read_record
from espalier.base.types import Frame
from espalier.housekeeping.archive_file import MOST_ENTRIES
from espalier.housekeeping.families import Member, families, refuse_unended
from espalier.housekeeping.portable import CHUNK, Entry, files_of, is_executable, pieces_of
from espalier.snapshot.hold import holding_objects
from espalier.snapshot.reach import snapshots_of
from espalier.store.packs import Damaged, ObjectReader, open_stored
from espalier.store.trees import damage, objects_of

_KINDS = {"run_id": "string", "experiment": "string", "files": "integer", "size": "double", "left_out": "integer"}
# The same for each entry, so that equal runs give equal files.
_DATE = (1980, 1, 1, 0, 0, 0)
_LEVEL, _SAMPLE_BYTES = 1, 1 << 16
# From this size on an entry is written so that it may be larger than 4 GB.
_LARGE = 1 << 30


def export_runs(paths: WorkspacePaths, run_ids: Sequence[str], file: str, *, overwrite: bool) -> Frame:
    """Write ended runs, with all runs below them, to a zip file.

    Args:
        file: The file. It appears when it is whole.
        overwrite: Whether it may exist already.

    Returns:
        A row a run: `run_id`, `experiment`, how many `files`, their `size` in bytes, and how many are `left_out`.

    Raises:
        EspalierError: `run_missing`, `run_in_use`, `file_exists`, `snapshot_damaged`, `damaged`, `disk_full`,
            `bad_argument` when it can't be written, or there are too many files.
    """
    target = os.path.abspath(os.path.expanduser(file))
    if os.path.isdir(target) or (os.path.lexists(target) and not overwrite):
        hint = "Give another file, or overwrite = TRUE." if not os.path.isdir(target) else "Give a file."
        raise EspalierError("file_exists", f"There is something at {target} already.", hint, path=target)
    members = families(paths, run_ids)
    for run_id, state in refuse_unended(members, "export").items():
        if not states.is_final(state):
            raise EspalierError("damaged", f"Can't export the run {run_id}: its state can't be read.", "Leave it out.")
    aside = temporary(os.path.dirname(target))
    try:
        with holding_objects(paths, only_reading=True), open(aside, "xb", opener=opener) as stream:
            frame = _Export(paths, stream).write(members)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, target)
    except OSError as error:
        if is_full(error):
            raise disk_full(target, error) from error
        if error.filename not in (aside, None):
            raise
        message = f"Can't write {target}: {error.strerror}."
        raise EspalierError("bad_argument", message, "Give another file.", path=target) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(aside)
    return frame


class _Export:
    """An archive on its way."""

    def __init__(self, paths: WorkspacePaths, stream: BinaryIO) -> None:
        self._paths = paths
        self._zip = zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        self._runs: Dict[str, Any] = {}
        self._stored: Dict[str, Dict[str, int]] = {"objects": {}, "trees": {}}

    def write(self, members: Sequence[Member]) -> Frame:
        """Write runs, their objects and the manifest."""
        found = {member.run_id: files_of(member.run) for member in members}
        total = sum(size for files, _ in found.values() for _, size in files)
        with self._zip:
            report("Exporting runs", 0, total)
            for member in members:
                names = [name for name, _ in found[member.run_id][0]]
                self._runs[member.run_id] = {"files": self._run(member.run, names)}
            self._objects([member.run for member in members])
            record = {
                "format": FORMAT,
                "workspace_id": str(read_record(self._paths.record, follow=True)["id"]),
                "exported_at": now_iso(time.time()),
                "runs": self._runs,
                **self._stored,
            }
            self._add(ARCHIVE_MANIFEST, iter([json.dumps(record, sort_keys=True).encode()]))
        return _table(self._runs, {run_id: len(left_out) for run_id, (_, left_out) in found.items()})

    def _run(self, run: RunPaths, names: Iterable[str]) -> Dict[str, Any]:
        files = {}
        for name in names:
            size = os.lstat(os.path.join(run.root, name)).st_size
            entry = self._add(archived_file(os.path.basename(run.root), name), pieces_of(run, name), size)
            files[name] = {"size": entry.size, "sha256": entry.sha256}
            if is_executable(run, name):
                files[name]["executable"] = True
        return files

    def _objects(self, runs: Sequence[RunPaths]) -> None:
        """Write what the snapshots of runs consist of, each object once."""
        trees: Set[str] = set()
        with ObjectReader(self._paths) as reader:
            for run in runs:
                for snapshot in snapshots_of(run, set()):
                    for digest in objects_of(self._paths, "sha256:" + snapshot, reader, trees):
                        self._object(digest, "sha256:" + snapshot, reader)

    def _object(self, digest: str, snapshot_id: str, reader: ObjectReader) -> None:
        is_flat = not reader.has(digest) and os.path.exists(self._paths.tree(digest))
        stored = self._stored["trees" if is_flat else "objects"]
        if digest in stored:
            return
        report("Exporting snapshots", sum(map(len, self._stored.values())))
        path = self._paths.tree(digest) if is_flat else self._paths.blob(digest)
        try:
            entry = self._add(archived_object(digest, is_flat), _stored_pieces(reader, digest, path), _LARGE)
            if entry.sha256 != digest:
                raise Damaged(path, "the content does not match its digest")
        except FileNotFoundError as error:
            raise damage(self._paths, snapshot_id, digest, path, "it is missing") from error
        except Damaged as error:
            raise damage(self._paths, snapshot_id, digest, error.where, error.seen) from error
        stored[digest] = entry.size

    def _add(self, name: str, pieces: Iterator[bytes], size: int = 0) -> Entry:
        """Write one entry, piece by piece."""
        if len(self._zip.filelist) >= MOST_ENTRIES:
            message = f"An archive has at most {MOST_ENTRIES:,} files, and these runs have more."
            raise EspalierError("bad_argument", message, "Export fewer runs at a time.")
        info = zipfile.ZipInfo(name, _DATE)
        info.external_attr, info.create_system = (stat.S_IFREG | 0o644) << 16, 3
        first = next(pieces, b"")
        info.compress_type = _way_of(first)
        hashed, written = hashlib.sha256(), 0
        with self._zip.open(info, "w", force_zip64=size >= _LARGE) as entry:
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


def _stored_pieces(reader: ObjectReader, digest: str, path: str) -> Iterator[bytes]:
    data = reader.verified_slice(digest)
    with io.BytesIO(data) if data is not None else os.fdopen(open_stored(path), "rb") as file:
        yield from iter(lambda: file.read(CHUNK), b"")


def _table(runs: Dict[str, Any], left_out: Dict[str, int]) -> Frame:
    files = [run["files"] for run in runs.values()]
    columns: Dict[str, List[Any]] = {
        "run_id": list(runs),
        "experiment": [run_id.rsplit("_", 2)[0] for run_id in runs],
        "files": [len(each) for each in files],
        "size": [float(sum(entry["size"] for entry in each.values())) for each in files],
        "left_out": [left_out[run_id] for run_id in runs],
    }
    return Frame(columns, _KINDS)
