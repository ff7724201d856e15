"""Files that are opened only to be locked. In a workspace a job may have put anything in their place."""

import contextlib
import errno
import os
import stat
import time
from typing import Callable, Iterator

from espalier.adapters import posix
from espalier.base.paths import set_aside
from espalier.base.progress import check
from espalier.base.records import FILE_MODE, make_folders, open_plain, write_file

_NO_FILE = (errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.EISDIR)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
# A job that is at it meanwhile may replace again what was just set aside.
_TRIES = 10
_PAUSE = 0.1


def open_lock(path: str, mode: int = FILE_MODE) -> int:
    """Open a lock's file, which is made where it is missing. Anything but a plain file is set aside, and never
    followed. Raises OSError: it can't be opened, or made."""
    for _ in range(_TRIES):
        try:
            return _opened(path)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                write_file(path, b"", mode=mode)
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise
            _put_aside(path)
    raise OSError(errno.EBUSY, "it is replaced again and again", path)


def _opened(path: str) -> int:
    """To read and write, for NFS locks nothing else; another user's, or one on a read-only disk, to read. Raises
    OSError."""
    try:
        fd = posix.open_lockable(path)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
        return open_plain(path, follow_folder=True)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it isn't a plain file", path)


def _put_aside(path: str) -> None:
    """Rename what lies there, unless another process has done so, and holds what it has made there."""
    above = os.path.dirname(path)
    folder = os.open(above, os.O_RDONLY | os.O_CLOEXEC)
    try:
        posix.lock(folder)
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(path).st_mode):
                os.rename(path, os.path.join(above, set_aside(os.path.basename(path))))
    finally:
        os.close(folder)


@contextlib.contextmanager
def locked(path: str, waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Hold the lock of a file, which is created where it is missing.

    Args:
        path: The file; its folder is created too.
        waiting: Called ten times a second for as long as another process holds it.

    Yields:
        The descriptor; a process started with it holds the lock too, until the last of them has ended.
    """
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
