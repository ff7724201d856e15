"""Garbage: what nothing refers to any more, and what killed processes left behind.

The process that deletes has the objects alone (`hold.alone_with_objects`). At any moment of it the store is whole: the
stat caches go first, because they take for granted what goes next; an index goes before its pack; and of a pack that
is rewritten the new one is there before the old one goes.
"""

import contextlib
import hashlib
import os
import time
from typing import Iterator, List, NamedTuple, Set, Tuple

from espalier.adapters.files import remove_tree, size_below
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths, WorkspacePaths, is_digest, is_run_id, is_temporary, partial, temporary
from espalier.base.progress import report
from espalier.base.records import read_record, sync_folder, write_all
from espalier.base.store_paths import digest_of_record, index_of_pack, pack_of_index
from espalier.snapshot.reach import objects_in_use
from espalier.store.objects import place_index
from espalier.store.packs import indexes
from espalier.store.stored_files import create, discard
from espalier.store.trees import forget_sources

# What a living process writes aside is renamed within moments; what is this old was left behind. Seconds.
_LEFT_BEHIND_SECONDS = 86_400
OBJECT, PACK, PART_OF_PACK, LEFTOVER = "object", "pack", "part of a pack", "leftover"


class Garbage(NamedTuple):
    """Something to delete: `what` it is, its path, what deleting it frees (bytes), and why it may go."""

    what: str
    path: str
    size: int
    why: str


def find_garbage(paths: WorkspacePaths) -> List[Garbage]:
    """Lists what may go; nothing is changed.

    Returns:
        Sorted by kind and path.

    Raises:
        EspalierError: when it isn't known what is in use, see `objects_in_use`.
    """
    # what is stored first, then what is used: what a submit adds meanwhile is not listed
    loose, packs = list(_loose(paths)), [(path, list(index.records())) for path, index in indexes(paths)]
    used = objects_in_use(paths)
    unused = "no run and no kept snapshot refers to it"
    found = [Garbage(OBJECT, path, size, unused) for digest, path, size in loose if digest not in used]
    for path, records in packs:
        dead = [size for digest, _, size in records if digest not in used]
        if len(dead) == len(records):
            found.append(Garbage(PACK, path, sum(dead), unused))
        elif 2 * sum(dead) > sum(size for _, _, size in records):
            found.append(Garbage(PART_OF_PACK, path, sum(dead), "no run and no kept snapshot refers to that part"))
    found += _leftovers(paths)
    return sorted(found)


def delete_garbage(paths: WorkspacePaths, found: List[Garbage]) -> Set[str]:
    """Deletes what was listed.

    Args:
        paths: The workspace, whose objects the caller has alone since before they were listed.

    Returns:
        The paths of what is gone now, or smaller.
    """
    objects = [item for item in found if item.what != LEFTOVER]
    if objects:
        forget_sources(paths)
        with contextlib.suppress(FileNotFoundError):
            sync_folder(paths.stat_caches)
    used = objects_in_use(paths) if any(item.what == PART_OF_PACK for item in found) else set()
    gone = set()
    for number, item in enumerate(found):
        report("Deleting garbage", number, len(found))
        with contextlib.suppress(OSError):  # what cannot be deleted stays, and is told to be there still
            if item.what == PART_OF_PACK:
                _rewrite(paths, item.path, used)
            elif item.what == PACK:
                _remove_pack(item.path)
            elif item.what == OBJECT:
                os.unlink(item.path)
            else:
                remove_tree(item.path)
                if os.path.lexists(item.path):
                    continue
            gone.add(item.path)
    return gone


def _rewrite(paths: WorkspacePaths, pack: str, used: Set[str]) -> None:
    """Puts what is used of a pack into a new one, on the disk before the old one goes."""
    records: List[Tuple[bytes, int, int]] = []
    at = 0
    aside = temporary(paths.packs)
    to = create(paths, aside)
    try:
        try:
            for digest, data in _kept_of(paths, pack, used):
                write_all(to, data)
                records.append((digest, at, len(data)))
                at += len(data)
            os.fsync(to)
        finally:
            os.close(to)
        name = place_index(paths, aside, records)
    except BaseException:
        discard(aside)
        raise
    index = os.open(paths.pack_index(name), os.O_RDONLY)
    try:
        os.fsync(index)
    finally:
        os.close(index)
    sync_folder(paths.packs)
    _remove_pack(pack)


def _kept_of(paths: WorkspacePaths, pack: str, used: Set[str]) -> Iterator[Tuple[bytes, bytes]]:
    """Digest and content of what is used of a pack; what is damaged there is of no use to anybody."""
    index = next(index for path, index in indexes(paths) if path == pack)
    with open(pack, "rb") as file:
        for digest, offset, size in index.records():
            if digest in used:
                file.seek(offset)
                data = file.read(size)
                if hashlib.sha256(data).hexdigest() == digest:
                    yield bytes.fromhex(digest), data


def _remove_pack(pack: str) -> None:
    os.unlink(index_of_pack(pack))
    os.unlink(pack)


def _loose(paths: WorkspacePaths) -> Iterator[Tuple[str, str, int]]:
    """Objects and manifests that lie in files of their own: SHA-256, path, size."""
    for top in (paths.blobs, paths.trees):
        for shard in _entries(top):
            for entry in _entries(shard.path):
                digest = digest_of_record(entry.name) if top == paths.trees else entry.name
                if is_digest(digest):
                    yield digest, entry.path, entry.stat(follow_symlinks=False).st_size


def _leftovers(paths: WorkspacePaths) -> Iterator[Garbage]:
    """What processes were killed over, a day ago or longer."""
    snapshots = os.path.dirname(paths.blobs)
    inside = [snapshots, paths.blobs, paths.trees, paths.packs, paths.kept, paths.stat_caches]
    shards = [entry.path for entry in _entries(paths.runs)]
    for folder in [paths.root, paths.experiments, *inside, *shards]:
        for entry in _entries(folder):
            if is_temporary(entry.name) and _is_old(entry.path):
                yield Garbage(LEFTOVER, entry.path, size_below(entry.path), "a killed process left it half-written")
            elif folder in shards and is_run_id(entry.name):
                work = partial(RunPaths(entry.path).work)
                if _is_old(work) and _has_ended(RunPaths(entry.path)):
                    yield Garbage(LEFTOVER, work, size_below(work), "a killed runner left its working copy half-made")
    names = {entry.name for entry in _entries(paths.packs)}
    for name in sorted(names):
        other = pack_of_index(name) or index_of_pack(name)
        path = os.path.join(paths.packs, name)
        if other and other not in names and _is_old(path):
            yield Garbage(LEFTOVER, path, size_below(path), "a pack without its index, or an index without its pack")


def _is_old(path: str) -> bool:
    try:
        return time.time() - os.lstat(path).st_mtime > _LEFT_BEHIND_SECONDS
    except OSError:
        return False


def _has_ended(run: RunPaths) -> bool:
    try:
        return states.is_final(read_record(run.status)["state"])
    except (EspalierError, OSError, KeyError):
        return False


def _entries(folder: str) -> "List[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
