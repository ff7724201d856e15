"""What a job uses while it runs, sampled (protocol.md, "usage"), and what it used in all, which the system tells.

A sample is taken each second at first; the pause grows with the job's age, and with what a sample costs.
"""

import json
import os
import time
from typing import Any, Dict, List, Optional

from espalier.adapters.inside import open_log
from espalier.adapters.machine import GpuProbe
from espalier.adapters.processes import Process, bytes_moved
from espalier.adapters.tree import Tree

_FIRST_SECONDS = 1.0
# A pause is a hundredth of the job's age until it has reached this, and a two thousandth in the end.
_LONG_SECONDS = 10.0
# A sample may cost one hundredth of one processor at most; a third of it is aimed at.
_COST = 300.0
_BLOCK = 512  # what the kernel counts reads and writes in, whatever the disk
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """Measures one job.

    Args:
        path: Where the samples go, a line each.
        tree: The job's processes.
        started: `time.monotonic()` at the job's start.
    """

    def __init__(self, path: str, tree: Tree, started: float) -> None:
        self.due = started + _FIRST_SECONDS
        self._path, self._tree, self._started = path, tree, started
        self._gpu = GpuProbe()
        self._fd: Optional[int] = None
        self._seq = 0
        # of what has been collected by us, with all that was collected by it
        self._cpu = 0.0
        self._read, self._written = 0, 0
        self._peak, self._gpu_peak = 0, 0

    def add(self, pid: int, used: Any) -> None:
        """A child of the watcher has ended: what it used, as `os.wait4` gives it."""
        if self._gpu.owns(pid) or pid in self._tree.spared:
            return
        self._cpu += used.ru_utime + used.ru_stime
        self._read += used.ru_inblock * _BLOCK
        self._written += used.ru_oublock * _BLOCK
        self._peak = max(self._peak, used.ru_maxrss * 1024)

    def sample_when_due(self, now: float) -> None:
        """Take a sample when it is time to. A full disk, or a meter that fails, ends the samples, not the run."""
        if now < self.due:
            return
        began = time.thread_time()
        try:
            self._write(self.sample(now))
            pause = max(_FIRST_SECONDS, min((now - self._started) / 100, _LONG_SECONDS), (now - self._started) / 2000)
            self.due = now + max(pause, _COST * (time.thread_time() - began))
        except Exception as error:
            self.due = float("inf")
            if not isinstance(error, OSError):
                import traceback  # 5 ms to load

                traceback.print_exc()

    def sample(self, now: float) -> Dict[str, Any]:
        """What the job uses now (protocol.md, "usage")."""
        members = self._tree.known_members()
        moved = [bytes_moved(each.pid) or (0, 0) for each in members]
        memory = sum(each.pages for each in members) * PAGE
        self._peak = max(self._peak, memory)
        sample = {
            "seconds": round(now - self._started, 3),
            "cpu_seconds": round(self._cpu + sum(each.ticks for each in members) / TICKS, 3),
            "memory_bytes": memory,
            "processes": len(members),
            "read_bytes": self._read + sum(pair[0] for pair in moved),
            "written_bytes": self._written + sum(pair[1] for pair in moved),
        }
        return self._with_gpu(sample, members, now)

    def _with_gpu(self, sample: Dict[str, Any], members: List[Process], now: float) -> Dict[str, Any]:
        held = self._gpu.held_by({each.pid for each in members}, now)
        if held is not None:
            self._gpu_peak = max(self._gpu_peak, held)
            sample["gpu_memory_bytes"] = held
        self._tree.spared.update(self._gpu.running())
        return sample

    def _write(self, sample: Dict[str, Any]) -> None:
        if self._fd is None:
            self._fd = open_log(os.path.dirname(os.path.dirname(self._path)), self._path)
            head = {"type": "writer", "format": 1, "writer": "runner", "pid": os.getpid(), "time": time.time()}
            os.write(self._fd, json.dumps(head, separators=(",", ":")).encode() + b"\n")
        line = {"type": "sample", "seq": self._seq, "time": round(time.time(), 6), **sample}
        os.write(self._fd, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._seq += 1

    def totals(self) -> Dict[str, Any]:
        """What the job used in all, once all of it has ended."""
        if self._fd is not None:
            os.close(self._fd)
        cgroup = self._tree.cgroup
        # (children that nobody waits for are in the group's sum only)
        cpu = max(self._cpu, cgroup.cpu_seconds() if cgroup else 0.0)
        totals = {
            "cpu_seconds": round(cpu, 6),
            "max_memory_bytes": max(self._peak, cgroup.peak_bytes() if cgroup else 0),
            "read_bytes": self._read,
            "written_bytes": self._written,
        }
        return {**totals, "max_gpu_memory_bytes": self._gpu_peak} if self._gpu.is_there else totals
