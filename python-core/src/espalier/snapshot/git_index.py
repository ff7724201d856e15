"""The index of a git repository: the state that files had when git last looked at them, and the ids of their contents.

The twin of `native/src/git_index.h`.
"""

import os
import stat
import struct
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from espalier.records import open_plain
from espalier.snapshot.repository import Repository
from espalier.snapshot.statcache import State

# A larger one is neither read nor copied, bytes.
_LARGEST = 64 << 20
_EXTENDED, _SKIPPED, _INTENDED = 0x4000, 0x4000, 0x2000
# Path, mode and id (raw) of a file in the index; no mode where it is not there.
Row = Tuple[str, int, bytes]


class Index(NamedTuple):
    """The file as it is (empty where there is none), and when it was written, nanoseconds since 1970."""

    data: bytes
    written_ns: int


def read_index(repository: Optional[Repository]) -> Index:
    """Read the index of a repository; one that is too large, or no file, counts as none."""
    if repository is not None:
        try:
            with open(open_plain(os.path.join(repository.git_dir, "index"), follow=True), "rb") as file:
                seen = os.fstat(file.fileno())
                if seen.st_size <= _LARGEST:
                    return Index(file.read(), seen.st_mtime_ns)
        except OSError:
            pass
    return Index(b"", 0)


def differences(states: Dict[str, Optional[State]], index: Index, folder: str, id_bytes: int) -> Optional[List[Row]]:
    """Compare states of files with an index.

    Args:
        states: The files by path from the folder; None for one that is not compared.
        index: The index.
        folder: The folder, from the top of the repository, with `/` at its end; empty for the top.
        id_bytes: The length of an id.

    Returns:
        What the index has of the files that are not certainly as they are there, and the files that it has alone (but
        those that a sparse checkout leaves out). None where it is damaged or split in two.
    """
    left, rows = dict(states), []
    try:
        for path, entry in _entries(index.data, id_bytes) if index.data else ():
            ctime, ctime_rest, mtime, mtime_rest, _, _, mode, _, _, size, content, flags, more = entry
            if not path.startswith(folder) or flags >> 12 & 1 or more & _INTENDED:  # (of a conflict our side counts)
                continue
            path = path[len(folder) :]
            state = left.get(path)
            if path in left:
                del left[path]
                if state is None:
                    continue
            elif more & _SKIPPED:
                continue
            if (
                state is None
                or (state[0], state[1]) != (mtime * 10**9 + mtime_rest, ctime * 10**9 + ctime_rest)
                or state[0] >= index.written_ns  # it may have been written to since
                or state[2] & 0xFFFFFFFF != size
                or stat.S_IFMT(state[5]) != stat.S_IFMT(mode)
            ):
                rows.append((path, mode, content))
    except (struct.error, ValueError, IndexError):
        return None
    return rows + [(path, 0, b"") for path, state in left.items() if state is not None]


def _entries(data: bytes, id_bytes: int) -> Iterator[Tuple[str, Tuple[Any, ...]]]:
    magic, version, count = struct.unpack_from(">4sII", data)
    if magic != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("no index")
    data = data[:-id_bytes]  # (a sum follows)
    unpack, fixed, at, path = struct.Struct(f">10I{id_bytes}sH").unpack_from, 42 + id_bytes, 12, b""
    for _ in range(count):
        if len(data) - at < fixed + 2:
            raise ValueError("cut off")
        entry = unpack(data, at)
        begin, more = at + fixed, 0
        if entry[-1] & _EXTENDED:
            more = int.from_bytes(data[begin : begin + 2], "big")
            begin += 2
        kept = 0
        if version == 4:  # (of the path before, so many bytes at its end are replaced)
            dropped = -1
            while dropped < 0 or data[begin - 1] >= 0x80:
                dropped = dropped + 1 << 7 | data[begin] & 0x7F
                begin += 1
            kept = len(path) - dropped
            if kept < 0:
                raise ValueError("less than nothing is kept")
        end = data.index(b"\0", begin)
        path = path[:kept] + data[begin:end]
        at = end + 1 if version == 4 else at + (end - at + 8 & ~7)
        yield path.decode("utf-8", "surrogateescape"), (*entry, more)
    while at + 8 <= len(data):
        name, length = struct.unpack_from(">4sI", data, at)
        if name == b"link":  # most of it is in another file
            raise ValueError("a split index")
        at += 8 + length
    if at > len(data):
        raise ValueError("cut off")
