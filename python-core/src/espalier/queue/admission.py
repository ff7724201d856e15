"""Whether a queued run may be executed now, later, or never: dependencies, back-off, time-outs, cancels.

Under the allocator's lock. Standard library, L0 to L2 only: the runner calls it too.
"""

import contextlib
import os
from typing import Dict, List, Optional

from espalier.adapters.trust import refuse_foreign_run
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths
from espalier.base.queue_paths import QueuePaths
from espalier.lifecycle.children import children_of, is_canceled
from espalier.lifecycle.digests import is_copy, is_copy_in_queue, known_digests
from espalier.lifecycle.status import check_definition, check_run_format, read_status, status_of
from espalier.queue.started import was_started
from espalier.queue.tickets import Ticket, find_ticket, may_start, remove, tickets

# What became of a dependency, by its id: one scan asks for each once.
Seen = Dict[str, Optional[str]]


def executable_status(paths: QueuePaths, ticket: Ticket) -> Optional[Status]:
    """The run's status if it is to be executed. If it is not, the run is brought to its end where it has none, its
    ticket is removed, and None returned. One that a newer espalier has made is left as it is."""
    run = RunPaths(ticket.run_dir)
    try:
        status = read_status(run)
        definition = check_definition(run)
    except (FileNotFoundError, EspalierError) as error:
        if getattr(error, "code", None) == "newer_format":
            return None  # left to that
        # submit was killed before the run existed, or the run was deleted or damaged
        remove(ticket.path)
        return None
    if not (states.is_final(status.state) or status.started_at):
        was_executed = _was_executed(paths, ticket, run, status)
        is_ended = was_executed or is_canceled(run, definition) or ticket.has_expired
        if not is_ended:
            return status
        from espalier.queue import ends

        if was_executed:
            ends.retire_copy(run, status)
        else:
            ends.end_canceled(run, status, "" if os.path.exists(run.cancel) else _expired(ticket))
    remove(ticket.path)
    return None


def _was_executed(paths: QueuePaths, ticket: Ticket, run: RunPaths, status: Status) -> bool:
    """Whether the attempt has been executed, or may have been: where this is a copy, or was put back from a backup."""
    is_copied = is_copy_in_queue(run, status, known_digests(ticket.record.digests))
    return is_copied or was_started(paths.started, ticket.run_id, status.attempt)


def made_by_newer(run: RunPaths) -> Optional[EspalierError]:
    """Why a run is left to a newer espalier, which has made it; None if it is not."""
    try:
        check_run_format(run)
    except EspalierError as error:
        return error
    return None


def open_to_others(run: RunPaths) -> Optional[EspalierError]:
    """Why a run waits until no other user can write to it; None if it need not. Asked where it could be started."""
    try:
        refuse_foreign_run(run)
    except EspalierError as error:
        return error
    except OSError:
        return None  # a record is missing: its runner tells
    return None


def _expired(ticket: Ticket) -> str:
    seconds = ticket.record.queue_timeout_seconds
    return f"The run was not started within {seconds:g} seconds, its time limit in the queue."


def admit_waiting(paths: QueuePaths) -> None:
    """Let those into the queue whose dependencies have completed and whose pause is over; end those that can never
    start."""
    seen: Seen = {}
    for ticket in tickets(paths.waiting):
        try:
            _admit(paths, ticket, seen)
        except Exception:
            continue  # its workspace takes no file just now: it waits, and the others go on


def _admit(paths: QueuePaths, ticket: Ticket, seen: Seen) -> None:
    status = executable_status(paths, ticket)
    if status is None or ticket.pause_left > 0:
        return
    open_ends = [run_id for run_id in ticket.depends_on if _state(ticket, run_id, seen) != states.COMPLETED]
    failed = [run_id for run_id in open_ends if _has_failed(seen[run_id])]
    if failed:
        from espalier.queue import ends

        ends.end_depending(ticket, status, {run_id: seen[run_id] for run_id in failed})
        remove(ticket.path)
    elif not open_ends:
        may_start(paths, ticket)


def unfinished_dependencies(ticket: Ticket) -> List[str]:
    """The runs that a queued run still waits for, each with its state, for people."""
    seen: Seen = {}
    waited_for = [run_id for run_id in ticket.depends_on if _state(ticket, run_id, seen) != states.COMPLETED]
    return [f"{run_id} ({seen[run_id] or 'deleted'})" for run_id in waited_for]


def _state(ticket: Ticket, run_id: str, seen: Seen) -> Optional[str]:
    """The state of a run of the same workspace; None when it is gone."""
    if run_id not in seen:
        try:
            seen[run_id] = read_status(ticket.other(run_id)).state
        except FileNotFoundError:
            seen[run_id] = None
        except (OSError, EspalierError):
            seen[run_id] = states.DAMAGED
    return seen[run_id]


def _has_failed(state: Optional[str]) -> bool:
    """Whether a dependency can no more complete. A damaged one may be restored: it is waited for."""
    return state is None or (states.is_final(state) and state != states.COMPLETED)


def expire(paths: QueuePaths) -> None:
    """End queued runs that have waited for longer than they want to. Reads every ticket: for the keeper."""
    for ticket in tickets(paths.tickets):
        if ticket.has_expired:
            try:
                executable_status(paths, ticket)
            except Exception:
                continue


def take_out_children(queue: QueuePaths, run: RunPaths) -> None:
    """Under the allocator's lock, after a run has ended: end those of its children that were asked to be canceled and
    wait in the queue; and so their children."""
    for child in children_of(run):
        with contextlib.suppress(OSError, EspalierError):
            if os.path.exists(child.cancel) and take_out(queue, child):
                take_out_children(queue, child)


def take_out(queue: QueuePaths, run: RunPaths) -> bool:
    """End a queued run; False when it is not queued."""
    status = status_of(run)
    ticket = find_ticket(queue, os.path.basename(run.root))
    if status is None or ticket is None or status.state != states.QUEUED or is_copy(run, status):
        return False
    from espalier.queue import ends

    ends.end_canceled(run, status)
    remove(ticket)
    return True
