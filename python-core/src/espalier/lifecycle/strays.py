"""What finds the processes of a job whose runner is dead: a note that the runner leaves, and the end of them."""

import os
from typing import Any, Dict, Optional

from espalier.adapters import posix
from espalier.adapters.cgroup import find_cgroup
from espalier.adapters.inside import replace_inside
from espalier.adapters.oom import Shortage, shortage_since
from espalier.adapters.tree import Tree
from espalier.base.paths import FORMAT, RunPaths
from espalier.base.records import dump_record, readable_record


def note_job(run: RunPaths, leader: int, kills: Dict[str, int], cgroup: Optional[str] = None) -> None:
    """Leave a note of the job's processes. Not durable: after a reboot there are none.

    Args:
        kills: What the kernel had killed for lack of memory when it started (`adapters/oom.py`).
    """
    record = {
        "format": FORMAT,
        "boot_id": posix.boot_id(),
        "job_pid": leader,
        "job_start": posix.process_start(leader),
        "cgroup": cgroup,
        "oom_kills": kills,
    }
    replace_inside(run.root, run.processes, dump_record(record))


def end_strays(run: RunPaths, reaper: Optional[int] = None) -> None:
    """Kill what is left of a job whose runner is dead: what is in its control group, in its session, what bears the
    run's id in its environment, and all that descends from these.

    Args:
        reaper: A sub-reaper above the runner, whose children the job's orphans are now; it has no other children.
    """
    run_id = os.path.basename(run.root)
    note = _note(run)
    here = bool(note)
    tree = Tree(run_id, _leader(note.get("job_pid"), note.get("job_start")) if here else None, reaper)
    recorded = note.get("cgroup")
    tree.cgroup = find_cgroup(run_id, recorded if here and isinstance(recorded, str) else None)
    tree.kill()
    if tree.cgroup is not None:
        tree.cgroup.remove()


def shortage_of(run: RunPaths) -> Optional[Shortage]:
    """What the kernel has killed for lack of memory since the job was started; None if nothing, or unknown."""
    return shortage_since(_note(run).get("oom_kills"))


def _note(run: RunPaths) -> Dict[str, Any]:
    """What the runner noted; empty where it did not, or before a reboot."""
    note = readable_record(run.processes)
    return note if note.get("boot_id") == posix.boot_id() else {}


def _leader(pid: object, start: object) -> Optional[int]:
    """The number of the job's session, if no other process has it by now."""
    if not isinstance(pid, int) or pid <= 1:
        return None
    now = posix.process_start(pid)
    return pid if now is None or now == start else None
