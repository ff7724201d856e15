"""Copies that share their blocks with the original until one of the two is written to. Standard library only."""

import sys

_FICLONE = 0x40049409


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
