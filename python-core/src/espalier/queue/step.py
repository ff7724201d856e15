"""The scheduling step: reap what died, start what waits.

Short, and anyone may call it: submit, a finishing runner, the keeper, a reader. What ends runs is in `ends.py`.
Standard library, L0 to L2 only: the runner calls it too.
"""

import os
from typing import Optional

from espalier.adapters import posix
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.ticket import Claim
from espalier.base.paths import RunPaths
from espalier.base.queue_paths import QueuePaths
from espalier.base.resources import Capacity
from espalier.lifecycle.ask import wake_runner
from espalier.lifecycle.scratch import lost_run, orphans
from espalier.lifecycle.status import is_cleaned, read_status
from espalier.queue.admission import admit_waiting, executable_status, open_to_others, take_out_children
from espalier.queue.capacity import capacity, without
from espalier.queue.home import allocator, queue_paths
from espalier.queue.spawn import collect_ended, is_exhausted, keep_going, spawn_runner
from espalier.queue.tickets import Ticket, claim, claimed_runs, is_dead, leases, remove, tickets


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
    """Settle leases no process holds any more; returns what the living ones leave free."""
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
                from espalier.queue.ends import clean_left

                return clean_left(run)
    except Exception:
        return  # the next step tries again, and the others must go on


def settle(paths: QueuePaths, run_dir: str) -> bool:
    """Bring a run that no process executes to a legal state: queued again if its job was never started or its
    attempt is to be repeated, else ended.

    Returns:
        True when nothing is left to do for it.
    """
    run = RunPaths(run_dir)
    try:
        status = read_status(run)
        if states.is_final(status.state) and not os.path.exists(run.container) and is_cleaned(run, status):
            return True
        from espalier.queue.ends import settle_left

        return settle_left(paths, run, status)
    except FileNotFoundError:
        pass  # deleted
    except Exception as error:
        # damaged or newer, nothing of it can be executed; else (a full or read-only disk) its state could not be
        # written, and the next step tries again. The others must go on
        return isinstance(error, EspalierError) and error.code in ("damaged", "newer_format")
    return True


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
        from espalier.queue.ends import end_unstarted

        end_unstarted(run, "start_failed", f"Can't start the runner: {error.strerror}.")
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
