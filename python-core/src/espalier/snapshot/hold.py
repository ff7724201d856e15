"""The lock between those who come to refer to stored objects and garbage collection.

A submit holds it shared from before it looks into the store until its run's folder is durable, so nothing it found
or stored is taken away in between. Collection holds it alone. A second lock gives turns: a kernel hands out a shared
lock as long as one is held, and under steady submits no process would ever have it alone.
"""

import contextlib
import os
import time
from typing import Iterator

from espalier.adapters import posix
from espalier.adapters.file_locks import open_lock
from espalier.base.errors import EspalierError
from espalier.base.os_errors import cannot_write
from espalier.base.paths import WorkspacePaths
from espalier.base.progress import report
from espalier.base.records import make_folders

_PAUSE = 0.002
# How long newcomers are kept waiting for those who hold the lock already, and then let in. Seconds.
_TURN = 1.0
_BETWEEN_TURNS = 0.2


@contextlib.contextmanager
def holding_objects(paths: WorkspacePaths, only_reading: bool = False) -> Iterator[None]:
    """While in the block, nothing is taken out of the store.

    Where the file system has no locks the block runs without: collection refuses to run there.

    Args:
        only_reading: Also run without where the lock's file is not there and can't be made: no process has used it.

    Raises:
        EspalierError: `workspace_read_only` when that is not enough.
    """
    try:
        turn, lock = _open(paths, paths.hold_turn), _open(paths, paths.hold)
    except EspalierError:
        if not only_reading:
            raise
        yield
        return
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            _wait_for(turn, True)
            _wait_for(lock, True)
        os.close(turn)
        turn = -1
        yield
    finally:
        if turn >= 0:
            os.close(turn)
        os.close(lock)


@contextlib.contextmanager
def alone_with_objects(paths: WorkspacePaths) -> Iterator[None]:
    """While in the block, no process comes to refer to what is in the store. Raises EspalierError:
    `workspace_read_only`; `not_supported` when the file system has no locks."""
    turn, lock = _open(paths, paths.hold_turn), _open(paths, paths.hold)
    try:
        try:
            while not _take_alone(turn, lock):
                time.sleep(_BETWEEN_TURNS)
        except OSError as error:
            raise EspalierError(
                "not_supported",
                f"Can't collect garbage in {paths.root}: its file system has no locks ({error.strerror}).",
                "Collect on the machine that has the disk.",
            ) from error
        yield
    finally:
        os.close(lock)
        os.close(turn)


def _take_alone(turn: int, lock: int) -> bool:
    """Takes both locks; the turn is given back when the other is not had in time."""
    _wait_for(turn, False)
    until = time.monotonic() + _TURN
    while not posix.try_lock(lock):
        if time.monotonic() > until:
            posix.unlock(turn)
            return False
        _pause()
    return True


def _wait_for(fd: int, shared: bool) -> None:
    while not posix.try_lock(fd, shared):
        _pause()


def _pause() -> None:
    report("Waiting for others who use the snapshots", 0)
    time.sleep(_PAUSE)


def _open(paths: WorkspacePaths, path: str) -> int:
    try:
        try:
            return open_lock(path)
        except FileNotFoundError:
            make_folders(os.path.dirname(path), top=paths.root)
            return open_lock(path)
    except OSError as error:
        raise cannot_write(paths.root, error) from error
