"""Where a queued run stands, and what it waits for: for people."""

import os
import time
from typing import NamedTuple, Optional, Tuple

from espalier.base.paths import RunPaths
from espalier.base.queue_paths import QueuePaths, is_ticket_of
from espalier.queue.admission import made_by_newer, open_to_others, unfinished_dependencies
from espalier.queue.capacity import capacity, free_now
from espalier.queue.home import queue_paths
from espalier.queue.tickets import Ticket, read_ticket


class Waiting(NamedTuple):
    """The position of a queued run, 1 is next, None if it may not be started yet; and why it waits."""

    position: Optional[int]
    reason: str


def why_waiting(run_id: str) -> Optional[Waiting]:
    """What a run of this host waits for; None if it is not queued here. Nothing is changed by looking."""
    paths = queue_paths()
    position, path = _find(paths, run_id)
    ticket = read_ticket(path) if path else None
    if ticket is None:
        return None
    run = RunPaths(ticket.run_dir)
    newer = made_by_newer(run)
    if newer is not None:
        return Waiting(position, f"it is left to a newer espalier: {newer.message}")
    doubt = open_to_others(run)
    if doubt is not None:
        return Waiting(position, f"other users can change it: {doubt.message} {doubt.hint}")
    if position is None:
        return Waiting(None, _not_yet(ticket))
    need, everything = ticket.needs, capacity(paths)
    if not everything.fits(need):
        return Waiting(position, f"it needs {everything.lacks(need)[0]}, which this host does not have")
    if position > 1:
        others = "run is" if position == 2 else "runs are"
        return Waiting(position, f"{position - 1} {others} before it")
    lacking = free_now(paths).lacks(need)
    return Waiting(position, f"it waits for {' and '.join(lacking)} to be free" if lacking else "it is about to start")


def _find(paths: QueuePaths, run_id: str) -> Tuple[Optional[int], Optional[str]]:
    for number, name in enumerate(sorted(os.listdir(paths.tickets)), 1):
        if is_ticket_of(name, run_id):
            return number, os.path.join(paths.tickets, name)
    names = (name for name in os.listdir(paths.waiting) if is_ticket_of(name, run_id))
    return None, next((os.path.join(paths.waiting, name) for name in names), None)


def _not_yet(ticket: Ticket) -> str:
    if ticket.pause_left > 0:
        due = time.strftime("%H:%M:%S", time.localtime(time.time() + ticket.pause_left))
        return f"it is tried again at {due}"
    waits_for = unfinished_dependencies(ticket)
    return f"it depends on {', '.join(waits_for)}" if waits_for else "it is about to be queued"
