"""The files below a folder that a job may have made, at any depth: deeper than a path may be long, too."""

import contextlib
import os
from typing import List, Tuple

from espalier.adapters.moving import DEEPEST, opened, opened_below


def files_below(root: str, folder: str) -> List[Tuple[str, int]]:
    """Names and sizes, in bytes, of what isn't a folder. No link is followed, and what can't be read is left out.

    Args:
        root: A folder that no job can have replaced.
        folder: A folder below it, `a/b`.

    Returns:
        The names below that folder, such as `c/d.csv`, with the size of each.
    """
    found: List[Tuple[str, int]] = []
    later = [""]
    while later:
        path = later.pop()
        parts = [part for part in f"{folder}/{path}".split("/") if part]
        with contextlib.suppress(OSError), opened_below(root, parts, unlock=False) as fd:
            _add(fd, path, found, later, 0)
    return found


def _add(fd: int, path: str, found: List[Tuple[str, int]], later: List[str], depth: int) -> None:
    with os.scandir(fd) as scanned:
        entries = list(scanned)
    for entry in entries:
        with contextlib.suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                found.append((path + entry.name, entry.stat(follow_symlinks=False).st_size))
            elif depth >= DEEPEST:  # (one descriptor is open at each level)
                later.append(f"{path}{entry.name}/")
            else:
                with opened(entry.name, fd, unlock=False) as inner:
                    _add(inner, f"{path}{entry.name}/", found, later, depth + 1)
