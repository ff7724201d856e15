"""Removing folders that jobs made, whatever they hold."""

import contextlib
import os
from typing import List


def remove_tree(path: str) -> None:
    """Remove a folder and all below it, at any depth; what cannot be removed stays, without an error."""
    import shutil  # 5 ms to load, and not on the way to a job's start

    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):  # deeper than Python recurses or a path may be long, or folders without `w`
        with contextlib.suppress(OSError):
            _remove_deep(path)


def _remove_deep(top: str) -> None:
    """Level by level: folders are renamed to the top before they are removed, so no path grows long."""
    token, number = os.urandom(8).hex(), 0
    while True:
        folders = _empty_of_files(top)
        if not folders:
            os.rmdir(top)
            return
        for folder in folders:
            for inner in _empty_of_files(folder):
                number += 1
                os.rename(inner, os.path.join(top, f"{token}-{number}"))
            os.rmdir(folder)


def _empty_of_files(folder: str) -> List[str]:
    """Remove what is no folder, and return the folders, which may then be moved and emptied."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)
                folders.append(entry.path)
            else:
                os.unlink(entry.path)
    return folders
