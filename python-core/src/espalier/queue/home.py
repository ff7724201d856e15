"""Where this host's and user's queue lives, and its one lock."""

import errno
import os
import stat
from contextlib import contextmanager
from typing import Iterator

from espalier.adapters import posix
from espalier.adapters.homes import state_folder
from espalier.base.errors import EspalierError
from espalier.base.progress import indivisible
from espalier.base.queue_paths import QueuePaths
from espalier.base.records import make_private_folder


def queue_paths() -> QueuePaths:
    """The queue of this host and user; its folders are made on first use. Raises EspalierError: `not_supported`: they
    cannot be made. `not_permitted`: another user could put runs there."""
    paths = QueuePaths(state_folder(), posix.host_name() or "localhost")
    try:
        for folder in (paths.root, paths.tickets, paths.waiting, paths.leases):
            _refuse_foreign(folder, _seen(folder))
    except OSError as error:
        raise _unusable(paths, error) from error
    return paths


def _seen(folder: str) -> os.stat_result:
    """A look at a folder, which is made where it is missing."""
    try:
        return os.stat(folder)
    except FileNotFoundError:
        make_private_folder(folder)
        return os.stat(folder)


def _refuse_foreign(folder: str, found: os.stat_result) -> None:
    """What lies here is executed: only this user and root may write here."""
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)
    if found.st_uid in (os.geteuid(), 0) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return
    is_own = found.st_uid == os.geteuid()
    remedy = "Set ESPALIER_STATE_DIR to a folder of your own."
    if is_own:
        remedy = f"Run `chmod go-w {folder}`, and check the files in it."
    raise EspalierError(
        "not_permitted",
        f"Can't use the queue of this host: other users can write to {folder}.",
        remedy,
        path=folder,
    )


def _unusable(paths: QueuePaths, error: OSError) -> EspalierError:
    return EspalierError(
        "not_supported",
        f"Can't keep the queue of this host in {paths.root}: {error.strerror}.",
        "Set ESPALIER_STATE_DIR to a folder that can be written.",
        path=paths.root,
    )


@contextmanager
def allocator(paths: QueuePaths) -> Iterator[None]:
    """Hold the allocator's lock: the process that has it may move tickets and leases. Held for milliseconds."""
    try:
        fd = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(paths, error) from error
    try:
        with indivisible(), posix.holding(fd):  # (a call that is stopped while it holds the lock would stop all others)
            yield
    finally:
        os.close(fd)
