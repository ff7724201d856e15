"""Folders and files that jobs made, of any kind: removed, or opened for reading. And files that are made whole, under
a name that no other process has taken, or not at all."""

import contextlib
import json
import os
from itertools import islice
from typing import Any, BinaryIO, Dict, List, Mapping

from espalier.base.paths import RunPaths, temporary
from espalier.base.records import PAYLOAD_BYTES, open_plain, read_plain, sync_folder, write_file

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def remove_tree(path: str) -> None:
    """Remove a folder and all below it, at any depth; what cannot be removed stays, without an error.

    A link, or a file, in its place is removed itself: a job may have put it there, pointing anywhere.
    """
    try:
        os.rmdir(path)  # (it may be empty; a link isn't a folder here)
        return
    except FileNotFoundError:
        return
    except NotADirectoryError:
        with contextlib.suppress(OSError):
            os.unlink(path)
        return
    except OSError:
        pass
    try:
        _remove_whole(path)
    except (OSError, RecursionError):  # deeper than Python recurses or a path may be long, or folders without `w`
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)
            _remove_deep(path)


def _remove_whole(path: str) -> None:
    """As `shutil.rmtree`, which takes a runner 5 ms to load. Raises OSError, RecursionError: something is left."""
    if os.open not in os.supports_dir_fd:
        import shutil

        shutil.rmtree(path)
        return
    folder = os.open(path, _FOLDER)
    try:
        _empty(folder)
    finally:
        os.close(folder)
    os.rmdir(path)


def _empty(folder: int) -> None:
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
            continue
        inner = os.open(name, _FOLDER, dir_fd=folder)
        try:
            _empty(inner)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=folder)


def size_below(path: str) -> int:
    """Bytes of a file, or of all files below a folder; no link is followed."""
    total = 0
    with contextlib.suppress(OSError):
        total = 0 if os.path.isdir(path) and not os.path.islink(path) else os.lstat(path).st_size
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def first_names(folder: int, most: int) -> List[str]:
    """So many names in an open folder, at most: a job may make millions, which all have to be in memory."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in islice(entries, max(most, 0))]


def open_regular(path: str) -> BinaryIO:
    """Open a plain file in a folder of a run, either of which a job may have replaced. See `records.open_plain`. Raises
    OSError: it is missing, or no plain file."""
    return os.fdopen(open_plain(path), "rb")


def with_body(run: RunPaths, event: Mapping[str, Any], limit_bytes: int = PAYLOAD_BYTES) -> Dict[str, Any]:
    """An event with the fields of its payload file, if its body lies in one; what stands in its line is kept.

    Args:
        limit_bytes: The longest payload to read.

    Raises:
        OSError: the payload is missing, too long, or no plain file.
        ValueError: it is no JSON object.
    """
    relative = event.get("payload")
    if relative is None:
        return dict(event)
    # (a name that leads elsewhere is looked for below payloads/, and not found)
    data = read_plain(os.path.join(run.payloads, os.path.basename(str(relative))), limit=limit_bytes)
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
    """Remove what isn't a folder, and return the folders, which may then be moved and emptied."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, 0o700)
                folders.append(entry.path)
            else:
                os.unlink(entry.path)
    return folders


def create_file(path: str, data: bytes, folder: str) -> bool:
    """Create a file whole and durable unless it exists, by way of a temporary file in `folder`; the first of several
    wins.

    Returns:
        False if it existed.
    """
    aside = temporary(folder)
    write_file(aside, data, sync=True)
    try:
        os.link(aside, path)
        sync_folder(os.path.dirname(path))
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: not whole after a crash, but the first still wins
        return _create_directly(path, data)
    finally:
        os.unlink(aside)
    return True


def publish_file(aside: str, folder: str, stem: str, ending: str) -> str:
    """Give a whole file of a folder the first name that is free of `stem + ending`, `stem-2 + ending`, ...; of several
    processes no two get the same.
    """
    number = 1
    while True:
        name = f"{stem}{'' if number == 1 else f'-{number}'}{ending}"
        path = os.path.join(folder, name)
        try:
            os.link(aside, path)
        except FileExistsError:
            number += 1
            continue
        except OSError:  # a file system without hard links: the name is claimed by an empty file
            if not _create_directly(path, b""):
                number += 1
                continue
            os.replace(aside, path)
            return name
        os.unlink(aside)
        return name


def _create_directly(path: str, data: bytes) -> bool:
    try:
        write_file(path, data)
    except FileExistsError:
        return False
    return True
