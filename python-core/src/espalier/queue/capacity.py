"""What this host has for the user's runs, detected or as the user set it; and what of it living leases leave."""

import json
from typing import Any, Dict, Optional, Sequence

from espalier.adapters import machine
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.base.queue_paths import QueuePaths
from espalier.base.records import read_plain, replace_record
from espalier.base.resources import Capacity
from espalier.queue.tickets import Ticket, is_dead, leases


def capacity(paths: QueuePaths) -> Capacity:
    """Everything there is, taken or not. A run of one processor takes one of `cpus`, which is the number of runs that
    are executed at once."""
    chosen = _config(paths)
    cpus, gpus, memory = chosen.get("max_concurrent_runs"), chosen.get("gpus"), chosen.get("memory")
    return Capacity(
        cpus if isinstance(cpus, int) and cpus >= 1 else machine.processors(),
        tuple(map(str, gpus)) if isinstance(gpus, list) else machine.gpu_ids(),
        memory if isinstance(memory, int) and memory >= 1 else machine.memory(),
    )


def set_capacity(
    paths: QueuePaths,
    cpus: Optional[int] = None,
    gpus: Optional[Sequence[str]] = None,
    memory: Optional[int] = None,
) -> None:
    """Set what is given, keep the rest. Runs that execute already go on. Raises EspalierError: `bad_argument`."""
    if cpus is not None and cpus < 1:
        raise EspalierError("bad_argument", f"The number of concurrent runs must be 1 or more, not {cpus}.")
    ids = None if gpus is None else list(gpus)
    given: Dict[str, Any] = {"max_concurrent_runs": cpus, "gpus": ids, "memory": memory}
    changed = {name: value for name, value in given.items() if value is not None}
    replace_record(paths.config, {**_config(paths), "format": 1, **changed}, paths.root)


def free_now(paths: QueuePaths) -> Capacity:
    """Free resources at this moment, for people: what hands it out looks under the allocator's lock."""
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


def _config(paths: QueuePaths) -> Dict[str, Any]:
    try:
        record = json.loads(read_plain(paths.config, follow=True))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
