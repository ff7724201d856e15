"""What finds the processes of a job whose runner is dead: a note that the runner leaves, and the end of them."""

import contextlib
import os
from typing import Optional

from espalier.adapters import posix
from espalier.adapters.cgroup import find_cgroup
from espalier.adapters.tree import Tree
from espalier.errors import EspalierError
from espalier.paths import FORMAT, RunPaths
from espalier.records import dump_record, read_record, replace_file


def note_job(run: RunPaths, leader: int, cgroup: Optional[str] = None) -> None:
    """Leave a note of the job's processes. Not durable: after a reboot there are none."""
    with contextlib.suppress(FileExistsError):  # (where the run's folder has been deleted none is made anew)
        os.mkdir(run.job)
    record = {
        "format": FORMAT,
        "boot_id": posix.boot_id(),
        "job_pid": leader,
        "job_start": posix.process_start(leader),
        "cgroup": cgroup,
    }
    replace_file(run.processes, dump_record(record), run.job)


def end_strays(run: RunPaths, reaper: Optional[int] = None) -> None:
    """Kill what is left of a job whose runner is dead: what is in its control group, in its session, what bears the
    run's id in its environment, and all that descends from these.

    Args:
        run: The run.
        reaper: A sub-reaper above the runner, whose children the job's orphans are now; it has no other children.
    """
    run_id = os.path.basename(run.root)
    try:
        note = read_record(run.processes)
    except (OSError, EspalierError):
        note = {}
    here = note.get("boot_id") == posix.boot_id()
    tree = Tree(run_id, _leader(note.get("job_pid"), note.get("job_start")) if here else None, reaper)
    recorded = note.get("cgroup")
    tree.cgroup = find_cgroup(run_id, recorded if here and isinstance(recorded, str) else None)
    tree.kill()
    if tree.cgroup is not None:
        tree.cgroup.remove()


def _leader(pid: object, start: object) -> Optional[int]:
    """The number of the job's session, if no other process has it by now."""
    if not isinstance(pid, int) or pid <= 1:
        return None
    now = posix.process_start(pid)
    return pid if now is None or now == start else None
