"""What a container uses, by the control groups of its first process, in either version of control groups.

Only where the engine runs on this very machine, and its groups can be seen. Standard library only.
"""

import os
from typing import Dict, List, Optional

from espalier.adapters.posix import read_text
from espalier.adapters.processes import Process, all_processes, look_at, with_descendants


class ContainerGroups:
    """The control groups of one container.

    Args:
        pid: Its first process, as this system numbers it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._groups = _groups(pid)

    def processes(self) -> List[Process]:
        """Its processes that have not ended."""
        for name in ("memory", "cpuacct", ""):
            pids = read_text(os.path.join(self._groups[name], "cgroup.procs")).split() if name in self._groups else []
            if pids:
                return [each for each in map(look_at, map(int, pids)) if each is not None]
        return with_descendants({self._pid}, all_processes())

    def cpu_seconds(self) -> Optional[float]:
        """Processor time of all that was ever in it; None where that cannot be seen, or it has ended."""
        nanoseconds = self._number("cpuacct", "cpuacct.usage")
        if nanoseconds is not None:
            return nanoseconds / 1e9
        for line in self._text("", "cpu.stat").splitlines():
            if line.startswith("usage_usec "):
                return int(line.split()[1]) / 1e6
        return None

    def peak_bytes(self) -> int:
        """The most memory it held, where the kernel counts that."""
        return self._number("memory", "memory.max_usage_in_bytes") or self._number("", "memory.peak") or 0

    def _number(self, controller: str, name: str) -> Optional[int]:
        text = self._text(controller, name).strip()
        return int(text) if text.isdecimal() else None

    def _text(self, controller: str, name: str) -> str:
        return read_text(os.path.join(self._groups[controller], name)) if controller in self._groups else ""


def _groups(pid: int) -> Dict[str, str]:
    """Controller -> folder of the process's group; the empty name is version 2's. Never a root group: where what is
    seen of groups begins elsewhere than the engine's, that is what would be found."""
    mounts: Dict[str, str] = {}
    for line in read_text("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        place = before.split()[4]
        if kind == "cgroup2":
            mounts[""] = place
        elif kind == "cgroup":
            mounts.update(dict.fromkeys(options.split()[-1].split(","), place))
    found: Dict[str, str] = {}
    for line in read_text(f"/proc/{pid}/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            if name in mounts and path.strip("/") and ".." not in path:
                found[name] = mounts[name] + path
    return found
