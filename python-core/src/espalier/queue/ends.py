"""What the queue does to runs that it ends, queues again, or finds lost. Loaded where there is one: nearly always the
run's own runner has written its end.

Under the allocator's lock. Standard library, L0 to L2 only: the runner calls it too.
"""

import os
import sys
from typing import Any, Dict, Mapping, Optional

from espalier.adapters import posix
from espalier.base import states
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.model.status import Status, plain_error
from espalier.base.paths import RunPaths
from espalier.base.queue_paths import QueuePaths
from espalier.executors.registry import is_held
from espalier.lifecycle.ask import canceled_message
from espalier.lifecycle.collect import collect, remove_working_copy
from espalier.lifecycle.digests import is_copy_in_queue, known_digests
from espalier.lifecycle.end import clean_again, end_attempt, end_lost_attempt, finish, retire_copy
from espalier.lifecycle.failure_message import as_sentence, failure_line
from espalier.lifecycle.status import Known, check_definition, is_cleaned, move, read_status, status_of
from espalier.lifecycle.strays import end_strays
from espalier.lifecycle.verdict import died_before_start
from espalier.queue.spawn import spawn_reconciler
from espalier.queue.tickets import Ticket, add_ticket, find_ticket, read_ticket

__all__ = ["clean_left", "end_canceled", "end_depending", "end_unstarted", "queue_lost", "retire_copy", "settle_left"]

# How often a run is tried whose runner dies before the job starts: one that cannot work must not be tried for ever.
# What the error of a run begins with that was not started.
_BEGINNING = "The run was not started because it depends on "
_RUNNERS = 3
# What the error of a run begins with that was not started.
_BEGINNING = "The run was not started because it depends on "


def settle_left(paths: QueuePaths, run: RunPaths, status: Status) -> bool:
    """Bring a run that no process executes to a legal state. See `step.settle`.

    Args:
        status: The run's, read under the lock.

    Raises:
        Exception: it is damaged, newer, gone, or can't be written now.
    """
    check_definition(run)
    if states.is_final(status.state):
        if is_held(run, is_final=True):  # (its runner died in between)
            return _hand_to_reconciler(paths, run)
        if not is_cleaned(run, status):
            clean_again(Known(run, status))
    elif is_copy_in_queue(run, status, _digests_claimed(paths, run)):
        retire_copy(run, status)
    elif status.state == states.QUEUED and _attempt_claimed(paths, run) < status.attempt:
        queue_lost(paths, run, status)  # the attempt has been ended, and is to be repeated
    elif posix.is_locked(run.spec):
        pass  # a runner of another queue executes it
    elif is_held(run, is_final=False):
        return _hand_to_reconciler(paths, run)
    elif status.started_at:
        end_strays(run)
        # (read again: the holder of the definition's lock may have written the end since, before it let go)
        _queue_if_wanted(paths, run, end_lost_attempt(Known(run, read_status(run))))
    else:
        _queue_again(paths, run, status)
    return True


def _hand_to_reconciler(paths: QueuePaths, run: RunPaths) -> bool:
    """Have a separate process end the run, or only what its executor holds of it where the job was not started:
    executors take seconds, or hang, and the queue must not wait for them. It takes the lease over, so that what the job
    still takes counts as taken.

    Returns:
        False: the run is not settled yet.
    """
    try:
        lease = posix.open_lockable(paths.lease(os.path.basename(run.root)))
    except FileNotFoundError:  # the queue's folder was lost
        spawn_reconciler(run, None)
        return False
    try:
        if posix.try_lock(lease):  # (else who gives it up just now makes the step that comes here again)
            spawn_reconciler(run, lease)
    finally:
        os.close(lease)
    return False


