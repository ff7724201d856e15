"""What of a host is free: what it has, less what living leases take of it."""

from espalier.base.paths import QueuePaths, RunPaths
from espalier.base.resources import Capacity
from espalier.queue.capacity import capacity
from espalier.queue.tickets import Ticket, is_dead, leases


def free_now(paths: QueuePaths) -> Capacity:
    """What is free as this is asked, for people: whoever hands it out looks under the allocator's lock."""
    free = capacity(paths)
    for lease in leases(paths):
        if not is_dead(lease.path):
            free = without(free, lease)
    return free


def without(free: Capacity, lease: Ticket) -> Capacity:
    """What a living lease leaves. Who waits for other runs needs no processor; whose job is over needs nothing."""
    from espalier.lifecycle.waiting import job_is_over, waits_for_runs  # (a queue with no other run does without)

    run = RunPaths(lease.run_dir)
    if job_is_over(run):
        return free
    takes = lease.needs._replace(cpus=0) if waits_for_runs(run) else lease.needs
    return free.without(takes, lease.record.gpu_ids)
