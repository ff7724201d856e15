"""One process at a time: a file that is locked for the length of a block, and lives on."""

import contextlib
import os
from typing import Callable, Iterator

from espalier.adapters import posix
from espalier.base.progress import check
from espalier.base.records import make_folders

_PAUSE = 0.1


@contextlib.contextmanager
def locked(path: str, waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Hold the lock of a file, which is created where it is missing.

    Args:
        path: The file; its folder is created too.
        waiting: Called ten times a second for as long as another process holds it.

    Yields:
        The descriptor; a process started with it holds the lock too, until the last of them has ended.
    """
    import time

    make_folders(os.path.dirname(path))
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    fd = posix.open_lockable(path)
    try:
        while not posix.try_lock(fd):
            waiting()
            check()
            time.sleep(_PAUSE)
        yield fd
    finally:
        os.close(fd)
