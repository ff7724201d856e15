"""The trees of a workspace's snapshots: one object a folder, the snapshot's id is that of its root.

Standard library only: the runner loads this.
"""

import contextlib
import json
import os
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Tuple

from espalier.base.canonical import canonical_json, digest_bytes
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.store.packs import Damaged, ObjectReader, read_stored

FORMAT = 2
# Of snapshots in the first format all entries stand in one manifest, with whole paths.
_FLAT = 1
_HEX = frozenset("0123456789abcdef")
# Of a file, link or folder: `f`, `x`, `l` or `d`, SHA-256, size in bytes.
Entry = Tuple[str, str, int]


def tree_bytes(entries: Iterable[List[Any]]) -> bytes:
    """The object of one folder.

    Args:
        entries: Its files, links and folders that are not empty, in any order: name, `f` (file), `x` (executable
            file), `l` (link) or `d` (folder), SHA-256 (of a link its target), size in bytes (0 of links and folders).

    Returns:
        Canonical JSON; equal for equal content on every machine.
    """
    # UTF-8 sorts as its code points do
    return canonical_json({"format": FORMAT, "entries": sorted(entries)})


def read_tree(paths: WorkspacePaths, snapshot_id: str) -> Dict[str, Any]:
    """Reads all of a snapshot's tree and verifies it.

    Args:
        snapshot_id: `sha256:<64 hex digits>`.

    Returns:
        `format` and `entries`, sorted by path: path, `f`, `x` or `l`, SHA-256 (of a link its target), size in bytes.
        No path leads outside, and none goes through a link.

    Raises:
        EspalierError: `snapshot_damaged` when a part is missing or was edited, `newer_format`.
    """
    with ObjectReader(paths) as reader:
        tree = _flat(paths, snapshot_id)
        if tree is None:
            tree = {"format": FORMAT, "entries": _entries(paths, snapshot_id, reader)}
    _check_paths(paths, snapshot_id, tree["entries"])
    return tree


class SnapshotFolders:
    """Reads a snapshot folder by folder, and no more of it than is asked for.

    Args:
        snapshot_id: `sha256:<64 hex digits>`.
        reader: Of the workspace.
    """

    def __init__(self, paths: WorkspacePaths, snapshot_id: str, reader: ObjectReader) -> None:
        self._paths, self._id, self._reader = paths, snapshot_id, reader
        self._trees: Dict[str, Dict[str, Entry]] = {}
        # All folders of a snapshot in the first format.
        self._flat: Optional[Dict[str, Dict[str, Entry]]] = None

    def entries(self, folder: str) -> Dict[str, Entry]:
        """The entries of a folder by name; none if the snapshot has no such folder.

        Args:
            folder: Its path with `/` at the end; empty for the top.

        Raises:
            EspalierError: `snapshot_damaged` when a tree is missing or was edited, `newer_format`.
        """
        if self._flat is None:
            flat = _flat(self._paths, self._id)
            self._flat = {} if flat is None else _by_folder(flat["entries"])
        if self._flat:
            return self._flat.get(folder, {})
        at, entries = "", self._tree(self._id[7:], "")
        for part in folder.split("/")[:-1]:
            kind, content, _ = entries.get(part, ("", "", 0))
            if not _is_folder(part, kind, content):
                return {}
            at += part + "/"
            entries = self._tree(content, at)
        return entries

    def _tree(self, digest: str, prefix: str) -> Dict[str, Entry]:
        if digest not in self._trees:
            entries = _tree(self._paths, self._id, self._reader, digest, prefix)
            self._trees[digest] = {name: (kind, content, size) for name, kind, content, size in entries}
        return self._trees[digest]


def objects_of(paths: WorkspacePaths, snapshot_id: str, reader: ObjectReader, seen: Set[str]) -> Iterator[str]:
    """The objects that a snapshot consists of.

    Args:
        snapshot_id: `sha256:<64 hex digits>`.
        reader: Of the workspace.
        seen: The trees that need not be gone into again; those met are added.

    Returns:
        64 hex digits each: trees, contents, and the snapshot's own (a manifest's in the first format).

    Raises:
        EspalierError: `snapshot_damaged` when a tree is missing or was edited, `newer_format`.
    """
    yield snapshot_id[7:]
    flat = _flat(paths, snapshot_id)
    if flat is not None:
        yield from (content for _, kind, content, _ in flat["entries"] if kind != "l")
        return
    for _, tree, entries in _trees(paths, snapshot_id, reader, seen):
        yield tree
        yield from (content for _, kind, content, _ in entries if kind != "l")


def has_tree(paths: WorkspacePaths, snapshot_id: str) -> bool:
    """Whether a snapshot's root is in the store; it is not looked at."""
    with ObjectReader(paths) as reader:
        return os.path.exists(paths.tree(snapshot_id[7:])) or reader.has(snapshot_id[7:])


def damage(paths: WorkspacePaths, snapshot_id: str, name: str, where: str, seen: str) -> EspalierError:
    """The error for a snapshot of which something is missing or is not what its digest says.

    The records of source folders are dropped, so that the next snapshot looks at each object.

    Args:
        snapshot_id: `sha256:<64 hex digits>`.
        name: What is damaged, as the user knows it.
    """
    forget_sources(paths)
    return EspalierError(
        "snapshot_damaged",
        f"Can't read the snapshot {snapshot_id}: {name} ({where}): {seen}.",
        "Submit again from the source directory, which stores the files again.",
        path=name,
        file=where,
        snapshot=snapshot_id,
    )


