"""What a job asked its runner for, where it asked for something."""

from typing import Dict, Optional

from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.lifecycle.requests import error_answer, open_box
from espalier.lifecycle.waiting import marks, waited_for
from espalier.queue.control import look_after_lost
from espalier.queue.home import queue_paths
from espalier.queue.step import step
from espalier.queue.tickets import runs_in_queue

__all__ = ["marks", "move_queue_on", "pending"]

# A request is given up when as many processes died of it.
_ATTEMPTS = 3


def pending(run: RunPaths, tried: Dict[str, int]) -> bool:
    """Whether requests are to be carried out.

    Args:
        tried: How often a process was started for each; counted on.
    """
    wanted = False
    with open_box(run) as box:
        for name in box.pending():
            tried[name] = tried.get(name, 0) + 1
            if tried[name] > _ATTEMPTS:
                message = f"Can't carry out {name}: its process died {_ATTEMPTS} times."
                box.answer(name, error_answer(EspalierError("internal", message)))
            else:
                wanted = True
    return wanted


def move_queue_on(waiter: Optional[RunPaths]) -> None:
    """Make a step; and put right what the queue has lost of the runs that a run's job waits for.

    Args:
        waiter: That run, if its job waits.
    """
    step()
    if waiter is not None:
        look_after_lost(waited_for(waiter), runs_in_queue(queue_paths()))
