"""What is known of a source folder from the snapshot before: like git's index, the state of each file and its digest.

A file whose state is as it was need not be read. It may be deleted at any time. The file, little-endian:
header, one record an entry, one record a folder, the names, each followed by a NUL (folders' paths, then entries'
names; both sorted, entries by folder), SHA-256 of all that. Only folders that are part of the snapshot are in it.
"""

import contextlib
import hashlib
import os
import struct
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from espalier.base.paths import WorkspacePaths, temporary
from espalier.base.records import make_folders, write_file

_MAGIC = b"ESPSTAT1"
# magic and format; when the walk began, nanoseconds since 1970; number of entries, of folders; digest of the root
_HEADER = struct.Struct("<8sqQQ32s")
# mtime and ctime in nanoseconds, size in bytes, inode, device, mode; digest (of a link: of its target)
_ENTRY = struct.Struct("<qqQQQI32s")
# number of its own files and links, digest of its tree
_FOLDER = struct.Struct("<I32s")
_SUM = 32

# A file changed this shortly before a walk (or later) may change again without its time telling, nanoseconds.
RACY_NS = 2_000_000_000

# mtime_ns, ctime_ns, size, inode, device, mode
State = Tuple[int, int, int, int, int, int]


class Known(NamedTuple):
    """One entry: its state when it was read, and its digest."""

    state: State
    digest: bytes


class StatCache(NamedTuple):
    """What is known of a folder; `entries` by path relative to it, `trees` by path of the folder."""

    began_ns: int
    root: bytes
    entries: Dict[str, Known]
    trees: Dict[str, bytes]


def state_of(seen: os.stat_result) -> State:
    """What of a file's state tells that it was not written to."""
    return (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino, seen.st_dev, seen.st_mode)


def cache_file(paths: WorkspacePaths, source: str) -> str:
    """Where the cache of a source folder lies: in the workspace, so that it goes when the objects go.

    Args:
        source: The folder; on another host it is another.
    """
    where = os.uname().nodename.encode() + b"\0" + os.fsencode(os.path.realpath(source))
    return paths.stat_cache(hashlib.sha256(where).hexdigest()[:32])


def read_cache(path: str) -> bytes:
    """The bytes of a cache; empty when there is none, or it is damaged."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return b""
    good = len(data) > _HEADER.size + _SUM and hashlib.sha256(data[:-_SUM]).digest() == data[-_SUM:]
    return data if good and data.startswith(_MAGIC) else b""


def write_cache(path: str, body: bytes) -> None:
    """Replaces a cache; where that cannot be done, the next snapshot just reads more."""
    aside = temporary(os.path.dirname(path))
    with contextlib.suppress(OSError):
        folder = os.path.dirname(path)
        make_folders(folder, top=os.path.dirname(folder))
        try:
            write_file(aside, body + hashlib.sha256(body).digest())
            os.replace(aside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise


def unpack(data: bytes) -> Optional[StatCache]:
    """A cache as `read_cache` returned it; None when it is empty, or is not what its header says."""
    try:
        return _unpacked(data) if data else None
    except (struct.error, ValueError, StopIteration):
        return None


def _unpacked(data: bytes) -> StatCache:
    _, began_ns, entries, folders, root = _HEADER.unpack_from(data)
    at = _HEADER.size + entries * _ENTRY.size
    names_at = at + folders * _FOLDER.size
    view = memoryview(data)
    records = _ENTRY.iter_unpack(view[_HEADER.size : at])
    names = data[names_at:-_SUM].decode("utf-8").split("\0")
    known: Dict[str, Known] = {}
    trees: Dict[str, bytes] = {}
    following = iter(names[folders:])
    for folder, (count, tree) in zip(names, _FOLDER.iter_unpack(view[at:names_at])):
        trees[folder] = tree
        prefix = folder + "/" if folder else ""
        for _ in range(count):
            *state, digest = next(records)
            known[prefix + next(following)] = Known(tuple(state), digest)
    return StatCache(began_ns, root, known, trees)


def pack(cache: StatCache) -> bytes:
    """The body of a cache, for `write_cache`."""
    of_folder: Dict[str, List[Tuple[str, Known]]] = {folder: [] for folder in cache.trees}
    for path, known in cache.entries.items():
        folder, _, name = path.rpartition("/")
        of_folder[folder].append((name, known))
    folders = sorted(of_folder)
    entries = [item for folder in folders for item in sorted(of_folder[folder])]
    parts: Iterator[bytes] = (_ENTRY.pack(*known.state, known.digest) for _, known in entries)
    names = [*folders, *(name for name, _ in entries)]
    return b"".join(
        [
            _HEADER.pack(_MAGIC, cache.began_ns, len(entries), len(folders), cache.root),
            *parts,
            *(_FOLDER.pack(len(of_folder[folder]), cache.trees[folder]) for folder in folders),
            "".join([name + "\0" for name in names]).encode("utf-8"),
        ]
    )
