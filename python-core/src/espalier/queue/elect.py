"""Electing the keeper: one process per host and user while anything is queued, found out by a lock."""

import contextlib
import os

from espalier.adapters import posix
from espalier.base.paths import QueuePaths
from espalier.queue.spawn import spawn_keeper


def keep_going(paths: QueuePaths) -> None:
    """Start the keeper if something is queued and there is none. Under the allocator's lock."""
    if not anything_queued(paths):
        return
    with contextlib.suppress(OSError):  # whoever looks next tries again
        fd = os.open(paths.keeper, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(fd)
        fd = posix.open_lockable(paths.keeper)
        try:
            if posix.try_lock(fd):
                spawn_keeper(paths, fd)
        finally:
            os.close(fd)


def anything_queued(paths: QueuePaths) -> bool:
    """Whether a run waits for its turn, or for something else."""
    return bool(os.listdir(paths.tickets) or os.listdir(paths.waiting))
