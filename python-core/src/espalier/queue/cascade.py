"""A cancel that reaches the runs below: what waits in the queue is taken out, not left until its turn comes."""

import contextlib
import os

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import QueuePaths, RunPaths
from espalier.lifecycle.children import ask_to_cancel, children_of, descendants_of, end_with_parent, status_of
from espalier.lifecycle.copies import is_copy
from espalier.lifecycle.signals import wake_runner
from espalier.queue.home import allocator, queue_paths
from espalier.queue.tickets import find_ticket, remove


def cancel_children(run: RunPaths) -> None:
    """Cancel all runs below one that has been asked to be canceled itself, at any depth. Idempotent.

    Killed midway, the end of the parent does the rest (`lifecycle/children.py::end_children`).
    """
    for child in descendants_of(run):
        status = status_of(child)
        if status is None or states.is_final(status["state"]):
            continue
        with contextlib.suppress(OSError, EspalierError):  # deleted meanwhile, or another's
            if "collect_from" in status:
                end_with_parent(child, status, states.CANCELED)
                continue
            ask_to_cancel(child, parent=os.path.basename(run.root))
            with allocator(queue_paths()):
                _take_out(queue_paths(), child)
            wake_runner(child)


def take_out_children(queue: QueuePaths, run: RunPaths) -> None:
    """Under the allocator's lock, after a run has ended: end those of its children that were asked to be canceled and
    wait in the queue; and so their children."""
    for child in children_of(run):
        with contextlib.suppress(OSError, EspalierError):
            if os.path.exists(child.cancel) and _take_out(queue, child):
                take_out_children(queue, child)


def _take_out(queue: QueuePaths, run: RunPaths) -> bool:
    """End a queued run; False when it is not queued."""
    status = status_of(run)
    ticket = find_ticket(queue, os.path.basename(run.root))
    if status is None or ticket is None or status["state"] != states.QUEUED or is_copy(run, status):
        return False
    from espalier.lifecycle.finish import canceled_message, finish, plain_error  # (not loaded by most steps)

    finish(run, status, states.CANCELED, plain_error("canceled", canceled_message(run)))
    remove(ticket)
    return True
