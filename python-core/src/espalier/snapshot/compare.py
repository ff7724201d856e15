"""What differs between two snapshots, or between a snapshot and a folder: a row a file, with its diff.

A side is a stored snapshot, or a folder as a snapshot of it would be now.
"""

import hashlib
import os
import stat
from typing import Dict, List, NamedTuple, Optional, Protocol

from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.base.progress import advance, report
from espalier.base.types import Frame
from espalier.snapshot.file_names import shown
from espalier.snapshot.take import scan_source
from espalier.snapshot.textdiff import LARGEST, TextDiff, link_diff, text_diff
from espalier.store.packs import Damaged, ObjectReader
from espalier.store.trees import damage, read_tree

_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_CHUNK = 1 << 20
_ATTEMPTS = 3


class Item(NamedTuple):
    """One file or link: `f`, `x` (executable) or `l`; its SHA-256 (64 hex digits), or a link's target; size, bytes."""

    kind: str
    content: str
    size: int


class Side(Protocol):
    """One of the two that are compared. `items` has the paths, sorted, with what is known of each without reading."""

    items: Dict[str, Item]

    def settled(self, path: str, other: Optional[Item]) -> Optional[Item]:
        """A file or link with its content known, as far as that is needed to tell it from another, and for a diff.

        Args:
            path: Its path relative to the folder.
            other: What the other side has there.

        Returns:
            The file or link; None when there is none, or it has gone since.
        """

    def data(self, path: str) -> bytes:
        """The content of a file that was settled and isn't larger than `LARGEST`."""


class StoredSide:
    """A snapshot of a workspace.

    Args:
        snapshot_id: `sha256:<64 hex digits>`.

    Raises:
        EspalierError: `snapshot_damaged`, `newer_format`.
    """

    def __init__(self, paths: WorkspacePaths, snapshot_id: str) -> None:
        self._paths = paths
        self._id = snapshot_id
        self._reader = ObjectReader(paths)
        self.items = {path: Item(*rest) for path, *rest in read_tree(paths, snapshot_id)["entries"]}

    def settled(self, path: str, other: Optional[Item]) -> Optional[Item]:
        return self.items.get(path)

    def data(self, path: str) -> bytes:
        """The content of a file, verified. Raises EspalierError: `snapshot_damaged`."""
        try:
            return self._reader.read(self.items[path].content)
        except Damaged as error:
            raise damage(self._paths, self._id, shown(path), error.where, error.seen) from error

    def close(self) -> None:
        """Closes the store's files."""
        self._reader.__exit__()


class FolderSide:
    """A folder. Each file is read once, and its report fits what was read, though the folder may change.

    Raises:
        EspalierError: `source_missing`, `source_unreadable`; `bad_argument`.
    """

    def __init__(self, source: str, outside_links: str = "refuse") -> None:
        found = scan_source(source, outside_links=outside_links)
        self.source = found.source
        self._origins = {entry.path: entry.origin for entry in found.files if entry.origin}
        # (the content of a file is not known before it is read)
        self.items = {
            entry.path: Item("l", entry.target, 0)
            if entry.kind == "link"
            else Item("x" if entry.executable else "f", "", entry.size)
            for entry in found.files
        }
        self._last = ("", b"")

    def settled(self, path: str, other: Optional[Item]) -> Optional[Item]:
        item = self.items.get(path)
        if item is None or item.kind == "l":
            return item
        if item.size > LARGEST and (other is None or other.size != item.size):
            return item  # it differs, and no diff of it is shown
        for _ in range(_ATTEMPTS):
            try:
                origin = self._origins.get(path)
                fd = _open_below("/", origin[1:]) if origin else _open_below(self.source, path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                raise self._unreadable(path, error.strerror or "it can't be opened") from error
            try:
                read = self._read(fd, path)
            except OSError as error:
                raise self._unreadable(path, error.strerror or "it can't be read") from error
            finally:
                os.close(fd)
            if read is not None:
                return read
        raise EspalierError(
            "source_changed",
            f"Can't compare {shown(path)} in {self.source}: it changed during each of {_ATTEMPTS} readings.",
            "Stop the program that writes to it, or leave it out with a line in the ignore file.",
            path=shown(path),
        )

    def data(self, path: str) -> bytes:
        """The content of the file that was settled last."""
        if self._last[0] != path:
            raise KeyError(path)
        return self._last[1]

    def _read(self, fd: int, path: str) -> Optional[Item]:
        """The file as it is, None when it changed while it was read; a small one's content is kept for `data`."""
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):
            raise self._unreadable(path, "it is no longer a file")
        sha, size, kept = hashlib.sha256(), 0, []
        while True:
            data = os.read(fd, min(_CHUNK, before.st_size - size + 1))
            if not data:
                break
            size += len(data)
            if size > before.st_size:
                return None
            sha.update(data)
            if size <= LARGEST:
                kept.append(data)
            advance(len(data))
        after = os.fstat(fd)
        same = ("st_size", "st_mtime_ns", "st_ctime_ns")
        if size != before.st_size or any(getattr(before, name) != getattr(after, name) for name in same):
            return None
        self._last = (path, b"".join(kept))
        return Item("x" if before.st_mode & stat.S_IXUSR else "f", sha.hexdigest(), size)

    def _unreadable(self, path: str, seen: str) -> EspalierError:
        return EspalierError(
            "source_unreadable",
            f"Can't compare {shown(path)} in {self.source}: {seen}.",
            "Make it readable, or leave it out with a line in the ignore file.",
            path=shown(path),
        )


