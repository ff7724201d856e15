"""An archive of runs as a file that anyone may have made: read only after all of its list was checked.

The list is that of the zip file and that of the manifest, which have to agree. What an entry holds is compared with the
manifest when it is read.
"""

import contextlib
import errno
import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from typing import Any, BinaryIO, Dict, Iterator, Mapping, Optional

from espalier.base.archive_paths import ARCHIVE_MANIFEST, archived_file, archived_object
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decoded
from espalier.base.model.record import Record
from espalier.base.names import is_name
from espalier.base.paths import is_digest, is_run_id
from espalier.base.records import RECORD_BYTES, open_plain, parse_record
from espalier.base.resources import size_text
from espalier.housekeeping.portable import CHUNK, Entry, Names, has_length, is_portable

# Files of an archive, at most, these with their folders, and bytes of the list of them.
MOST_ENTRIES = 250_000
_MOST_NAMES, _LIST_BYTES = 1_000_000, 64 << 20
# What a manifest has beside its list, and of each file of the list beside its name, bytes.
_MANIFEST_BYTES, _LISTED_BYTES = 1 << 20, 400
# How many lists and objects a record may have: each takes more memory than its brackets.
_MOST_BRACKETS = 4 * MOST_ENTRIES
# How an entry of the list of a zip file begins.
_IN_LIST = b"PK\x01\x02"
# An archive may unpack to so many times its size, or to this size.
_RATIO, _ALWAYS_BYTES = 100, 1 << 30
_ENCRYPTED, _KINDS = 0x2041, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The folder of MS-DOS.
_DOS_FOLDER = 0x10
# (of RuntimeError are what zip files can do and `zipfile` can't, and JSON that is nested too deep)
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, LookupError, TypeError, ValueError)


class RunFiles(Record):
    """The files of a run by name."""

    files: Mapping[str, Entry]


class Manifest(Record):
    """What an archive holds: the workspace it is from, its runs by id, and the sizes of stored objects and of manifests
    of snapshots in the first format, by digest."""

    format: int
    workspace_id: str
    runs: Mapping[str, RunFiles]
    objects: Mapping[str, int]
    trees: Mapping[str, int]

    def entries(self) -> Dict[str, Entry]:
        """All entries of the archive but the manifest itself."""
        found = {archived_object(digest): Entry(size, digest) for digest, size in self.objects.items()}
        found.update({archived_object(digest, True): Entry(size, digest) for digest, size in self.trees.items()})
        for run_id, run in self.runs.items():
            found.update({archived_file(run_id, name): entry for name, entry in run.files.items()})
        return found


class _Reader(io.BufferedReader):
    """A file of which nothing large is read at once: `zipfile` reads what the file itself says is its list."""

    def read(self, size: Optional[int] = -1, /) -> bytes:
        if size is None or size < 0:
            size = 70_000  # (the end of the file, in which the end of the list is looked for)
        if size > _LIST_BYTES:
            raise zipfile.BadZipFile(f"its list of files is larger than {size_text(_LIST_BYTES)}")
        data = super().read(size)
        if data.count(_IN_LIST) > MOST_ENTRIES + 1:
            raise zipfile.BadZipFile(f"it has more than {MOST_ENTRIES:,} files")
        return data


