"""What the kernel counts of processes that it killed for lack of memory. Standard library only: the runner loads this.

`oom_kill` in `memory.events` (control groups of version 2), `memory.oom_control` (version 1) and `/proc/vmstat` (the
whole machine), see Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel.
"""

import os
from functools import lru_cache
from typing import Any, Dict, List, Optional, Tuple

from espalier.adapters.posix import read_text
from espalier.base.model.record import Record

MACHINE = "/proc/vmstat"
_EVENTS = {"cgroup2": ("memory.events", "memory.max"), "cgroup": ("memory.oom_control", "memory.limit_in_bytes")}
# A limit from here on is none.
_NO_LIMIT = 1 << 60


class Shortage(Record):
    """Processes that the kernel killed since the last count.

    Args:
        killed: How many.
        limit: Bytes that the control group may use, or that the machine has.
        group: Whether a control group ran out of memory; else the machine did.
    """

    killed: int
    limit: int
    group: bool


def kills() -> Dict[str, int]:
    """How many processes have been killed so far: by this process's control group and each above it, and in all."""
    sources = [os.path.join(folder, files[0]) for folder, files in _groups()]
    counts = {source: _count(source) for source in [*sources, MACHINE]}
    return {source: count for source, count in counts.items() if count is not None}


def shortage_since(before: Any) -> Optional[Shortage]:
    """What has been killed since `kills()`, by the nearest group that tells, else by the machine. None if nothing was.

    Args:
        before: What `kills()` gave; a record that may be damaged.
    """
    counted = before.items() if isinstance(before, dict) else ()
    for source, count in counted:
        is_source = source == MACHINE or os.path.basename(str(source)) in [files[0] for files in _EVENTS.values()]
        now = _count(source) if is_source and type(count) is int else None
        if now is not None and now > count:
            own = _limit(os.path.dirname(source)) if source != MACHINE else None
            return Shortage(now - count, own or _machine_bytes(), source != MACHINE)
    return None


def _groups() -> List[Tuple[str, Tuple[str, str]]]:
    """The folders of this process's control groups, the nearest first, of which some count no memory."""
    own = {}
    for line in read_text("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            own["cgroup" if controllers else "cgroup2"] = path
    found = []
    for kind, root, place in hierarchies():
        if kind in own:
            path = os.path.relpath(own[kind], root) if own[kind].startswith(root) else "."
            while True:
                found.append((os.path.normpath(os.path.join(place, path)), _EVENTS[kind]))
                if path in (".", "", "/"):
                    break
                path = os.path.dirname(path) or "."
    return found


@lru_cache(maxsize=None)
def hierarchies() -> Tuple[Tuple[str, str, str], ...]:
    """Where control groups lie that count memory: the kind of file system, and which folder of it is mounted where."""
    found = []
    for line in read_text("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, options = after.split()[0], after.split()[-1].split(",")
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options):
            root, place = before.split()[3:5]
            found.append((kind, root, place))
    return tuple(found)


def _count(source: str) -> Optional[int]:
    _, _, rest = f"\n{read_text(source)}".partition("\noom_kill ")
    value = rest.partition("\n")[0].strip()
    return int(value) if value.isdecimal() else None


def _limit(folder: str) -> Optional[int]:
    for _, name in _EVENTS.values():
        text = read_text(os.path.join(folder, name)).strip()
        if text.isdecimal() and int(text) < _NO_LIMIT:
            return int(text)
    return None


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
