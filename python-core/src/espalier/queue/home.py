"""Where this host's and user's queue lives, and its one lock."""

import os
from contextlib import contextmanager
from typing import Iterator

from espalier.adapters import posix
from espalier.adapters.homes import state_folder
from espalier.errors import EspalierError
from espalier.paths import QueuePaths
from espalier.progress import indivisible


def queue_paths() -> QueuePaths:
    """The queue of this host and user; its folders are made on first use.

    Raises:
        EspalierError: `not_supported` when they cannot be made.
    """
    paths = QueuePaths(state_folder(), posix.host_name() or "localhost")
    try:
        os.makedirs(os.path.dirname(paths.root), exist_ok=True)
        for folder in (paths.root, paths.tickets, paths.waiting, paths.leases):
            os.makedirs(folder, 0o700, exist_ok=True)  # private: what lies here is executed
    except OSError as error:
        raise _unusable(paths, error) from error
    return paths


def _unusable(paths: QueuePaths, error: OSError) -> EspalierError:
    return EspalierError(
        "not_supported",
        f"The queue of this host cannot be kept in {paths.root}: {error.strerror}.",
        "Set ESPALIER_STATE_DIR to a folder that can be written.",
        path=paths.root,
    )


@contextmanager
def allocator(paths: QueuePaths) -> Iterator[None]:
    """Hold the allocator's lock: whoever has it may move tickets and leases. Held for milliseconds."""
    try:
        fd = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(paths, error) from error
    try:
        with indivisible():  # whoever is called off while holding it would stop all others
            posix.lock(fd)
            yield
    finally:
        os.close(fd)
