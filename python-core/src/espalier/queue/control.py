"""Cancelling, and finding again what lost its ticket."""

import contextlib
import os
from typing import AbstractSet, Iterable, Optional

from espalier.adapters import posix
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.model.status import HELD_BY_PARENT, Status
from espalier.base.paths import RunPaths
from espalier.base.queue_paths import QueuePaths
from espalier.lifecycle.ask import ask_to_cancel, canceled_message, wake_runner
from espalier.lifecycle.children import descendants_of, parent_of
from espalier.lifecycle.digests import is_copy, is_copy_in_queue, is_written_here
from espalier.lifecycle.end import end_if_parent_ended, end_recorded, end_with_parent, retire_copy
from espalier.lifecycle.recorded import keep_outputs
from espalier.lifecycle.status import check_run_format, read_status, status_of
from espalier.queue.admission import take_out
from espalier.queue.ends import end_canceled, queue_lost
from espalier.queue.home import allocator, queue_paths
from espalier.queue.step import settle, step_locked
from espalier.queue.tickets import find_ticket, is_entry_of, remove


def cancel(run: RunPaths, run_id: str) -> bool:
    """Cancel a run and the runs below it: at once when they are queued, by their runners when they run. Idempotent.

    Returns:
        False when it had ended already.

    Raises:
        EspalierError: `run_not_active` for a run that a session records and that has no parent.
    """
    if states.is_final(read_status(run).state):  # (no queue is needed to see that)
        return False
    queue = queue_paths()
    with allocator(queue):
        status = read_status(run)
        if states.is_final(status.state):
            return False
        if status.is_recorded:
            _end_recorded(queue, run, run_id, status)
        else:
            ask_to_cancel(run)
            if is_copy_in_queue(run, status, {}) and not _known(queue, run_id, run, status):
                retire_copy(run, status)
                return True
            ticket = find_ticket(queue, run_id)
            is_queued = ticket is not None and status.state == states.QUEUED
            if ticket is not None and is_queued:
                end_canceled(run, status)
                remove(ticket)
            step_locked(queue)
            if not is_queued:  # (who a runner is, is read after the request was written: it looks for that afterwards)
                wake_runner(run)
    cancel_children(queue, run)
    return True


def _end_recorded(queue: QueuePaths, run: RunPaths, run_id: str, status: Status) -> None:
    """A child that is recorded by hand ends at once; the recording session learns it when it completes the run."""
    if parent_of(run) is None:
        raise EspalierError(
            "run_not_active",
            f"Can't cancel the run {run_id}: a session records it.",
            "End it in that session with complete_run() or fail_run().",
        )
    ask_to_cancel(run)
    end_recorded(run, keep_outputs(run, status), states.CANCELED, canceled_message(run))
    remove(queue.lease(run_id))


def cancel_children(queue: QueuePaths, run: RunPaths) -> None:
    """Cancel all runs below one that has been asked to be canceled itself, at any depth: what waits in the queue is
    taken out, not left until its turn comes. Idempotent.

    Killed midway, the end of the parent does the rest (`lifecycle/end.py::end_children`).
    """
    for child in descendants_of(run):
        status = status_of(child)
        if status is None or states.is_final(status.state):
            continue
        with contextlib.suppress(OSError, EspalierError):  # deleted meanwhile, or another's
            if status.is_recorded:
                end_with_parent(child, status, states.CANCELED)
                continue
            ask_to_cancel(child, parent=os.path.basename(run.root))
            with allocator(queue):
                take_out(queue, child)
            wake_runner(child)


def look_after_lost(runs: Iterable[RunPaths], known: AbstractSet[str]) -> None:
    """Put right those of some runs that the queue does not know. See `look_after`.

    Args:
        known: The ids of those that the queue has a ticket or lease of.
    """
    for run in runs:
        run_id = os.path.basename(run.root)
        if run_id not in known:
            with contextlib.suppress(OSError, EspalierError):  # deleted just now, or damaged
                spec = read_as(JobSpec, run.spec)
                look_after(run_id, run, spec.host, spec.user)


def look_after(run_id: str, run: RunPaths, host: str, user: str) -> bool:
    """Put right a run of this host and user that has neither ticket nor lease: the queue's folder was lost,
    or submit was killed. Called by readers for runs that have not ended.

    Returns:
        Whether there was something to put right.
    """
    if host != posix.host_name() or user != posix.user_name():
        return False
    try:
        return _look_after(run_id, run)
    except Exception:  # deleted just now, damaged in any way, or in a place that cannot be written
        return False


def _look_after(run_id: str, run: RunPaths) -> bool:
    queue = queue_paths()
    if _known(queue, run_id, run):
        return False
    with allocator(queue):
        check_run_format(run)
        status = read_status(run)
        if _known(queue, run_id, run, status):
            return False
        if is_copy_in_queue(run, status, {}) and not states.is_final(status.state):
            retire_copy(run, status)
        elif status.held_by == HELD_BY_PARENT:
            own = status if is_written_here(run, status) else status._replace(collect_from="")
            return end_if_parent_ended(run, own)
        elif states.is_final(status.state) or not (status.state == states.QUEUED or posix.is_unlocked(run.spec)):
            return False
        elif not is_written_here(run, status):
            retire_copy(run, status)
        elif status.state == states.QUEUED:
            queue_lost(queue, run, status)
        else:
            settle(queue, run.root)
        step_locked(queue)
    return True


def _known(queue: QueuePaths, run_id: str, run: RunPaths, status: Optional[Status] = None) -> bool:
    """Whether the queue has this run; if it has the one that this is a copy of, it has not.

    Args:
        status: The run's, where it has been read.
    """
    lease = queue.lease(run_id)
    entry = lease if os.path.exists(lease) else find_ticket(queue, run_id)
    if entry is None:
        return False
    return is_entry_of(entry, run.root) or not is_copy(run, status or read_status(run))
