"""The scheduling step: reap what died, start what waits.

Short, and anyone may call it: submit, a finishing runner, the keeper, a reader. What ends runs is loaded where one is
to be ended: nearly always its own runner has done that.
Standard library, L0 to L2 only: the runner calls it too.
"""

import os
import sys
from typing import Any, Dict, Optional

from espalier.adapters import posix
from espalier.base import states
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.os_errors import is_exhausted
from espalier.base.paths import QueuePaths, RunPaths
from espalier.base.resources import Capacity
from espalier.executors.registry import is_held
from espalier.lifecycle.copies import is_copy_in_queue, retire_copy
from espalier.lifecycle.digests import known_digests
from espalier.lifecycle.formats import check_definition
from espalier.lifecycle.leftovers import is_cleaned
from espalier.lifecycle.scratch import lost_run, orphans
from espalier.lifecycle.signals import wake_runner
from espalier.lifecycle.status import move, read_status
from espalier.queue.admission import admit_waiting, executable_status, open_to_others
from espalier.queue.capacity import capacity
from espalier.queue.cascade import take_out_children
from espalier.queue.claim import Claim
from espalier.queue.elect import keep_going
from espalier.queue.home import allocator, queue_paths
from espalier.queue.room import without
from espalier.queue.spawn import collect_ended, spawn_reconciler, spawn_runner
from espalier.queue.tickets import (
    Ticket,
    add_ticket,
    claim,
    claimed_runs,
    find_ticket,
    is_dead,
    leases,
    read_lease,
    remove,
    tickets,
)

# How often a run is tried whose runner dies before the job starts: one that cannot work must not be tried for ever.
_RUNNERS = 3


def step() -> None:
    """Move this host's queue on. Inside a job its runner is asked to: what a job starts is stopped with it."""
    if not posix.RUNS_JOBS:
        return
    paths = queue_paths()
    with allocator(paths):
        step_locked(paths)


def release_and_step(claimed: Claim, take: bool) -> Optional[Claim]:
    """Give up the lease of a run that this process was executing, and move the queue on.

    Args:
        take: Claim the next run for this process, in place of starting another for it.

    Returns:
        The run that this process is to execute next, if it took one.
    """
    paths = queue_paths()
    with allocator(paths):
        lease = paths.lease(os.path.basename(claimed.run_dir))
        if settle(paths, claimed.run_dir):
            take_out_children(paths, RunPaths(claimed.run_dir))
            remove(lease)
        os.close(claimed.lease)
        return step_locked(paths, take)


def step_locked(paths: QueuePaths, take: bool = False) -> Optional[Claim]:
    """The step itself, under the allocator's lock. See `release_and_step`."""
    if left_to_own_runner():
        return None
    collect_ended()
    everything = capacity(paths)
    free = _reap(paths, everything)
    _sweep(paths)
    admit_waiting(paths)
    taken = _start_queued(paths, everything, free, take)
    keep_going(paths)
    return taken


def _start_queued(paths: QueuePaths, everything: Capacity, free: Capacity, take: bool) -> Optional[Claim]:
    """Start queued runs in their order, as far as there is room. Who finds too little keeps the room that is there,
    so that small runs behind do not starve a large one; who needs more than this host has is passed over."""
    taken = None
    for ticket in tickets(paths.tickets):
        need = ticket.needs
        if not everything.fits(need):
            continue
        if free.fits(need):
            gpus = free.gpus[: need.gpus]
            claimed = _claim(paths, ticket, gpus)
            if claimed is not None and take and taken is None:
                taken = claimed
            elif claimed is None:
                continue
            else:
                handed_over = _hand_over(paths, ticket, claimed)
                if handed_over is None:
                    break
                if not handed_over:
                    continue
            free = free.without(need, gpus)
        else:
            free = free.reserved(need)
        if free.cpus <= 0:
            break
    return taken


def _reap(paths: QueuePaths, free: Capacity) -> Capacity:
    """Settle leases nobody holds any more; returns what the living ones leave free."""
    for lease in leases(paths):
        if not is_dead(lease.path):
            free = without(free, lease)
        elif settle(paths, lease.run_dir):
            take_out_children(paths, RunPaths(lease.run_dir))
            remove(lease.path)
        elif not is_dead(lease.path):  # somebody else took it over
            free = without(free, lease)
    return free


def _sweep(paths: QueuePaths) -> None:
    """Finish the end of one run whose scratch folder was left behind, and remove one whose run is gone."""
    try:
        for scratch in orphans(claimed_runs(paths)):
            run = lost_run(scratch)
            if run is not None:
                from espalier.lifecycle.finish import clean_again

                return clean_again(run, read_status(run))
    except Exception:
        return  # the next step tries again, and the others must go on


