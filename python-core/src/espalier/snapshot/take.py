"""Taking a snapshot: a source folder becomes a content id, and what the id names is in the store."""

import os
from dataclasses import dataclass
from typing import Any, List, Tuple

from espalier.errors import EspalierError
from espalier.paths import WorkspacePaths
from espalier.progress import report
from espalier.snapshot.defaults import DEFAULT_ORIGIN, OUTPUT_RULES, SECRET_RULES
from espalier.snapshot.found import Entry, Scan
from espalier.snapshot.ignore import IgnoreRules
from espalier.snapshot.names import ignore_line
from espalier.snapshot.scan import scan
from espalier.store.blobs import put_file
from espalier.store.trees import put_tree

_LARGE = 200 << 20
_LISTED = 5
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True)
class Snapshot:
    """A frozen source folder.

    Args:
        id: `sha256:` and the digest of its manifest; equal for equal content, wherever it was taken.
        files: How many files and links it has.
        bytes: Their size.
        source_directory: Where it was taken, absolute.
        excluded_notes: What the user should be told once, a line each.
    """

    id: str
    files: int
    bytes: int
    source_directory: str
    excluded_notes: List[str]


def take_snapshot(paths: WorkspacePaths, source: str) -> Snapshot:
    """Freezes a folder: its files go to the workspace's store, the manifest of them gives the id.

    Args:
        paths: The workspace.
        source: The source folder.

    Returns:
        The snapshot.

    Raises:
        EspalierError: `source_missing`, `source_unreadable` or `source_changed` about the folder,
            `workspace_read_only` about the store.
    """
    return store_scan(paths, scan_source(source))


def scan_source(source: str) -> Scan:
    """Walks a source folder with the rules that it holds; nothing is written.

    Args:
        source: The source folder.

    Returns:
        What a snapshot of it would hold and leave out.

    Raises:
        EspalierError: `source_missing` or `source_unreadable`.
    """
    source = os.path.abspath(os.path.expanduser(source))
    return scan(source, IgnoreRules.load(source))


def store_scan(paths: WorkspacePaths, found: Scan) -> Snapshot:
    """Puts what a walk found into the workspace's store.

    Args:
        paths: The workspace.
        found: A walk made just before.

    Returns:
        The snapshot.

    Raises:
        EspalierError: `source_changed` or `source_unreadable` about the folder, `workspace_read_only`
            about the store.
    """
    entries, stored = _store(paths, found.source, found)
    snapshot_id = put_tree(paths, {"format": 1, "entries": entries})
    size = sum(entry.size for entry in stored)
    return Snapshot(snapshot_id, len(stored), size, found.source, _notes(found, stored, size))


def _store(paths: WorkspacePaths, source: str, found: Scan) -> Tuple[List[List[Any]], List[Entry]]:
    """The manifest's entries, with sizes and modes as they were when each file was read."""
    entries: List[List[Any]] = []
    stored: List[Entry] = []
    opener = _Opener(source)
    done, total = 0, sum(entry.size for entry in found.files)
    try:
        for entry in found.files:
            report("Storing the snapshot", done, total)
            done += entry.size
            if entry.kind == "link":
                entries.append([entry.path, "l", entry.target, 0])
                stored.append(entry)
                continue
            folder, _, name = entry.path.rpartition("/")
            blob = put_file(paths, name, opener.open(folder), entry.path)
            entries.append([entry.path, "x" if blob.executable else "f", blob.digest, blob.size])
            stored.append(entry._replace(size=blob.size, executable=blob.executable))
    finally:
        opener.close()
    return entries, stored


class _Opener:
    """Opens folders of the source part by part, so that one swapped for a link is never entered."""

    def __init__(self, source: str) -> None:
        self._root = os.open(source, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
        self._folder, self._fd = "", os.dup(self._root)

    def open(self, folder: str) -> int:
        """The open folder; it stays open until the next call."""
        if folder == self._folder:
            return self._fd
        # Files come sorted, so the next folder often lies in this one.
        if self._folder and folder.startswith(self._folder + "/"):
            rest = folder[len(self._folder) + 1 :]
        else:
            self._move(os.dup(self._root))
            rest = folder
        for part in rest.split("/") if rest else ():
            try:
                self._move(os.open(part.encode("utf-8"), _FOLDER, dir_fd=self._fd))
            except OSError as error:
                message = f"The folder {folder} was replaced or removed while the snapshot was taken."
                raise EspalierError("source_changed", message, "Submit again.", path=folder) from error
        self._folder = folder
        return self._fd

    def _move(self, fd: int) -> None:
        os.close(self._fd)
        self._fd = fd

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._root)


def _notes(found: Scan, stored: List[Entry], size: int) -> List[str]:
    defaults = [item for item in found.excluded if item.decision.origin == DEFAULT_ORIGIN]
    notes = []
    outputs = [item.path + "/" for item in defaults if item.decision.rule in OUTPUT_RULES]
    if outputs:
        notes.append(
            f"Left out of the snapshot: the folder's own {' and '.join(outputs)} (each run has its own). "
            f"To include it, write !{ignore_line(outputs[0][:-1], True)} in {found.ignore_file}."
        )
    secrets = [item.path for item in defaults if item.decision.rule in SECRET_RULES]
    if secrets:
        notes.append(
            f"Left out of the snapshot, for they may hold secrets: {_list(secrets)}. "
            f"To include one, write !{ignore_line(secrets[0], False)} in {found.ignore_file}."
        )
    dangling = [f"{entry.path} (to {entry.target})" for entry in _dangling(found)]
    if dangling:
        notes.append(f"Links whose target the job will not find, for it is left out: {_list(dangling)}.")
    if size > _LARGE:
        largest = sorted(stored, key=lambda entry: -entry.size)[:3]
        named = ", ".join(f"{entry.path} ({entry.size / 2**20:.0f} MB)" for entry in largest)
        notes.append(
            f"The snapshot is large, {size / 2**20:.0f} MB. The largest files: {named}. To leave one out, "
            f"write {ignore_line(largest[0].path, False)} in {found.ignore_file}; give data to the job with "
            'inputs = list(name = "path").'
        )
    return notes


def _dangling(found: Scan) -> List[Entry]:
    """The links to what exists in the folder but is left out of the snapshot."""
    dangling = []
    for entry in found.files:
        if entry.kind == "link":
            target = os.path.normpath(os.path.join(os.path.dirname(entry.path), entry.target))
            if found.why_excluded(target) and os.path.exists(os.path.join(found.source, target)):
                dangling.append(entry)
    return dangling


def _list(names: List[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
