"""Whether a queued run may be executed now, later, or never: dependencies, back-off, time-outs, cancels.

Under the allocator's lock. Standard library, L0 to L2 only: the runner calls it too.
"""

import contextlib
import os
from typing import Any, Dict, List, Optional

from espalier.adapters.trust import refuse_foreign_run
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import QueuePaths, RunPaths, WorkspacePaths
from espalier.lifecycle.children import is_canceled
from espalier.lifecycle.copies import is_copy_in_queue, retire_copy
from espalier.lifecycle.digests import known_digests
from espalier.lifecycle.formats import check_definition, check_run_format
from espalier.lifecycle.status import read_status
from espalier.queue.started import was_started
from espalier.queue.tickets import Ticket, may_start, remove, tickets

# What became of a dependency, by its id: one scan asks for each once.
Seen = Dict[str, Optional[str]]


def executable_status(paths: QueuePaths, ticket: Ticket) -> Optional[Dict[str, Any]]:
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
    if states.is_final(status["state"]) or status.get("started_at"):
        pass
    elif _was_executed(paths, ticket, run, status):
        retire_copy(run, status)
    elif is_canceled(run, definition):
        _end_canceled(run, status)
    elif ticket.has_expired:
        _end_canceled(run, status, _expired(ticket))
    else:
        return status
    remove(ticket.path)
    return None


def _was_executed(paths: QueuePaths, ticket: Ticket, run: RunPaths, status: Dict[str, Any]) -> bool:
    """Whether the attempt has been executed, or may have been: where this is a copy, or was put back from a backup."""
    is_copied = is_copy_in_queue(run, status, known_digests(ticket.record))
    return is_copied or was_started(paths, ticket.run_id, int(status.get("attempt", 1)))


def _end_canceled(run: RunPaths, status: Dict[str, Any], expired: str = "") -> None:
    from espalier.lifecycle.finish import canceled_message, finish, plain_error  # (not loaded by most steps)

    words = ("queue_timed_out", expired) if expired else ("canceled", canceled_message(run))
    finish(run, status, states.CANCELED, plain_error(*words))


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
    seconds = ticket.record["queue_timeout_seconds"]
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
        from espalier.lifecycle.finish import finish, plain_error

        errors = {run_id: _error(ticket, run_id) if seen[run_id] == states.FAILED else None for run_id in failed}
        words = ", ".join(f"{run_id} ({_end(seen[run_id], errors[run_id])})" for run_id in failed)
        error = plain_error("dependency_failed", f"The run was not started because it depends on {words}.")
        first = next((run_id for run_id in failed if errors[run_id] is not None), None)
        if first is not None:
            cause = errors[first] or {}
            error["hint"] = f'get_run_log(get_run(ws, "{first}")) shows the log of that run.'
            if cause.get("code") == "dependency_failed":  # (of a chain the first is to look at; others have no log)
                error["hint"] = cause.get("hint")
        finish(RunPaths(ticket.run_dir), status, states.FAILED, error)
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
            seen[run_id] = str(read_status(_other(ticket, run_id))["state"])
        except FileNotFoundError:
            seen[run_id] = None
        except (OSError, EspalierError):
            seen[run_id] = states.DAMAGED
    return seen[run_id]


def _error(ticket: Ticket, run_id: str) -> Optional[Dict[str, Any]]:
    """The error of another run of the same workspace."""
    with contextlib.suppress(OSError, EspalierError):
        error = read_status(_other(ticket, run_id)).get("error")
        return error if isinstance(error, dict) else None
    return None


def _end(state: Optional[str], error: Optional[Dict[str, Any]]) -> str:
    """How a run ended, with the cause, for people."""
    from espalier.lifecycle.failure_message import failure_line

    return f"{state}: {failure_line(error)}" if error is not None else state or "deleted"


def _other(ticket: Ticket, run_id: str) -> RunPaths:
    """Another run of a ticket's workspace."""
    return WorkspacePaths(os.path.dirname(os.path.dirname(os.path.dirname(ticket.run_dir)))).run(run_id)


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
