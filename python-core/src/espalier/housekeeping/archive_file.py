"""An archive of runs as a file that anyone may have made: read only after all of its list was checked.

The list is that of the zip file and that of the manifest, which have to agree. What an entry holds is compared with the
manifest when it is read.
"""

import contextlib
import hashlib
import io
import json
import os
import stat
import struct
import zipfile
import zlib
from types import TracebackType
from typing import Any, BinaryIO, Dict, Iterator, Mapping, NamedTuple, Optional, Type

from espalier.base.archive_paths import ARCHIVE_MANIFEST, archived_file, archived_object
from espalier.base.errors import EspalierError
from espalier.base.names import is_name
from espalier.base.paths import FORMAT, is_digest, is_run_id
from espalier.base.records import open_plain
from espalier.base.resources import size_text
from espalier.housekeeping.portable import CHUNK, Entry, Names, is_portable

# Files of an archive, at most, and bytes of the list of them and of the manifest.
MOST_ENTRIES = 250_000
_LIST_BYTES, _MANIFEST_BYTES = 64 << 20, 128 << 20
# An archive may unpack to so many times its size, or to this size.
_RATIO, _ALWAYS_BYTES = 100, 1 << 30
_HINT = "Export the runs again, and import that file."
_ENCRYPTED, _KINDS = 0x2041, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The folder of MS-DOS.
_DOS_FOLDER = 0x10
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, EOFError, RecursionError, RuntimeError,
    AttributeError, KeyError, TypeError, ValueError,
)  # fmt: skip


class Manifest(NamedTuple):
    """What an archive holds: the workspace it is from, the files of each run by id, and the sizes of stored objects and
    of manifests of snapshots in the first format, by digest."""

    workspace_id: str
    runs: Dict[str, Dict[str, Entry]]
    objects: Dict[str, int]
    trees: Dict[str, int]

    def entries(self) -> Dict[str, Entry]:
        """All entries of the archive but the manifest itself."""
        found = {archived_object(digest): Entry(size, digest) for digest, size in self.objects.items()}
        found.update({archived_object(digest, True): Entry(size, digest) for digest, size in self.trees.items()})
        for run_id, files in self.runs.items():
            found.update({archived_file(run_id, name): entry for name, entry in files.items()})
        return found


class _Reader(io.BufferedReader):
    """A file of which nothing large is read at once: `zipfile` reads what the file itself says is its list."""

    def read(self, size: Optional[int] = -1, /) -> bytes:
        if size is None or size < 0:
            size = 70_000  # (the end of the file, in which the end of the list is looked for)
        if size > _LIST_BYTES:
            raise zipfile.BadZipFile(f"its list of files is larger than {size_text(_LIST_BYTES)}")
        return super().read(size)


