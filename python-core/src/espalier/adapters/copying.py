"""Copies of files that share their blocks with the original, or keep its holes. Standard library only."""

import errno
import os
import sys
from typing import Callable, Optional, Tuple

_CHUNK = 1 << 20
_FICLONE = 0x40049409


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