def forget_sources(paths: WorkspacePaths) -> None:
    """Drops the stat caches, which take for granted that the store has what they name."""
    with contextlib.suppress(OSError):
        for name in os.listdir(paths.stat_caches):
            os.unlink(os.path.join(paths.stat_caches, name))


def _flat(paths: WorkspacePaths, snapshot_id: str) -> Optional[Dict[str, Any]]:
    path = paths.tree(snapshot_id[7:])
    try:
        data = read_stored(path)
    except OSError:
        return None
    if digest_bytes(data) != snapshot_id:
        raise damage(paths, snapshot_id, "the file list", path, "the content does not match its digest")
    return {"format": _FLAT, "entries": _parsed(paths, snapshot_id, data, path, _FLAT)}


def _entries(paths: WorkspacePaths, snapshot_id: str, reader: ObjectReader) -> List[List[Any]]:
    """The entries of the root and of all trees below it, with whole paths."""
    found: List[List[Any]] = []
    for prefix, _, entries in _trees(paths, snapshot_id, reader):
        for name, kind, content, size in entries:
            if not _is_folder(name, kind, content):
                found.append([prefix + name, kind, content, size])
    found.sort()
    return found


def _trees(
    paths: WorkspacePaths, snapshot_id: str, reader: ObjectReader, seen: Optional[Set[str]] = None
) -> Iterator[Tuple[str, str, List[List[Any]]]]:
    """The trees of a snapshot: path with a `/` at its end, SHA-256, entries; not those in `seen`, which grows."""
    todo: List[Tuple[str, str]] = [("", snapshot_id[7:])]
    while todo:
        prefix, digest = todo.pop()
        if seen is not None:
            if digest in seen:
                continue
            seen.add(digest)
        entries = _tree(paths, snapshot_id, reader, digest, prefix)
        todo += [(f"{prefix}{name}/", content) for name, kind, content, _ in entries if _is_folder(name, kind, content)]
        yield prefix, digest, entries


def _tree(paths: WorkspacePaths, snapshot_id: str, reader: ObjectReader, digest: str, prefix: str) -> List[List[Any]]:
    """The entries of one folder's tree, `prefix` being the folder's path with a `/` at its end."""
    try:
        data = reader.read(digest)
    except Damaged as error:
        raise damage(paths, snapshot_id, prefix or "the file list", error.where, error.seen) from error
    return _parsed(paths, snapshot_id, data, paths.blob(digest), FORMAT)


def _by_folder(entries: List[List[Any]]) -> Dict[str, Dict[str, Entry]]:
    """What the first format lists with whole paths, folder by folder."""
    folders: Dict[str, Dict[str, Entry]] = {"": {}}
    for path, kind, content, size in entries:
        *above, name = path.split("/")
        at = ""
        for part in above:
            folders[at].setdefault(part, ("d", "", 0))
            at += part + "/"
            folders.setdefault(at, {})
        folders[at][name] = (kind, content, size)
    return folders


def _is_folder(name: str, kind: str, content: str) -> bool:
    return kind == "d" and _is_hex(content) and bool(name)


def _parsed(paths: WorkspacePaths, snapshot_id: str, data: bytes, where: str, newest: int) -> List[List[Any]]:
    """The entries of a tree or manifest, each of the right form."""
    try:
        tree = json.loads(data)
        newer = tree["format"] > newest
        entries: List[List[Any]] = tree["entries"]
        good = newer or all([*map(type, entry)] == [str, str, str, int] for entry in entries)
    except (ValueError, KeyError, TypeError, RecursionError):
        newer = good = False
    if newer:
        message = f"Can't read the snapshot {snapshot_id}: a newer espalier wrote it."
        raise EspalierError("newer_format", message, "Update espalier.", path=where)
    if not good:
        raise damage(paths, snapshot_id, "the file list", where, "it isn't a list of files")
    return entries


def _check_paths(paths: WorkspacePaths, snapshot_id: str, entries: List[List[Any]]) -> None:
    """Refuses entries that would lead outside: ours never do, those of a copied workspace may."""
    links = {entry[0] for entry in entries if entry[1] == "l"}
    seen: Set[str] = set()

    def refuse(name: str, why: str) -> EspalierError:
        return damage(paths, snapshot_id, name, paths.tree(snapshot_id[7:]), why)

    for path, kind, content, _ in entries:
        parts = path.split("/")
        if not path or path in seen or "\0" in path or not {"", ".", ".."}.isdisjoint(parts):
            raise refuse(repr(path), "this isn't a path inside the snapshot")
        if kind not in ("f", "x", "l") or (kind != "l" and not _is_hex(content)):
            raise refuse(path, "the entry is not understood")
        if links:
            at = path.find("/")
            while at >= 0:
                if path[:at] in links:
                    raise refuse(path, f"the path goes through the link {path[:at]}")
                at = path.find("/", at + 1)
        seen.add(path)


def _is_hex(text: str) -> bool:
    return len(text) == 64 and _HEX.issuperset(text)
