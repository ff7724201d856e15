"""What a walk of the native scanner found, and how it goes into the store.

The scanner does what is on the straight path; for all else it is the twin (`scan.py`, `plain.py`) that acts and words
the refusals.
"""

import os
import stat
from functools import lru_cache
from typing import Any, Dict, List, Optional, Tuple

from espalier.base import accel
from espalier.base.os_errors import cannot_write
from espalier.base.progress import report
from espalier.snapshot import statcache
from espalier.snapshot.defaults import DEFAULT_ORIGIN, MARKERS, RECORDS, SIGNS, own_folder
from espalier.snapshot.entries import Entry, Excluded, Opener, Totals
from espalier.snapshot.ignore import Decision, Identity, IgnoreRules, patterns_of
from espalier.snapshot.outside import Copies, settle_links
from espalier.store.blobs import put_file
from espalier.store.objects import MANY, SMALL, ObjectWriter
from espalier.store.packs import pack_files
from espalier.store.trees import tree_bytes

# How the scanner numbers what a folder turned out to be.
_MARKERS = {-2: "venv", -3: "workspace", -4: "state"}


def native_walk(
    source: str, began_ns: int, rules: IgnoreRules, outside_links: str
) -> Optional["NativeWalk"]:
    """Walks a source folder.

    Args:
        began_ns: Now, nanoseconds since 1970.

    Returns:
        None where there is no native scanner, or something in the folder is for the twin.

    Raises:
        EspalierError: `source_unreadable`, a link is refused.
        Cancelled: the call was called off.
    """
    scanner = accel.native()
    if scanner is None:
        return None
    compiled, decisions = _compiled(scanner, rules.identity)
    how = (
        compiled,
        rules.defaults,
        set(SIGNS),
        _own_folder,
        {number: set(RECORDS[marker]) for number, marker in _MARKERS.items() if marker in RECORDS},
        lambda done: report("Looking for files", done),
    )
    walk = scanner.walk(os.fsencode(source), began_ns, *how)
    if walk is None:
        return None
    found = NativeWalk(source, walk, decisions, how)
    return found if settle_links(found, source, rules, outside_links) else None


@lru_cache(maxsize=16)
def _compiled(scanner: Any, rules: Identity) -> Tuple[Any, Dict[int, Decision]]:
    """Rules for the scanner, and what its numbers of them mean. (To compile the built-in ones, hundreds, takes as long
    as to look at a hundred files.)"""
    patterns = patterns_of(rules)
    decisions = dict(enumerate(decision for _, decision in patterns))
    for number, marker in _MARKERS.items():
        decisions[number] = Decision(True, MARKERS[marker], DEFAULT_ORIGIN)
    return scanner.Rules([tuple(pattern) for pattern, _ in patterns]), decisions


def _own_folder(fd: int) -> int:
    """The number of what an open folder with one of the `SIGNS` is, -1 for an ordinary one."""
    marker = own_folder(fd, SIGNS)
    return next((number for number, name in _MARKERS.items() if name == marker), -1)


class NativeWalk:
    """As `PlainWalk`.

    Args:
        decisions: What its numbers of rules mean.
    """

    def __init__(self, source: str, walk: Any, decisions: Dict[int, Decision], how: Tuple[Any, ...]) -> None:
        self._source = source
        self._walk = walk
        self._decisions = decisions
        self._how = how
        self._links_left_out: List[Excluded] = []

    def entries(self) -> List[Entry]:
        """The files and links."""
        return [_entry(*row) for row in self._walk.entries(False)]

    def links(self) -> List[Entry]:
        """The links alone."""
        return [_entry(*row) for row in self._walk.entries(True)]

    def excluded(self) -> List[Excluded]:
        """What is left out."""
        found = [
            Excluded(_text(path), is_dir, self._decisions[rule])
            for path, is_dir, rule in self._walk.left_out()
        ]
        return sorted(found + self._links_left_out)

    def replace(self, by: Copies) -> Optional[List[Entry]]:
        """Puts files and folders in the place of links; see `Walking`."""
        self._links_left_out += by.left_out
        files = [(_bytes(path), _bytes(real), statcache.state_of(seen)) for path, real, seen in by.files]
        folders = [(_bytes(path), _bytes(real)) for path, real in by.folders]
        links = self._walk.replace(files, folders, [_bytes(item.path) for item in by.left_out], *self._how)
        return None if links is None else [_entry(*row) for row in links]

    def settle(self, cache: bytes) -> Optional[str]:
        """Takes over the digests of what has not changed; see `PlainWalk`."""
        return self._walk.root() if self._walk.settle(cache, statcache.RACY_NS) else None

    def store(self, writer: ObjectWriter) -> str:
        """Puts what is not known into the store, and the trees that are not; see `PlainWalk`."""
        self._store_files(writer)
        opener = Opener(self._source)
        try:
            for folder, file, path, origin in self._walk.unknown():
                fd, name = opener.open_for(path, _text(origin))
                stored = put_file(writer, name, fd, path)
                self._walk.set_file(folder, file, bytes.fromhex(stored.digest), statcache.state_of(stored.seen))
        finally:
            opener.close()
        for folder in self._walk.changed():
            tree = writer.add(tree_bytes(self._walk.tree_entries(folder)))
            self._walk.set_tree(folder, bytes.fromhex(tree))
        return str(self._walk.root())

    def _store_files(self, writer: ObjectWriter) -> None:
        many = self._walk.small_unknown(SMALL) >= MANY
        fd, end = writer.open_pack() if many else (-1, 0)
        paths = writer.paths
        try:
            records, files = self._walk.store(os.fsencode(paths.blobs), pack_files(paths), fd, end, SMALL, _tell)
        except OSError as error:
            raise cannot_write(paths.root, error) from error
        writer.rely_on(map(os.fsdecode, files))
        if many:
            writer.adopt(records)

    def remember(self) -> bytes:
        """What is known now, for `write_cache`; after `store`."""
        body: bytes = self._walk.remember()
        return body

    def totals(self) -> Totals:
        """Number, bytes, and the largest three, as they were when they were read."""
        return Totals(*self._walk.totals())


def _entry(path: str, mode: int, size: int, mtime_ns: int, target: bytes) -> Entry:
    if stat.S_ISLNK(mode):
        return Entry(path, "link", False, 0, mtime_ns, _text(target))
    return Entry(path, "file", bool(mode & stat.S_IXUSR), size, mtime_ns, "", _text(target))


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _tell(done: int, total: int) -> None:
    report("Storing the snapshot", done, total)
