"""Moving the queue on by the way: each call of espalier also handles dead and waiting runs."""

import contextlib
import time
from typing import Dict, Iterable

from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.queue.home import queue_paths
from espalier.queue.spawn import collect_ended
from espalier.queue.step import step
from espalier.queue.tickets import runs_in_queue

# Between two steps of one process that only looks, and between two looks at one run. Seconds.
_PAUSE_SECONDS = 1.0
_REMEMBERED = 10_000
_last = float("-inf")
_looked: Dict[str, float] = {}


def nudge(runs: Iterable[RunPaths] = ()) -> None:
    """Make the scheduling step, unless this process has made one by this just now; and put right those of some runs
    that the queue has lost. Never fails: who cannot have a queue can still read.
    """
    global _last
    collect_ended()
    now = time.monotonic()
    with contextlib.suppress(EspalierError, OSError):
        if now - _last >= _PAUSE_SECONDS:
            _last = now
            step()
        due = [run for run in runs if now - _looked.get(run.root, float("-inf")) >= _PAUSE_SECONDS]
        if due:
            _look_after(due, now)


def _look_after(runs: Iterable[RunPaths], now: float) -> None:
    """Costs one look at the queue's folders, independent of the number of runs."""
    from espalier.queue.control import look_after_lost

    if len(_looked) > _REMEMBERED:
        _looked.clear()
    _looked.update((run.root, now) for run in runs)
    look_after_lost(runs, runs_in_queue(queue_paths()))
