"""Folders and files that jobs made, whatever they are: removed, or opened for reading."""

import contextlib
import errno
import json
import os
import stat
from typing import Any, BinaryIO, Dict, List, Mapping, Optional

from espalier.paths import RunPaths


def remove_tree(path: str) -> None:
    """Remove a folder and all below it, at any depth; what cannot be removed stays, without an error.

    A link, or a file, in its place is removed itself: a job may have put it there, pointing anywhere.
    """
    if os.path.islink(path) or not os.path.isdir(path):
        with contextlib.suppress(OSError):
            os.unlink(path)
        return
    import shutil  # 5 ms to load, and not on the way to a job's start

    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):  # deeper than Python recurses or a path may be long, or folders without `w`
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)
            _remove_deep(path)


def open_regular(path: str) -> BinaryIO:
    """Open a plain file that a job may have replaced: no link is followed, no FIFO waited for.

    Raises:
        OSError: it is missing, or no plain file.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a plain file", path)
    return os.fdopen(fd, "rb")


def with_body(run: RunPaths, event: Mapping[str, Any], limit_bytes: Optional[int] = None) -> Dict[str, Any]:
    """An event with the fields of its payload file, if its body lies in one; what stands in its line is kept.

    Args:
        limit_bytes: The longest payload to read; None for any.

    Raises:
        OSError: the payload is missing or no plain file.
        ValueError: it is too long, or no JSON object.
    """
    relative = event.get("payload")
    if relative is None:
        return dict(event)
    # (a name that leads elsewhere is looked for below payloads/, and not found)
    with open_regular(os.path.join(run.payloads, os.path.basename(str(relative)))) as file:
        data = file.read(-1 if limit_bytes is None else limit_bytes + 1)
    if limit_bytes is not None and len(data) > limit_bytes:
        raise ValueError(f"longer than {limit_bytes} bytes")
    try:
        body = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(body, dict):
        raise ValueError("no JSON object")
    return {**body, **event}


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