class Archive:
    """An archive whose list was checked.

    Args:
        path: The file.
        max_size: Bytes that it may unpack to. Default: 1 GB, or 100 times its own size.

    Raises:
        EspalierError: `archive_invalid`, `newer_format`; `path_missing`, `not_permitted`.
    """

    def __init__(self, path: str, max_size: Optional[int] = None) -> None:
        self.path = path
        self._file: BinaryIO = _Reader(io.FileIO(open_plain(path, follow=True)))
        try:
            with self._checked():
                size = os.fstat(self._file.fileno()).st_size
                self._zip = zipfile.ZipFile(self._file)
                self._infos = self._listed(max(_ALWAYS_BYTES, size * _RATIO) if max_size is None else max_size)
                self.manifest = self._read_manifest()
                self._entries = self.manifest.entries()
                self._compare()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Archive":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """What it unpacks to, in bytes."""
        return sum(entry.size for entry in self._entries.values())

    def refused(self, why: str) -> EspalierError:
        """The error that this file can't be imported."""
        return EspalierError("archive_invalid", f"Can't import {self.path}: {why}.", _HINT, path=self.path)

    def read(self, name: str, limit: int) -> bytes:
        """An entry that is small, whole, as its digest says. Raises EspalierError `archive_invalid`."""
        if self._entries[name].size > limit:
            raise self.refused(f"{name!r} is larger than {size_text(limit)}")
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """An entry, piece by piece. What was given is right if it comes to its end.

        Raises:
            EspalierError: `archive_invalid`: it isn't what its digest says.
        """
        entry, hashed, left = self._entries[name], hashlib.sha256(), self._entries[name].size
        with self._checked(), self._zip.open(self._infos[name]) as stream:
            while True:
                piece = stream.read(min(CHUNK, left + 1))
                left -= len(piece)
                if left < 0:
                    break
                if not piece:
                    break
                hashed.update(piece)
                yield piece
        if left != 0 or hashed.hexdigest() != entry.sha256:
            raise self.refused(f"the content of {name!r} isn't what the manifest lists")

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        """What zip files and JSON can be wrong by, as one error."""
        try:
            yield
        except _UNREADABLE as error:
            raise self.refused(f"it can't be read: {str(error)[:200] or type(error).__name__}") from error

    def _listed(self, max_size: int) -> Dict[str, zipfile.ZipInfo]:
        """The entries of the zip file, which are plain files that can lie side by side."""
        found: Dict[str, zipfile.ZipInfo] = {}
        names, size = Names(), 0
        if len(self._zip.filelist) > MOST_ENTRIES + 1:
            raise self.refused(f"it has more than {MOST_ENTRIES:,} files")
        for info in self._zip.filelist:
            problem = _problem_of(info)
            if problem:
                raise self.refused(f"{info.orig_filename[:200]!r} {problem}")
            clash = names.clash(info.filename)
            if clash is not None:
                raise self.refused(f"the names {clash[:200]!r} and {info.filename[:200]!r} can't lie side by side")
            size += info.file_size
            if size > max_size:
                raise EspalierError(
                    "archive_invalid",
                    f"Can't import {self.path}: it unpacks to more than {size_text(max_size)}.",
                    "If you trust it, allow more with max_size =.",
                    path=self.path,
                )
            found[info.filename] = info
        return found

    def _read_manifest(self) -> Manifest:
        info = self._infos.get(ARCHIVE_MANIFEST)
        if info is None:
            raise self.refused("it has no manifest, so it isn't a file that export_runs() wrote")
        if info.file_size > _MANIFEST_BYTES:
            raise self.refused(f"its manifest is larger than {size_text(_MANIFEST_BYTES)}")
        with self._zip.open(info) as stream:
            record = json.loads(stream.read(_MANIFEST_BYTES + 1))
        if not isinstance(record, dict) or type(record.get("format")) is not int:
            raise self.refused("its manifest is none")
        if record["format"] > FORMAT:
            message = f"{self.path} has format {record['format']}, this espalier reads up to {FORMAT}."
            raise EspalierError("newer_format", message, "Install a newer espalier to use it.", path=self.path)
        if not is_name(record["workspace_id"]):
            raise self.refused("its manifest names no workspace")
        runs = {self._run_id(run_id): self._files(run["files"]) for run_id, run in record["runs"].items()}
        return Manifest(record["workspace_id"], runs, self._sizes(record["objects"]), self._sizes(record["trees"]))

    def _run_id(self, text: str) -> str:
        if not is_run_id(text):
            raise self.refused(f"{text[:200]!r} is no id of a run")
        return text

    def _files(self, record: Mapping[str, Any]) -> Dict[str, Entry]:
        for name, entry in record.items():
            if not is_portable(name):
                raise self.refused(f"{name[:200]!r} is no place of a run's file")
            if not _is_size(entry["size"]) or not _is_hex(entry["sha256"]):
                raise self.refused(f"the manifest has no size and digest of {name[:200]!r}")
        return {
            name: Entry(entry["size"], entry["sha256"], entry.get("executable") is True)
            for name, entry in record.items()
        }

    def _sizes(self, record: Mapping[str, Any]) -> Dict[str, int]:
        for digest, size in record.items():
            if not _is_hex(digest) or not _is_size(size):
                raise self.refused(f"the manifest lists {digest[:200]!r} as an object")
        return dict(record)

    def _compare(self) -> None:
        """Refuse an archive whose two lists differ."""
        more = sorted(set(self._infos) - set(self._entries) - {ARCHIVE_MANIFEST})
        missing = sorted(set(self._entries) - set(self._infos))
        if more or missing:
            word = "isn't in the manifest" if more else "is missing"
            raise self.refused(f"{(more or missing)[0][:200]!r} {word}")
        for name, entry in self._entries.items():
            if self._infos[name].file_size != entry.size:
                raise self.refused(f"{name[:200]!r} has another size than the manifest lists")


def _problem_of(info: zipfile.ZipInfo) -> str:
    """What is wrong with an entry of a zip file by its list; empty for none. (A folder is no entry of ours.)"""
    name, mode = info.orig_filename, info.external_attr >> 16
    if info.filename != name or "\\" in name or "\0" in name:
        return "has characters that no name may have"
    if name.startswith("/") or not {"", ".", ".."}.isdisjoint(name.split("/")):
        return "is no path inside of the archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.external_attr & _DOS_FOLDER:
        return "is no plain file"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    return "" if info.compress_type in _KINDS else "is compressed in a way that isn't supported"


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and is_digest(value)
