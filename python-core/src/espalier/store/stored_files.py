"""Files of the store: each appears whole, by rename, read-only, and is never edited.

Nothing here waits for the disk but `make_durable`, which is called once for all that a snapshot consists of.
"""

import contextlib
import os
from typing import Iterable, List, Set

from espalier.base.os_errors import cannot_write
from espalier.base.paths import WorkspacePaths, temporary
from espalier.base.progress import report
from espalier.base.records import make_folders, write_all
from espalier.store.packs import open_stored

# How many files are waited for at a time.
_AT_ONCE = 8


def put_bytes(paths: WorkspacePaths, path: str, data: bytes) -> None:
    """Writes one of the store's files whole, unless it is there already.

    Args:
        path: The file; its folder's folder is where the temporary file goes.

    Raises:
        EspalierError: `workspace_read_only` when the store refuses.
    """
    if not holds(path, data):
        put_pieces(paths, path, [data])


def put_pieces(paths: WorkspacePaths, path: str, pieces: Iterable[bytes]) -> None:
    """Writes one of the store's files whole, piece by piece, also where it is there already. Raises as `put_bytes`."""
    aside = temporary(os.path.dirname(os.path.dirname(path)))
    try:
        fd = create(paths, aside)
        try:
            for piece in pieces:
                write_all(fd, piece)
        finally:
            os.close(fd)
        place(paths, aside, path)
    except BaseException as error:
        discard(aside)
        if isinstance(error, OSError):
            raise cannot_write(paths.root, error) from error
        raise


def holds(path: str, data: bytes) -> bool:
    """Whether the store has a file with that content. One with any other is damaged, and to be replaced."""
    try:
        with os.fdopen(open_stored(path), "rb") as file:
            return os.fstat(file.fileno()).st_size == len(data) and file.read() == data
    except OSError:
        return False


def make_durable(paths: WorkspacePaths, files: Iterable[str]) -> None:
    """Waits until files of the store, and their names, are on the disk. What is there already costs next to nothing.

    Raises:
        OSError: the disk refuses.
        Cancelled: the call was called off.
    """
    folders: Set[str] = set()
    waiting = sorted(files)
    for path in waiting:
        _begin_to_disk(path)
        while path != paths.root and os.path.dirname(path) not in folders:
            path = os.path.dirname(path)
            folders.add(path)
    _wait_for(waiting)
    _wait_for(sorted(folders))


def _wait_for(paths: List[str]) -> None:
    """Waits for files or folders, several at a time: the file system brings them to the disk together then."""
    from threading import Thread  # for those who store something

    todo = list(enumerate(paths))
    failures: List[BaseException] = []

    def work() -> None:
        try:
            while todo and not failures:
                number, path = todo.pop()
                report("Waiting for the disk", len(paths) - 1 - number, len(paths))
                _sync(path)
        except IndexError:  # another thread took the last one
            pass
        except BaseException as error:  # an interrupt too ends the other threads first
            failures.append(error)

    threads = [Thread(target=work) for _ in range(min(_AT_ONCE, len(paths)) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _begin_to_disk(path: str) -> None:
    """Has the disk begin with a file, so that many are waited for together and not one after another."""
    if hasattr(os, "posix_fadvise"):
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def create(paths: WorkspacePaths, path: str) -> int:
    """Opens a new file of the store, read-only for everyone once it is closed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o444)
    except FileNotFoundError:
        make_folders(os.path.dirname(path), top=paths.root)
        return os.open(path, flags, 0o444)


def place(paths: WorkspacePaths, aside: str, path: str) -> None:
    """Renames a finished file of the store to its name."""
    try:
        os.replace(aside, path)
    except FileNotFoundError:
        make_folders(os.path.dirname(path), top=paths.root)
        os.replace(aside, path)


def discard(path: str) -> None:
    """Removes a file that may never have been created."""
    with contextlib.suppress(OSError):
        os.unlink(path)