def queue_lost(paths: QueuePaths, run: RunPaths, status: Status) -> None:
    """Give a queued run a ticket, which has none. Of a damaged definition its runner will tell.

    What its records were at submit its lease knows, if it still has one, else its status, which no job in a container
    can write either.
    """
    if find_ticket(paths, os.path.basename(run.root)) is None:
        try:
            spec = read_as(JobSpec, run.spec)
        except Exception:
            spec = JobSpec()
        digests = _digests_claimed(paths, run) or known_digests(status.digests)
        add_ticket(paths, run.root, spec, status.attempt, status.retry_seconds, digests)


def _digests_claimed(paths: QueuePaths, run: RunPaths) -> Dict[str, str]:
    """What the run's lease knows of its frozen records; empty without a lease."""
    lease = read_ticket(paths.lease(os.path.basename(run.root)))
    return known_digests(lease.record.digests) if lease is not None else {}


def _attempt_claimed(paths: QueuePaths, run: RunPaths) -> int:
    """Which attempt the run's lease was claimed for. Without a lease none has been ended."""
    lease = read_ticket(paths.lease(os.path.basename(run.root)))
    return lease.record.attempt if lease is not None else sys.maxsize


def _queue_if_wanted(paths: QueuePaths, run: RunPaths, status: Status) -> None:
    if status.state == states.QUEUED:
        queue_lost(paths, run, status)


def _queue_again(paths: QueuePaths, run: RunPaths, status: Status) -> None:
    """The runner died before it started the job."""
    warnings = list(status.warnings)
    known = Known(run, status)
    collect(known, warnings)  # what earlier attempts left in `./outputs` had been moved there
    remove_working_copy(known)
    status = status._replace(warnings=tuple(warnings))
    if status.runners >= _RUNNERS:
        error = died_before_start(run, status.runners)
        status = end_attempt(known.with_status(status), states.FAILED, error)
    else:
        status = move(run, status, states.QUEUED, runners=status.runners + 1)
    _queue_if_wanted(paths, run, status)


def clean_left(run: RunPaths) -> None:
    """Do what is left of the end of a run. Raises OSError."""
    clean_again(Known(run, read_status(run)))


def end_canceled(run: RunPaths, status: Status, expired: str = "") -> None:
    """End a queued run that was canceled, or, with the words for that, whose time in the queue is over."""
    words = ("queue_timed_out", expired) if expired else ("canceled", canceled_message(run))
    finish(Known(run, status), states.CANCELED, plain_error(*words))


def end_unstarted(run: RunPaths, code: str, message: str) -> None:
    """End a run whose runner could not be started."""
    finish(Known(run, read_status(run)), states.FAILED, plain_error(code, message))


def end_depending(ticket: Ticket, status: Status, failed: Mapping[str, Optional[str]]) -> None:
    """End a queued run that can never start.

    Args:
        failed: The runs that it depends on and that did not complete, each with its state; None: it was deleted.
    """
    errors = {run_id: _error(ticket.other(run_id)) for run_id, state in failed.items() if state == states.FAILED}
    words = "; and on ".join(f"{run_id}, which {_end(state, errors.get(run_id))}" for run_id, state in failed.items())
    error = plain_error("dependency_failed", f"{_BEGINNING}{as_sentence(words)}")
    first = next((run_id for run_id in failed if errors.get(run_id) is not None), None)
    if first is not None:
        cause = errors[first] or {}
        error["hint"] = f'get_run_log(get_run(ws, "{first}")) shows the log of that run.'
        if cause.get("code") == "dependency_failed":  # (of a chain the first is to look at; others have no log)
            error["hint"] = cause.get("hint")
    finish(Known(RunPaths(ticket.run_dir), status), states.FAILED, error)


def _error(run: RunPaths) -> Optional[Mapping[str, Any]]:
    status = status_of(run)
    return None if status is None else status.error


def _end(state: Optional[str], error: Optional[Mapping[str, Any]]) -> str:
    """How a run ended, with the cause, for people: it follows "which"."""
    if error is None:
        return "was deleted" if state is None else f"was {state.lower()}"
    line = failure_line(error)
    if line.startswith(_BEGINNING):  # (of a chain)
        return f"was not started because it depends on {line[len(_BEGINNING) :]}"
    return f"failed: {line}"
