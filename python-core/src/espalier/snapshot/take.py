"""Taking a snapshot: a source folder becomes a content id, and what the id names is in the store."""

import os
from dataclasses import dataclass
from typing import Any, List, Optional

from espalier.base.config import check_outside_links
from espalier.base.paths import WorkspacePaths
from espalier.base.types import Frame
from espalier.snapshot.defaults import DEFAULT_ORIGIN, OUTPUT_RULES, SECRET_RULES
from espalier.snapshot.diff import looks_secret
from espalier.snapshot.entries import Entry, Excluded, Scan, Totals
from espalier.snapshot.file_names import ignore_line, shown
from espalier.snapshot.ignore import OWN_FILE, IgnoreRules
from espalier.snapshot.scan import scan
from espalier.snapshot.statcache import cache_file, read_cache, write_cache
from espalier.store.objects import ObjectWriter
from espalier.store.packs import ObjectReader

_LARGE = 200 << 20
_LISTED = 5
_CONFIG_SIZE = 64 << 10
_KINDS = {"path": "string", "size": "double", "included": "logical", "rule": "string"}


@dataclass(frozen=True)
class Snapshot:
    """A frozen source folder.

    Args:
        id: `sha256:` and the digest of its tree; equal for equal content, wherever it was taken.
        files: How many files and links it has.
        source_directory: Where it was taken, absolute.
        excluded_notes: What the user has to know, once, a line each.
    """

    id: str
    files: int
    bytes: int
    source_directory: str
    excluded_notes: List[str]


def take_snapshot(
    paths: WorkspacePaths, source: str, default_excludes: bool = True, outside_links: str = "refuse"
) -> Snapshot:
    """Freezes a folder: its files go to the workspace's store, the tree of them gives the id.

    Args:
        default_excludes: Whether the built-in excludes apply.

    Raises:
        EspalierError: `source_missing`, `source_unreadable` or `source_changed` about the folder,
            `workspace_read_only` about the store.
    """
    return store_scan(paths, scan_source(source, default_excludes, outside_links))


def scan_source(source: str, default_excludes: bool = True, outside_links: str = "refuse") -> Scan:
    """Walks a source folder with the rules that it holds; nothing is written.

    Args:
        default_excludes: Whether the built-in excludes apply.

    Returns:
        What a snapshot of it would hold and leave out.

    Raises:
        EspalierError: `source_missing` or `source_unreadable`; `bad_argument`.
    """
    check_outside_links(outside_links)
    source = os.path.abspath(os.path.expanduser(source))
    return scan(source, IgnoreRules.load(source, default_excludes), outside_links)


def store_scan(paths: WorkspacePaths, found: Scan) -> Snapshot:
    """Puts what a walk found into the workspace's store.

    Raises:
        EspalierError: `source_changed` or `source_unreadable` about the folder, `workspace_read_only`
            about the store.
    """
    walked = found.walked
    cache = cache_file(paths, found.source)
    root = walked.settle(read_cache(cache))
    if root is not None and not _has(paths, root):
        root = walked.settle(b"")
    if root is None:
        with ObjectWriter(paths) as writer:
            root = walked.store(writer)
        write_cache(cache, walked.remember())
    totals = walked.totals()
    return Snapshot("sha256:" + root, totals.files, totals.bytes, found.source, _notes(found, totals))


def _has(paths: WorkspacePaths, root: str) -> bool:
    with ObjectReader(paths) as reader:
        return reader.has(root)


