"""What this machine, or the container it is, has. Standard library only."""

import os
from typing import Tuple

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_GPUS = "/proc/driver/nvidia/gpus"


def processors() -> int:
    """The processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def gpu_ids() -> Tuple[str, ...]:
    """One for each device that NVIDIA's driver lists."""
    try:
        return tuple(str(number) for number in range(len(os.listdir(_GPUS))))
    except OSError:
        return ()


def memory() -> int:
    """Bytes of this machine, or of the container it is."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP_LIMITS:
        try:
            with open(path, encoding="ascii") as file:
                found.append(int(file.read()))
        except (OSError, ValueError):  # no such limit, or "max"
            continue
    return min(found)
