"""Copies of files and folders: blocks are shared with the original where the file system can do that, holes stay holes,
and no link that a job put on the way is followed. Standard library only."""

import errno
import os
import stat
import sys
from typing import Callable, FrozenSet, Optional, Tuple

from espalier.adapters.moving import DEEPEST, opened

_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_FICLONE = 0x40049409
_CHUNK = 1 << 20


def copy_file(source: int, name: str, target: int, to: str) -> None:
    """Copy a plain file, with its mode and times, to one that does not exist. Raises OSError."""
    file = os.open(name, _FILE, dir_fd=source)
    try:
        seen = os.fstat(file)
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(errno.EINVAL, "it isn't a plain file")
        copy = os.open(to, _NEW, 0o600, dir_fd=target)
        try:
            if not clone(file, copy):
                copy_content(file, copy)
            os.utime(copy, ns=(seen.st_atime_ns, seen.st_mtime_ns))
            os.fchmod(copy, stat.S_IMODE(seen.st_mode))
        finally:
            os.close(copy)
    finally:
        os.close(file)


def clone(source: int, to: int) -> bool:
    """Make one open file's content that of another, without copying it.

    Args:
        source: Open for reading.
        to: Open for writing, on the same file system, empty.

    Returns:
        False where the file system cannot do that; nothing has been written then.
    """
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    try:
        fcntl.ioctl(to, _FICLONE, source)
    except OSError:
        return False
    return True


def copy_content(source: int, to: int, advance: Callable[[int], object] = lambda count: None) -> None:
    """Copy one open file's content into another, which is empty.

    Blocks are shared where the file system can do that (Btrfs, XFS). A file that grows meanwhile is copied up to where
    it ends then.

    Args:
        advance: Called with how many bytes have been dealt with, holes among them.
    """
    at = 0
    while True:
        begin, end = _next_data(source, at)
        if begin is None:
            size = os.fstat(source).st_size
            if os.fstat(to).st_size < size:
                os.ftruncate(to, size)
            advance(max(size - at, 0))
            return
        if begin > at:
            advance(begin - at)
        at = begin
        while end is None or at < end:
            count = _copy_some(source, to, at, _CHUNK if end is None else min(_CHUNK, end - at))
            if not count:  # (it was cut meanwhile)
                return
            at += count
            advance(count)


def _next_data(source: int, at: int) -> Tuple[Optional[int], Optional[int]]:
    """Where the next data begin and end; no beginning: there are none; no end: where the file ends."""
    try:
        begin = os.lseek(source, at, os.SEEK_DATA)
        return begin, os.lseek(source, begin, os.SEEK_HOLE)
    except AttributeError:  # not on this system
        return at, None
    except OSError as error:
        return (None, None) if error.errno == errno.ENXIO else (at, None)


def _copy_some(source: int, to: int, at: int, count: int) -> int:
    try:
        copied = os.copy_file_range(source, to, count, at, at)
        if copied:
            return copied
    except (OSError, AttributeError):  # other file systems, or a C library without it; a full disk fails below, too
        pass
    data = os.pread(source, count, at)
    written = 0
    while written < len(data):
        written += os.pwrite(to, data[written:], at + written)
    return written


class Copier:
    """Copies files and folders that a job may be changing meanwhile, with a limit. Pipes and the like, and what has one
    of the names to leave out, are not copied.

    Args:
        files: How many files and links it may have.
        size: How many bytes they may have; None for any.
        leaves_out: Names that are not copied, wherever they are.
        links: Whether links in folders are copied as links; else they are refused.
    """

    def __init__(
        self, files: int, size: Optional[int] = None, leaves_out: FrozenSet[str] = frozenset(), links: bool = False
    ) -> None:
        self._files, self._bytes, self._leaves_out, self._links = files, size, leaves_out, links

    def copy(self, source: int, name: str, target: int, to: str) -> None:
        """Copy a file, or a folder with all that is in it, to a name that is free.

        Raises:
            OSError: it can't be read or written; `EFBIG`: it is beyond the limit, or too deep; `ELOOP`: it is, or
                holds, a link.
        """
        mode = os.stat(name, dir_fd=source, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            self._folder(source, name, target, to, 0)
        elif not stat.S_ISREG(mode):
            raise OSError(errno.ELOOP, "it is a link, or no plain file")
        else:
            self._file(source, name, target, to)

    def _folder(self, source: int, name: str, target: int, to: str, depth: int) -> None:
        if depth > DEEPEST:
            raise OSError(errno.EFBIG, "its folders are too deep")
        os.mkdir(to, 0o700, dir_fd=target)
        with opened(name, source, unlock=False) as folder, opened(to, target) as copy:
            for each in os.listdir(folder):
                if each in self._leaves_out:
                    continue
                if stat.S_ISDIR(os.stat(each, dir_fd=folder, follow_symlinks=False).st_mode):
                    self._folder(folder, each, copy, each, depth + 1)
                else:
                    self._file(folder, each, copy, each)

    def _file(self, source: int, name: str, target: int, to: str) -> None:
        seen = os.stat(name, dir_fd=source, follow_symlinks=False)
        self._files -= 1
        if self._bytes is not None:
            self._bytes -= seen.st_size
        if self._files < 0 or (self._bytes or 0) < 0:
            raise OSError(errno.EFBIG, "it is too large")
        if stat.S_ISLNK(seen.st_mode):
            if not self._links:
                raise OSError(errno.ELOOP, f"{name} in it is a link")
            os.symlink(os.readlink(name, dir_fd=source), to, dir_fd=target)
        elif stat.S_ISREG(seen.st_mode):
            copy_file(source, name, target, to)