def _notes(found: Scan, totals: Totals) -> List[str]:
    defaults = [item for item in found.excluded if item.decision.origin == DEFAULT_ORIGIN]
    notes = []
    outputs = [item.path + "/" for item in defaults if item.decision.rule in OUTPUT_RULES]
    if outputs:
        notes.append(
            f"Left out of the snapshot: the folder's own {' and '.join(outputs)} (each run has its own). "
            f"To include it, write !{ignore_line(outputs[0][:-1], True)} in {OWN_FILE}."
        )
    secrets = [item for item in defaults if item.decision.rule in SECRET_RULES]
    tokens = [item.path + "/config (a token)" for item in defaults if item.is_dir and _has_token(found.source, item)]
    if secrets or tokens:
        names = [item.path for item in secrets] + tokens
        notes.append(f"Left out of the snapshot, because they may hold secrets: {_list(names)}.")
    if secrets:
        line = ignore_line(secrets[0].path, secrets[0].is_dir)
        notes[-1] += f" To include one, write !{line} in {OWN_FILE}."
        if any(item.path == ".Renviron" for item in secrets):
            notes[-1] += " So R in the job does not read .Renviron: give it environment_variables, or secrets."
    links = found.walked.links()
    dangling = [f"{entry.path} (to {entry.target})" for entry in _dangling(found, links)]
    if dangling:
        notes.append(f"Links whose target is left out, so that the job doesn't find it: {_list(dangling)}.")
    astray = [f"{entry.path} (to {entry.target})" for entry in links if _leads_out(entry)]
    if astray:
        notes.append(f"Links that lead elsewhere from the job's own copy of the folder: {_list(astray)}.")
    if totals.bytes > _LARGE:
        named = _list([f"{path} ({readable_size(size)})" for path, size in totals.largest])
        notes.append(
            f"The snapshot is large, {readable_size(totals.bytes)}. The largest files: {named}. To leave one out, "
            f"write {ignore_line(totals.largest[0][0], False)} in {OWN_FILE}; give data to the job with "
            'inputs = list(name = "path").'
        )
    return notes


def _has_token(source: str, item: Excluded) -> bool:
    """Whether a left-out git folder's configuration has a token or password, as in the URL of a remote."""
    if os.path.basename(item.path) != ".git":
        return False
    try:
        fd = os.open(os.path.join(source, item.path, "config"), os.O_RDONLY | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            text = file.read(_CONFIG_SIZE)
    except OSError:
        return False
    # (few have either, and what looks closer takes a moment to load)
    if b"@" not in text and b"authorization" not in text.lower():
        return False
    return any(looks_secret(line) for line in text.splitlines())


def _leads_out(link: Entry) -> bool:
    """Whether a relative link, which was kept, leads out of the folder."""
    target = os.path.normpath(os.path.join(os.path.dirname(link.path), link.target))
    return not os.path.isabs(target) and target.split("/")[0] == ".."


def _dangling(found: Scan, links: List[Entry]) -> List[Entry]:
    """The links to what exists in the folder but is left out of the snapshot."""
    dangling = []
    for entry in links if found.excluded else ():
        target = os.path.normpath(os.path.join(os.path.dirname(entry.path), entry.target))
        if found.why_excluded(target) and os.path.exists(os.path.join(found.source, target)):
            dangling.append(entry)
    return dangling


def readable_size(size: int) -> str:
    """Bytes for people, `12 MB`."""
    return f"{size / 2**20:.0f} MB" if size >= 1 << 20 else f"{size / 2**10:.0f} kB"


def _list(names: List[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(map(shown, names[:_LISTED])) + (f" and {more} more" if more > 0 else "")


def snapshot_preview(source: str, default_excludes: bool = True, outside_links: str = "refuse") -> Frame:
    """Lists what a snapshot would hold and what it would leave out; nothing is written.

    Args:
        default_excludes: Whether the built-in excludes apply.

    Returns:
        A row a path, sorted: `path` (a folder that is left out appears once, with a
        `/` at its end), `size` in bytes (None for folders), `included`, `rule` (with its origin, None
        where no rule was needed).

    Raises:
        EspalierError: `source_missing` or `source_unreadable`; `bad_argument`.
    """
    found = scan_source(source, default_excludes, outside_links)
    rows: List[List[Any]] = [[entry.path, float(entry.size), True, None] for entry in found.files]
    for path, is_dir, decision in found.excluded:
        size = None if is_dir else _size(os.path.join(found.source, path))
        rows.append([shown(path) + ("/" if is_dir else ""), size, False, f"{decision.rule} ({decision.origin})"])
    rows.sort(key=lambda row: str(row[0]))
    return Frame.of_rows(rows, _KINDS)


def _size(path: str) -> Optional[float]:
    try:
        return float(os.lstat(path).st_size)
    except OSError:
        return None
