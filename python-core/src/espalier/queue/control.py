"""Cancelling, and finding again what lost its ticket."""

import os
import socket
import time

from espalier import states
from espalier.adapters import posix
from espalier.errors import EspalierError
from espalier.lifecycle.copies import is_copy, retire_copy
from espalier.lifecycle.finish import canceled_message, finish, plain_error
from espalier.lifecycle.status import read_status
from espalier.paths import FORMAT, QueuePaths, RunPaths
from espalier.queue.home import allocator, queue_paths
from espalier.queue.inside import wake_runner
from espalier.queue.step import queue_lost, settle, step_locked
from espalier.queue.tickets import find_ticket, is_entry_of, remove
from espalier.records import now_iso, replace_record


def cancel(run: RunPaths, run_id: str) -> bool:
    """Cancel a run: at once when it is queued, by its runner when it runs. Idempotent.

    Returns:
        False when it had ended already.

    Raises:
        EspalierError: `run_not_active` for an interactive run.
    """
    status = read_status(run)
    if states.is_final(status["state"]):
        return False
    if "collect_from" in status:
        raise EspalierError(
            "run_not_active",
            f"The run {run_id} is recorded by a session, which is not to be stopped.",
            "End it there with complete_run() or fail_run().",
        )
    if not os.path.exists(run.cancel):
        os.makedirs(os.path.dirname(run.cancel), exist_ok=True)
        record = {"format": FORMAT, "requested_at": now_iso(time.time()), "by": posix.user_name()}
        replace_record(run.cancel, record, run.shard)
    queue = queue_paths()
    with allocator(queue):
        status = read_status(run)
        if is_copy(run, status) and not _known(queue, run_id, run):
            retire_copy(run, status)
            return True
        ticket = find_ticket(queue, run_id)
        if ticket is not None and status["state"] == states.QUEUED:
            finish(run, status, states.CANCELED, plain_error("canceled", canceled_message(run)))
            remove(ticket)
        step_locked(queue)
    if not states.is_final(read_status(run)["state"]):
        wake_runner(run)
    return True


def look_after(run_id: str, run: RunPaths, host: str, user: str) -> bool:
    """Put right a run of this host and user that has neither ticket nor lease: the queue's folder was lost,
    or submit was killed. Called by readers for runs that have not ended.

    Returns:
        Whether there was something to put right.
    """
    if host != socket.gethostname() or user != posix.user_name():
        return False
    try:
        return _look_after(run_id, run)
    except (OSError, EspalierError):  # deleted just now, damaged, or in a place that cannot be written
        return False


def _look_after(run_id: str, run: RunPaths) -> bool:
    queue = queue_paths()
    if _known(queue, run_id, run):
        return False
    with allocator(queue):
        if _known(queue, run_id, run):
            return False
        status = read_status(run)
        if is_copy(run, status) and not states.is_final(status["state"]):
            retire_copy(run, status)
        elif status["state"] == states.QUEUED:
            queue_lost(queue, run, status)
        elif not states.is_final(status["state"]) and posix.is_unlocked(run.spec):
            settle(queue, run.root)
        else:
            return False
        step_locked(queue)
    return True


def _known(queue: QueuePaths, run_id: str, run: RunPaths) -> bool:
    """Whether the queue has this run; if it has the one that this is a copy of, it has not."""
    lease = queue.lease(run_id)
    entry = lease if os.path.exists(lease) else find_ticket(queue, run_id)
    if entry is None:
        return False
    return is_entry_of(entry, run.root) or not is_copy(run, read_status(run))