def _open_below(source: str, path: str) -> int:
    """Opens a file part by part: at any depth, and never through a link that took a folder's place."""
    fd = os.open(source, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
    *folders, name = path.split("/")
    for part in folders:
        try:
            inner = os.open(part.encode("utf-8", "surrogateescape"), _FOLDER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    try:
        return os.open(name.encode("utf-8", "surrogateescape"), _READ, dir_fd=fd)
    finally:
        os.close(fd)


KINDS = {"f": "file", "x": "executable", "l": "link"}
# All diffs together, characters: beyond this the rows go on without.
_ALL_DIFFS = 8 << 20


class Difference(NamedTuple):
    """One file or link that differs.

    `change` is `added`, `removed`, `changed` (its content, or a link's target), `mode` (only whether it may be
    executed) or `type` (a file became a link or the other way round).
    """

    path: str
    change: str
    before: Optional[Item]
    after: Optional[Item]
    diff: Optional[str]
    note: Optional[str]


def compare(a: Side, b: Side) -> List[Difference]:
    """Compares two sides.

    Args:
        a: How it was before.
        b: How it is after.

    Returns:
        What differs, sorted by path.

    Raises:
        EspalierError: `snapshot_damaged` about a stored side, `source_changed` or `source_unreadable` about a folder.
    """
    found: List[Difference] = []
    left = _ALL_DIFFS
    paths = sorted(a.items.keys() | b.items.keys())
    for number, path in enumerate(paths):
        report("Comparing", number, len(paths))
        before = a.settled(path, b.items.get(path))
        after = b.settled(path, a.items.get(path))
        change = _change(before, after)
        if change is None:
            continue
        shown_diff = _diff(a, b, path, before, after) if left > 0 and change != "mode" else TextDiff(None, None)
        if left <= 0 and change != "mode":
            shown_diff = TextDiff(None, "not shown, the diffs are too many")
        left -= len(shown_diff.text or "")
        found.append(Difference(path, change, before, after, *shown_diff))
    return found


def _change(before: Optional[Item], after: Optional[Item]) -> Optional[str]:
    if before is None or after is None:
        return None if before is after else "added" if before is None else "removed"
    if (before.kind == "l") != (after.kind == "l"):
        return "type"
    if before.content != after.content:
        return "changed"
    return "mode" if before.kind != after.kind else None


def _diff(a: Side, b: Side, path: str, before: Optional[Item], after: Optional[Item]) -> TextDiff:
    items = [item for item in (before, after) if item is not None]
    if len({item.kind == "l" for item in items}) > 1:
        to = next(item.content for item in items if item.kind == "l")
        return TextDiff(None, f"{'was' if before and before.kind == 'l' else 'became'} a link to {shown(to)}")
    if items[0].kind == "l":
        return link_diff(path, before and before.content, after and after.content)
    if max(item.size for item in items) > LARGEST:
        return TextDiff(None, f"not shown, larger than {LARGEST >> 20} MB")
    return text_diff(path, before and a.data(path), after and b.data(path))


def as_frame(found: List[Difference]) -> Frame:
    """Differences as columns: `path`, `change`, `size_before`, `size_after` (bytes), `kind_before`, `kind_after`,
    `note` (why there is no diff), `diff`."""
    columns: Dict[str, List[object]] = {
        "path": [item.path for item in found],
        "change": [item.change for item in found],
        "size_before": [item.before and float(item.before.size) for item in found],
        "size_after": [item.after and float(item.after.size) for item in found],
        "kind_before": [item.before and KINDS[item.before.kind] for item in found],
        "kind_after": [item.after and KINDS[item.after.kind] for item in found],
        "note": [item.note for item in found],
        "diff": [item.diff for item in found],
    }
    sizes = {"size_before": "double", "size_after": "double"}
    return Frame(columns, {name: sizes.get(name, "string") for name in columns})
