"""Files of the store: each appears whole, by rename, read-only, and is never edited.

Nothing here waits for the disk (fsync); the submit does that once, when the run is prepared.
"""

import contextlib
import errno
import os

from espalier.errors import EspalierError
from espalier.paths import WorkspacePaths, temporary


def put_bytes(paths: WorkspacePaths, path: str, data: bytes) -> None:
    """Writes one of the store's files whole, unless one of that size is there already.

    Args:
        paths: The workspace.
        path: The file; its folder's folder is where the temporary file goes.
        data: Its content.

    Raises:
        EspalierError: `workspace_read_only` when the store refuses.
    """
    if present(path, len(data)):
        return
    aside = temporary(os.path.dirname(os.path.dirname(path)))
    try:
        fd = create(aside)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)
        place(aside, path)
    except OSError as error:
        discard(aside)
        raise cannot_write(paths, error) from error


def present(path: str, size: int) -> bool:
    """Whether the store has a file. One of the wrong size (bytes) is damage, and is replaced."""
    try:
        return os.stat(path).st_size == size
    except OSError:
        return False


def create(path: str) -> int:
    """Opens a new file, read-only for everyone once it is closed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o444)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, flags, 0o444)


def write_all(fd: int, data: bytes) -> None:
    """Writes all of it, in as many writes as that takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def place(aside: str, path: str) -> None:
    """Renames a finished file to its name."""
    try:
        os.replace(aside, path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.replace(aside, path)


def discard(path: str) -> None:
    """Removes a file that may never have been created."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def cannot_write(paths: WorkspacePaths, error: OSError) -> Exception:
    """The store's own troubles; a full disk stays the OSError it is."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        message = f"The workspace {paths.root} cannot be written: {error.strerror}."
        hint = "Make its folder writable, or use a workspace elsewhere."
        return EspalierError("workspace_read_only", message, hint, path=paths.root)
    return error
