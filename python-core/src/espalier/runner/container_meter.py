"""What a job in a container uses: as `meter.py`, but its processes are the container's, and nobody here waits for them.

What it used in all is what was seen of it last; the kernel's own sum goes with the container.
"""

from typing import Any, Callable, Dict

from espalier.adapters.container_usage import container_usage
from espalier.adapters.processes import bytes_moved
from espalier.adapters.tree import Tree
from espalier.lifecycle.container_record import read_box
from espalier.paths import RunPaths
from espalier.runner.meter import PAGE, TICKS, Meter

# The first look, long before the first sample: a short job is seen at least once. Seconds.
_FIRST_LOOK_SECONDS = 0.1


class ContainerMeter(Meter):
    """Measures one job in a container."""

    def __init__(self, run: RunPaths, path: str, tree: Tree, started: float) -> None:
        super().__init__(path, tree, started)
        self._run = run
        self._pid = 0
        self._first, self.due = self.due, started + _FIRST_LOOK_SECONDS

    def add(self, pid: int, used: Any) -> None:
        """What ends here is its supervisor, no part of it."""

    def sample_when_due(self, now: float) -> None:
        """Take a sample when it is time to; before the first one only look."""
        if now < self.due:
            return
        if now < self._first:
            self._sample(now)
            self.due = min(now + _FIRST_LOOK_SECONDS, self._first)
            return
        super().sample_when_due(now)

    def _sample(self, now: float) -> Dict[str, Any]:
        if not self._pid:
            box = read_box(self._run)
            self._pid = box.pid if box is not None else 0
        seen = container_usage(self._pid, PAGE, TICKS) if self._pid > 1 else None
        sample: Dict[str, Any] = {"seconds": round(now - self._started, 3)}
        members = seen.processes if seen is not None else []
        if seen is not None:
            moved = [bytes_moved(each.pid) or (0, 0) for each in members]
            self._cpu = max(self._cpu, seen.cpu_seconds)
            self._peak = max(self._peak, seen.peak_bytes)
            self._read = max(self._read, sum(pair[0] for pair in moved))
            self._written = max(self._written, sum(pair[1] for pair in moved))
        sample.update(
            cpu_seconds=round(self._cpu, 3),
            memory_bytes=seen.memory_bytes if seen is not None else 0,
            processes=len(members),
            read_bytes=self._read,
            written_bytes=self._written,
        )
        return self._with_gpu(sample, members, now)


def container_meter(run: RunPaths) -> Callable[[str, Tree, float], Meter]:
    """What makes the meter of a run's container."""
    return lambda path, tree, started: ContainerMeter(run, path, tree, started)
