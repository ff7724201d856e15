"""What a job in a container uses: as
`executors/meter.py`, but its processes are the container's, and no process here waits for them.

What it used in all is what was seen of it last; the kernel's own sum goes with the container. So it is looked at more
often than samples are taken.
"""

from typing import Any, Callable, Dict, Optional

from espalier.adapters.container_usage import ContainerGroups
from espalier.adapters.processes import bytes_moved
from espalier.adapters.tree import Tree
from espalier.base.paths import RunPaths
from espalier.executors.docker.record import read_box
from espalier.executors.meter import PAGE, TICKS, Meter

# Between two looks: this at first, a two hundredth of the job's age later. Seconds.
_LOOK_SECONDS = 0.1


class ContainerMeter(Meter):
    """Measures one job in a container."""

    def __init__(self, run: RunPaths, path: str, tree: Tree, started: float) -> None:
        super().__init__(path, tree, started)
        self._run = run
        self._groups: Optional[ContainerGroups] = None
        self._sample_due, self.due = self.due, started + _LOOK_SECONDS

    def add(self, pid: int, used: Any) -> None:
        """What ends here is its supervisor, no part of it."""

    def sample_when_due(self, now: float) -> None:
        """Look at it, and take a sample when it is time to."""
        if now < self.due:
            return
        self._look()
        if now >= self._sample_due:
            self.due = now
            super().sample_when_due(now)
            self._sample_due = self.due
        self.due = min(self._sample_due, now + max(_LOOK_SECONDS, (now - self._started) / 200))

    def _look(self) -> None:
        if self._groups is None:
            box = read_box(self._run)
            if box is None or box.pid <= 1:
                return
            self._groups = ContainerGroups(box.pid)
        self._cpu = max(self._cpu, self._groups.cpu_seconds() or 0.0)
        self._peak = max(self._peak, self._groups.peak_bytes())

    def sample(self, now: float) -> Dict[str, Any]:
        """See `Meter`."""
        members = self._groups.processes() if self._groups is not None else []
        moved = [bytes_moved(each.pid) or (0, 0) for each in members]
        memory = sum(each.pages for each in members) * PAGE
        # (where the groups cannot be seen; what has ended and was not waited for is missing then)
        self._cpu = max(self._cpu, sum(each.ticks for each in members) / TICKS)
        self._peak = max(self._peak, memory)
        self._read = max(self._read, sum(pair[0] for pair in moved))
        self._written = max(self._written, sum(pair[1] for pair in moved))
        sample: Dict[str, Any] = {
            "seconds": round(now - self._started, 3),
            "cpu_seconds": round(self._cpu, 3),
            "memory_bytes": memory,
            "processes": len(members),
            "read_bytes": self._read,
            "written_bytes": self._written,
        }
        return self._with_gpu(sample, members, now)


def container_meter(run: RunPaths) -> Callable[[str, Tree, float], Meter]:
    """What makes the meter of a run's container."""
    return lambda path, tree, started: ContainerMeter(run, path, tree, started)
