"""A runner that loads while its run is still being written.

An interpreter and what a runner needs take a tenth of a second on a busy machine, about as long as a submit.
"""

import contextlib
import os
from typing import Iterator

from espalier.adapters import posix
from espalier.base.errors import EspalierError
from espalier.queue.capacity import capacity
from espalier.queue.home import queue_paths
from espalier.queue.spawn import anything_queued, dismiss, spawn_ahead


@contextlib.contextmanager
def runner_ahead(executor: str) -> Iterator[None]:
    """In the block a runner may be loading, which the first run has that is started there; it ends where there is none.

    Args:
        executor: The name of what executes the run that is to come.
    """
    ahead = None
    with contextlib.suppress(EspalierError, OSError):  # (then the run's own runner is started, as without this)
        if _is_wanted():
            ahead = spawn_ahead(executor)
    try:
        yield
    finally:
        if ahead is not None:
            dismiss(ahead)


def _is_wanted() -> bool:
    """Whether a run that is queued now would probably be started at once, by this process."""
    if not posix.RUNS_JOBS or os.environ.get("ESPALIER_RUN_DIR"):
        return False
    paths = queue_paths()
    return not anything_queued(paths) and len(os.listdir(paths.leases)) < capacity(paths).cpus
