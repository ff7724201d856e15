"""Memory that only this user's processes can read, and that has no place on any disk; and pipes.

Standard library only: the runner loads this file.
"""

import contextlib
import os
import stat
import sys
from typing import Iterator

from espalier.base.records import write_all

if sys.platform != "win32":
    import fcntl

# In memory on every Linux; the second where another user has taken our name in the first.
_FOLDERS = ("/dev/shm", "/run/user/{uid}")
# (constants of the kernel, which Python knows from 3.8 on, or 3.10)
_ADD_SEALS, _ALL_SEALS = 1033, 1 | 2 | 4 | 8
_SET_PIPE_SIZE = 1031


def sealed_memory(data: bytes) -> int:
    """A descriptor of memory with this content, which can't be changed. Raises OSError."""
    fd = os.memfd_create("espalier", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        write_all(fd, data)
        fcntl.fcntl(fd, _ADD_SEALS, _ALL_SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def path_of(fd: int) -> str:
    """A path by which other processes of this user open what this process has open, as long as it lives."""
    return f"/proc/{os.getpid()}/fd/{fd}"


def private_file(name: str, data: bytes) -> str:
    """A file of memory with this content, for those who need a file with a name, as containers do.

    Args:
        name: Its name, by which `remove_private_file` finds it, in any process.

    Raises:
        OSError: this system has no place for it.
    """
    remove_private_file(name)
    for folder in _own_folders(make=True):
        path = os.path.join(folder, name)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)
        return path
    raise OSError(0, "no folder in memory is private to this user")


def remove_private_file(name: str) -> None:
    """Remove that file, if it exists."""
    for folder in _own_folders():
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, name))
        with contextlib.suppress(OSError):  # others are in it
            os.rmdir(folder)


def has_private_file(name: str) -> bool:
    """Whether that file exists."""
    return any(os.path.lexists(os.path.join(folder, name)) for folder in _own_folders())


def widen_pipe(fd: int, size: int) -> None:
    """Let a pipe hold more, where the system allows it."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(fd, _SET_PIPE_SIZE, size)


def _own_folders(make: bool = False) -> Iterator[str]:
    """Folders in memory that are this user's alone; what another has made there does not count."""
    if not hasattr(os, "getuid"):  # Windows has no such folders
        return
    uid = os.getuid()
    for place in _FOLDERS:
        folder = os.path.join(place.format(uid=uid), f"espalier-{uid}")
        with contextlib.suppress(OSError):
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o700)
            found = os.lstat(folder)
            if stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not stat.S_IMODE(found.st_mode) & 0o077:
                yield folder
