"""What a container uses, by the control group of its first process, in either version of control groups.

Only where the engine runs on this very machine, and its groups can be seen. Standard library only.
"""

import os
from typing import Dict, List, NamedTuple, Optional

from espalier.adapters.processes import Process, all_processes, with_descendants


class ContainerUsage(NamedTuple):
    """What a container used up to a moment, and what it holds then."""

    cpu_seconds: float
    memory_bytes: int
    peak_bytes: int
    processes: List[Process]


def container_usage(pid: int, page: int, ticks: int) -> Optional[ContainerUsage]:
    """Look at a container.

    Args:
        pid: Its first process.
        page: Bytes of a page.
        ticks: Clock ticks of a second.

    Returns:
        None when it has ended.
    """
    processes = with_descendants({pid}, all_processes())
    if not processes:
        return None
    groups = _groups(pid)
    cpu = _cpu_seconds(groups)
    if cpu is None:  # (what has ended and was not waited for is missing then)
        cpu = sum(each.ticks for each in processes) / ticks
    memory = sum(each.pages for each in processes) * page
    peak = _number(groups, "memory", "memory.max_usage_in_bytes") or _number(groups, "", "memory.peak") or 0
    return ContainerUsage(cpu, memory, max(peak, memory), processes)


def _cpu_seconds(groups: Dict[str, str]) -> Optional[float]:
    nanoseconds = _number(groups, "cpuacct", "cpuacct.usage")
    if nanoseconds is not None:
        return nanoseconds / 1e9
    for line in _read(os.path.join(groups.get("", ""), "cpu.stat")).splitlines():
        if line.startswith("usage_usec "):
            return int(line.split()[1]) / 1e6
    return None


def _groups(pid: int) -> Dict[str, str]:
    """Controller -> folder of the process's group; the empty name is version 2's. Never the root group: where what is
    seen of groups begins elsewhere than the engine's, that is what would be found."""
    mounts: Dict[str, str] = {}
    for line in _read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        place = before.split()[4]
        if kind == "cgroup2":
            mounts[""] = place
        elif kind == "cgroup":
            mounts.update(dict.fromkeys(options.split()[-1].split(","), place))
    found: Dict[str, str] = {}
    for line in _read(f"/proc/{pid}/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            if name in mounts and path.strip("/") and ".." not in path:
                found[name] = mounts[name] + path
    return found


def _number(groups: Dict[str, str], controller: str, name: str) -> Optional[int]:
    text = _read(os.path.join(groups[controller], name)).strip() if controller in groups else ""
    return int(text) if text.isdigit() else None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