def settle(paths: QueuePaths, run_dir: str) -> bool:
    """Bring a run that nobody executes to a legal state: queued again if its job was never started or its attempt is
    to be repeated, else ended.

    Returns:
        True when nothing is left to do for it.
    """
    run = RunPaths(run_dir)
    try:
        status = read_status(run)
        if _is_over(run, status):
            return True
        check_definition(run)
        if states.is_final(status["state"]):
            if is_held(run, is_final=True):  # (its runner died in between)
                return _hand_to_reconciler(paths, run)
            from espalier.lifecycle.finish import clean_again

            clean_again(run, status)
        elif is_copy_in_queue(run, status, _digests_claimed(paths, run)):
            retire_copy(run, status)
        elif status["state"] == states.QUEUED and _attempt_claimed(paths, run) < int(status.get("attempt", 1)):
            queue_lost(paths, run, status)  # the attempt has been ended, and is to be repeated
        elif posix.is_locked(run.spec):
            pass  # a runner of another queue executes it
        elif is_held(run, is_final=False):
            return _hand_to_reconciler(paths, run)
        elif status.get("started_at"):
            from espalier.lifecycle.attempts import end_lost_attempt
            from espalier.lifecycle.strays import end_strays

            end_strays(run)
            status = end_lost_attempt(run, read_status(run))
            _queue_if_wanted(paths, run, status)
        else:
            _queue_again(paths, run, status)
    except FileNotFoundError:
        pass  # deleted
    except OSError:
        return False  # a full or read-only disk: the next step tries again
    except Exception:
        pass  # damaged or newer: nothing of it can be executed, and the others must go on
    return True


def _is_over(run: RunPaths, status: Dict[str, Any]) -> bool:
    """Whether a run has ended, and nothing is left to do."""
    return states.is_final(status["state"]) and not is_held(run, is_final=True) and is_cleaned(run, status)


def _hand_to_reconciler(paths: QueuePaths, run: RunPaths) -> bool:
    """Have a process of its own end the run, or only what its executor holds of it where the job was not started:
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


def queue_lost(paths: QueuePaths, run: RunPaths, status: Dict[str, Any]) -> None:
    """Give a queued run a ticket, which has none. Of a damaged definition its runner will tell.

    What its records were at submit its lease knows, if it still has one, else its status, which no job in a container
    can write either.
    """
    if find_ticket(paths, os.path.basename(run.root)) is None:
        try:
            spec = read_as(JobSpec, run.spec)
        except Exception:
            spec = JobSpec()
        digests = _digests_claimed(paths, run) or known_digests(status)
        pause = float(status.get("retry_seconds") or 0.0)
        add_ticket(paths, run.root, spec, int(status.get("attempt", 1)), pause, digests)


def _digests_claimed(paths: QueuePaths, run: RunPaths) -> Dict[str, str]:
    """What the run's lease knows of its frozen records; empty without a lease."""
    lease = read_lease(paths.lease(os.path.basename(run.root)))
    return lease.digests if lease is not None else {}


def _attempt_claimed(paths: QueuePaths, run: RunPaths) -> int:
    """Which attempt the run's lease was claimed for. Without a lease none has been ended."""
    lease = read_lease(paths.lease(os.path.basename(run.root)))
    return lease.attempt if lease is not None else sys.maxsize


def _queue_if_wanted(paths: QueuePaths, run: RunPaths, status: Dict[str, Any]) -> None:
    if status["state"] == states.QUEUED:
        queue_lost(paths, run, status)


def _queue_again(paths: QueuePaths, run: RunPaths, status: Dict[str, Any]) -> None:
    """The runner died before it started the job."""
    from espalier.lifecycle.collect import collect, remove_working_copy

    warnings = [str(text) for text in status.get("warnings") or []]
    collect(run, status, warnings)  # what earlier attempts left in `./outputs` had been moved there
    remove_working_copy(run, status)
    status = {**status, "warnings": warnings}
    runners = int(status.get("runners", 1))
    if runners >= _RUNNERS:
        message = f"The runner died {runners} times before the job was started."
        from espalier.lifecycle.attempts import end_attempt
        from espalier.lifecycle.failure import log_tail
        from espalier.lifecycle.finish import plain_error

        error = plain_error("prepare_failed", message, log_tail(run.runner_log))
        status = end_attempt(run, status, states.FAILED, error)
    else:
        status = move(run, status, states.QUEUED, runners=runners + 1)
    _queue_if_wanted(paths, run, status)


def _claim(paths: QueuePaths, ticket: Ticket, gpu_ids: "tuple[str, ...]") -> Optional[Claim]:
    """Claim one queued run; None if there is nothing to execute, or not yet."""
    try:
        if executable_status(paths, ticket) is None or open_to_others(RunPaths(ticket.run_dir)) is not None:
            return None
        lease = claim(paths, ticket, gpu_ids)
    except Exception:
        return None  # its workspace takes no file just now, or it is damaged: it waits, and the others go on
    return None if lease is None else Claim(ticket.run_dir, lease)


def _hand_over(paths: QueuePaths, ticket: Ticket, claimed: Claim) -> Optional[bool]:
    """Start a runner for a claimed run; False if that is not possible, None if it is not possible just now: at a limit
    on processes, or on a full disk, the run keeps its place in the queue."""
    run = RunPaths(claimed.run_dir)
    try:
        spawn_runner(run, claimed.lease)
        return True
    except OSError as error:
        if is_exhausted(error):
            os.replace(paths.lease(ticket.run_id), ticket.path)
            return None
        from espalier.lifecycle.finish import finish, plain_error

        message = f"The runner could not be started: {error.strerror}."
        finish(run, read_status(run), states.FAILED, plain_error("start_failed", message))
        remove(paths.lease(os.path.basename(run.root)))
        return False
    finally:
        os.close(claimed.lease)


def left_to_own_runner() -> bool:
    """Inside a job, make its runner look at its run and at the queue.

    Returns:
        False outside a job, also where only the variables of one are set.
    """
    folder = os.environ.get("ESPALIER_RUN_DIR")
    return bool(folder) and wake_runner(RunPaths(str(folder)))
