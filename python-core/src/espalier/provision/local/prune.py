"""Which private environments there are, and removing them."""

import contextlib
import os
import time
from dataclasses import dataclass
from typing import List, Optional

from espalier.adapters import posix
from espalier.adapters.file_locks import locked
from espalier.adapters.files import remove_tree
from espalier.base.cache_paths import CachePaths, PrivatePaths
from espalier.base.errors import EspalierError
from espalier.base.paths import is_digest, is_temporary, temporary
from espalier.base.records import read_record, seconds_of


@dataclass(frozen=True)
class Listed:
    """A private environment.

    Args:
        key: Its key, `sha256:...`.
        name: What the definition was called that it was built for.
        size: Bytes that its removal frees, those it shares with others not counted.
        built_at: Seconds since 1970.
        last_used: When a run last asked for it.
        whole: Whether it was built to its end.
    """

    key: str
    name: Optional[str]
    size: int
    built_at: Optional[float]
    last_used: Optional[float]
    whole: bool


def list_private(cache: CachePaths) -> List[Listed]:
    """All private environments of this user on this host, the one used last first."""
    try:
        names = [name for name in os.listdir(cache.private) if is_digest(name)]
    except FileNotFoundError:
        return []
    found = [_listed(cache, name) for name in names]
    return sorted(found, key=lambda one: (-(one.last_used or 0), one.key))


def _listed(cache: CachePaths, hex_key: str) -> Listed:
    paths = PrivatePaths(cache.private_environment(hex_key))
    try:
        record = read_record(paths.record)
        used: Optional[float] = os.stat(paths.record).st_mtime
    except (EspalierError, OSError):
        record, used = {}, None
    key, size, built = "sha256:" + hex_key, own_size(paths.root), seconds_of(record.get("created_at"))
    return Listed(key, record.get("name"), size, built, used, bool(record))


def own_size(folder: str) -> int:
    """Bytes that removing a folder frees: files that lie elsewhere too, as hard links, are not counted."""
    size = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                status = os.lstat(os.path.join(parent, name))
            except OSError:
                continue
            if status.st_nlink == 1:
                size += status.st_blocks * 512
    return size


def remove_private(cache: CachePaths, hex_key: str) -> bool:
    """Remove a private environment, unless it is being built right now, or a job runs in it.

    Returns:
        Whether it was there, and is gone.

    Raises:
        EspalierError: `bad_argument`, that isn't a key.
    """
    if not is_digest(hex_key):
        raise EspalierError("bad_argument", f"Can't use {hex_key!r} as the key of a private environment.")
    lock, folder = cache.build_lock(hex_key), cache.private_environment(hex_key)
    if not os.path.lexists(folder) or posix.is_locked(lock):
        return False
    with locked(lock), contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # (without a record it is none, and nobody runs in it)
            used = posix.open_lockable(PrivatePaths(folder).record)
            held.callback(os.close, used)
            if not posix.try_lock(used):  # (the runner of each job in it has it)
                return False
        aside = temporary(cache.private)
        try:
            os.rename(folder, aside)  # from now on it is none, whatever happens
        except FileNotFoundError:
            return False
        remove_tree(aside)
    return True


def clean_up(cache: CachePaths) -> None:
    """Remove what removals and installations left that were killed."""
    for folder in (cache.private, cache.r_packages):
        try:
            names = [name for name in os.listdir(folder) if is_temporary(name)]
        except FileNotFoundError:
            continue
        for name in names:
            path = os.path.join(folder, name)
            if _is_old(path):
                remove_tree(path)


def _is_old(path: str) -> bool:
    """Whether no process can still be at it: a package takes hours at most."""
    try:
        return time.time() - os.stat(path).st_mtime > 86400
    except OSError:
        return False
