"""Moving the queue on by the way: whatever a user asks of espalier also sees to what died and what waits."""

import contextlib
import time

from espalier.errors import EspalierError
from espalier.queue.spawn import collect_ended
from espalier.queue.step import step

# Between two steps of one process that only looks. Seconds.
_PAUSE_SECONDS = 1.0
_last = float("-inf")


def nudge() -> None:
    """Make the scheduling step, unless this process has made one by this just now. Never fails: who cannot have a
    queue can still read."""
    global _last
    collect_ended()
    now = time.monotonic()
    if now - _last >= _PAUSE_SECONDS:
        _last = now
        with contextlib.suppress(EspalierError, OSError):
            step()