class Archive:
    """An archive whose list was checked, else `archive_invalid` or `newer_format`. See `Housekeeping.import_runs`."""

    def __init__(self, path: str, max_size: Optional[int] = None) -> None:
        self.path = path
        self._entries: Mapping[str, Entry] = {}
        self._file: BinaryIO = _Reader(io.FileIO(open_plain(path, follow=True)))
        try:
            with self.checked("it can't be read"):
                self._zip = zipfile.ZipFile(self._file)
                self._infos = self._listed(max_size)
                self.manifest = self._read_manifest()
            self._compare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def size(self) -> int:
        """What it unpacks to, in bytes."""
        return sum(info.file_size for info in self._infos.values())

    def refused(self, why: str, hint: str = "Export the runs again, and import that file.") -> EspalierError:
        """The error that this file can't be imported."""
        return EspalierError("archive_invalid", f"Can't import {self.path}: {why}.", hint, path=self.path)

    @contextlib.contextmanager
    def checked(self, problem: str) -> Iterator[None]:
        """What can be wrong with zip files and records, as `archive_invalid`, or `newer_format`."""
        try:
            yield
        except EspalierError as error:
            if error.code == "newer_format":
                message = f"Can't import {self.path}: {error.message}"
                raise EspalierError(error.code, message, error.hint, path=self.path) from error
            if error.code == "archive_invalid":
                raise
            raise self.refused(f"{problem}: {error.message.rstrip('.')}"[:400]) from error
        except (*_UNREADABLE, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # (which a place before the file's start is)
                raise
            raise self.refused(f"{problem}: {str(error)[:200] or type(error).__name__}") from error

    def record(self, run_id: str, name: str) -> Dict[str, Any]:
        """One of the records of a run. Raises EspalierError."""
        entry = archived_file(run_id, name)
        if entry not in self._entries:
            raise self.refused(f"the run {run_id} has no {name}")
        return self._record(entry, RECORD_BYTES)

    def pieces(self, name: str) -> Iterator[bytes]:
        """An entry, piece by piece, no more than the list says. If it comes to its end, it is what its digest says."""
        hashed = hashlib.sha256()
        with self.checked(f"{name!r} can't be read"), self._zip.open(self._infos[name]) as stream:
            for piece in iter(lambda: stream.read(CHUNK), b""):
                hashed.update(piece)
                yield piece
        if name in self._entries and hashed.hexdigest() != self._entries[name].sha256:
            raise self.refused(f"the content of {name!r} isn't what the manifest lists")

    def _record(self, name: str, limit: int) -> Dict[str, Any]:
        if self._infos[name].file_size > limit:
            raise self.refused(f"{name} is larger than {size_text(limit)}")
        with self.checked(f"{name} can't be read"):
            data = b"".join(self.pieces(name))
            if data.count(b"[") + data.count(b"{") > _MOST_BRACKETS:
                raise self.refused(f"{name} has more than {_MOST_BRACKETS:,} lists and objects")
            return parse_record(name, data)

    def _listed(self, max_size: Optional[int]) -> Dict[str, zipfile.ZipInfo]:
        """The entries of the zip file, which are plain files that can lie side by side."""
        infos, names = self._zip.filelist, Names()
        for info in infos:
            problem = _problem_of(info)
            if problem:
                raise self.refused(f"{info.orig_filename[:200]!r} {problem}")
            clash = names.clash(info.filename)
            if clash is not None:
                raise self.refused(f"the names {clash[:200]!r} and {info.filename[:200]!r} can't lie side by side")
            if len(names) > _MOST_NAMES:
                raise self.refused(f"it has more than {_MOST_NAMES:,} files and folders")
        if max_size is None:
            max_size = max(_ALWAYS_BYTES, os.fstat(self._file.fileno()).st_size * _RATIO)
        if sum(info.file_size for info in infos) > max_size:
            hint = "If you trust it, allow more with `max_size`."
            raise self.refused(f"it unpacks to more than {size_text(max_size)}", hint)
        return {info.filename: info for info in infos}

    def _read_manifest(self) -> Manifest:
        if ARCHIVE_MANIFEST not in self._infos:
            raise self.refused("it has no manifest, so it isn't an export of runs")
        limit = _MANIFEST_BYTES + sum(_LISTED_BYTES + 6 * len(name) for name in self._infos)  # (`\\u00fc` has six)
        manifest = decoded(Manifest, ARCHIVE_MANIFEST, self._record(ARCHIVE_MANIFEST, limit))
        files = [name for run in manifest.runs.values() for name in run.files]
        for is_right, found, what in (
            (is_name, [manifest.workspace_id], "the name of a workspace"),
            (is_run_id, [*manifest.runs], "the id of a run"),
            (is_portable, files, "the place of a run's file"),
            (is_digest, [*manifest.objects, *manifest.trees], "a digest"),
        ):
            wrong = next((text for text in found if not is_right(text)), None)
            if wrong is not None:
                raise self.refused(f"{wrong[:200]!r} isn't {what}")
        return manifest

    def _compare(self) -> None:
        """Refuse an archive whose two lists differ in a name or size."""
        self._entries = self.manifest.entries()
        listed = {name: info.file_size for name, info in self._infos.items() if name != ARCHIVE_MANIFEST}
        for name in sorted(listed.keys() | self._entries.keys()):
            if name not in listed or name not in self._entries or listed[name] != self._entries[name].size:
                raise self.refused(f"{name[:200]!r} isn't as the manifest lists it")


def _problem_of(info: zipfile.ZipInfo) -> str:
    """What is wrong with an entry of a zip file by its list; empty for none. (espalier writes no folders.)"""
    name, mode = info.orig_filename, info.external_attr >> 16
    if info.filename != name or "\\" in name or "\0" in name:
        return "has characters that no name may have"
    if name.startswith("/") or not {"", ".", ".."}.isdisjoint(name.split("/")):
        return "isn't a path inside the archive"
    if not has_length(name):
        return "is longer than names of files may be"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.external_attr & _DOS_FOLDER:
        return "isn't a plain file"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    return "" if info.compress_type in _KINDS else "is compressed in a way that isn't supported"
