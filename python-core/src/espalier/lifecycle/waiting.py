"""Runs that hold a slot and do nothing with it: they wait for other runs, which may need that very slot.

A process of a job that waits leaves a mark in `requests/`, with its process id and start time, so that a mark whose
process was killed counts no longer; base R can write it. A job that marks itself wrongly gives its own slot away, to
runs of the same user.
"""

import contextlib
import json
import os
from typing import Iterator, List, Optional

from espalier import states
from espalier.adapters import posix
from espalier.adapters.files import open_regular
from espalier.adapters.processes import all_processes, with_descendants
from espalier.lifecycle.children import status_of
from espalier.lifecycle.container_record import read_box
from espalier.paths import FORMAT, RunPaths, is_run_id, is_waiting, waiting
from espalier.records import dump_record, replace_file

_LIMIT_BYTES = 1 << 20


def job_is_over(run: RunPaths) -> bool:
    """Whether a run whose runner lives only waits for its children."""
    return os.path.isdir(run.children) and _state(run) == states.FINALIZING


def waits_for_runs(run: RunPaths) -> bool:
    """Whether a run's job waits for runs of which at least one has not ended."""
    return any(_is_open(run.workspace.run(name)) for mark in marks(run) for name in _waited_for(run, mark))


def marks(run: RunPaths) -> List[str]:
    """Names of the marks in `requests/`, whether they count or not."""
    if os.path.islink(run.requests):
        return []
    try:
        return sorted(filter(is_waiting, os.listdir(run.requests)))
    except OSError:
        return []


def _state(run: RunPaths) -> Optional[str]:
    status = status_of(run)
    return None if status is None else str(status["state"])


def _is_open(run: RunPaths) -> bool:
    state = _state(run)
    return state is not None and not states.is_final(state)


def _waited_for(run: RunPaths, mark: str) -> List[str]:
    """The runs a mark names; none when its process is gone, or it is no mark."""
    try:
        with open_regular(os.path.join(run.requests, mark)) as file:
            record = json.loads(file.read(_LIMIT_BYTES))
        pid, start, runs = record["pid"], record["start"], record["runs"]
        alive = type(pid) is int and type(start) is int and _lives(run, pid, start)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return []
    return [name for name in runs if isinstance(name, str) and is_run_id(name)] if alive and type(runs) is list else []


def _lives(run: RunPaths, pid: int, start: int) -> bool:
    """Whether a process of the job lives. In a container it has another number, but the same start."""
    if posix.process_start(pid) == start:
        return True
    box = read_box(run) if os.path.exists(run.container) else None
    if box is None or box.pid <= 1:
        return False
    return any(each.start == start for each in with_descendants({box.pid}, all_processes()))


@contextlib.contextmanager
def marked_as_waiting(run: RunPaths, run_ids: List[str]) -> Iterator[None]:
    """Mark this process of a job as waiting, for a while.

    Args:
        run: The job's own run.
        run_ids: The runs it waits for.
    """
    pid = os.getpid()
    path = os.path.join(run.requests, waiting(f"py-{pid}-{os.urandom(4).hex()}"))
    os.makedirs(run.requests, exist_ok=True)
    record = {"format": FORMAT, "pid": pid, "start": posix.process_start(pid), "runs": run_ids}
    replace_file(path, dump_record(record), run.requests)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
