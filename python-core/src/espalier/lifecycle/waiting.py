"""Runs that hold a slot and do nothing with it: they wait for other runs, which may need that very slot.

A process of a job that waits leaves a mark in `requests/`, with its process id and start time, so that a mark whose
process was killed counts no longer; base R can write it. A job that marks itself wrongly gives its own slot away, to
runs of the same user.
"""

import contextlib
import json
import os
from typing import Iterator, List, Optional, Sequence

from espalier.adapters import posix
from espalier.adapters.inside import names_in, replace_inside
from espalier.adapters.processes import all_processes, with_descendants
from espalier.base import states
from espalier.base.paths import FORMAT, RunPaths, is_run_id
from espalier.base.records import dump_record, read_plain, readable_record
from espalier.base.request_paths import is_waiting, waiting
from espalier.lifecycle.children import is_descendant
from espalier.lifecycle.status import status_of


def is_confined(run: RunPaths) -> bool:
    """Whether a run's job is, or was, in a container."""
    return os.path.exists(run.container)


def first_process(run: RunPaths) -> int:
    """The first process of a confined job, as this machine numbers it; 0 where that is not known."""
    pid = readable_record(run.container).get("pid")
    return pid if isinstance(pid, int) else 0


_LIMIT_BYTES = 1 << 20


def job_is_over(run: RunPaths) -> bool:
    """Whether a run whose runner lives only waits for its children."""
    return os.path.isdir(run.children) and _state(run) == states.FINALIZING


def waits_for_runs(run: RunPaths) -> bool:
    """Whether a run's job waits for runs of which at least one has not ended."""
    return any(map(_is_open, waited_for(run)))


def waited_for(run: RunPaths) -> Iterator[RunPaths]:
    """The runs that processes of a run's job wait for, in any workspace."""
    for mark in marks(run):
        yield from _named_by(run, mark)


def marks(run: RunPaths) -> List[str]:
    """Names of the marks in `requests/`, whether they count or not."""
    try:  # (most runs have no requests, and that is found sooner than an error is made)
        return sorted(filter(is_waiting, names_in(run.requests))) if os.path.isdir(run.requests) else []
    except OSError:
        return []


def _state(run: RunPaths) -> Optional[str]:
    status = status_of(run)
    return None if status is None else status.state


def _is_open(run: RunPaths) -> bool:
    state = _state(run)
    return state is not None and not states.is_final(state)


def _named_by(run: RunPaths, mark: str) -> List[RunPaths]:
    """The runs a mark names; none when its process is gone, or it isn't a mark."""
    try:
        record = json.loads(read_plain(os.path.join(run.requests, mark), limit=_LIMIT_BYTES))
        pid, start = record["pid"], record["start"]
        folders = record["folders"] if "folders" in record else [_in_workspace(run, name) for name in record["runs"]]
        alive = type(pid) is int and type(start) is int and _lives(run, pid, start)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return []
    if not alive or type(folders) is not list:
        return []
    return list(_visible(run, [RunPaths(folder) for folder in folders if _is_run_folder(folder)]))


def _visible(run: RunPaths, named: List[RunPaths]) -> Iterator[RunPaths]:
    """Of the runs that a mark names those that the job can see. A job in a container sees those below its own: a folder
    that it made itself is none of them, and would be queued and executed."""
    if not is_confined(run):
        yield from named
        return
    for each in named:
        run_id = os.path.basename(each.root)
        if is_descendant(run.workspace.run(run_id), os.path.basename(run.root)):
            yield run.workspace.run(run_id)


def _in_workspace(run: RunPaths, name: object) -> Optional[str]:
    """The folder of a run of the same workspace, which marks of earlier versions named by its id alone."""
    return run.workspace.run(name).root if isinstance(name, str) else None


def _is_run_folder(folder: object) -> bool:
    return isinstance(folder, str) and os.path.isabs(folder) and is_run_id(os.path.basename(folder))


def _lives(run: RunPaths, pid: int, start: int) -> bool:
    """Whether a process of the job lives. In a container it has another number, but the same start."""
    if posix.process_start(pid) == start:
        return True
    first = first_process(run) if is_confined(run) else 0
    return first > 1 and any(each.start == start for each in with_descendants({first}, all_processes()))


@contextlib.contextmanager
def marked_as_waiting(run: RunPaths, runs: Sequence[RunPaths]) -> Iterator[None]:
    """Mark this process of a job as waiting, for a while.

    Args:
        runs: The runs it waits for, of any workspaces.
    """
    pid = os.getpid()
    path = os.path.join(run.requests, waiting(f"py-{pid}-{os.urandom(4).hex()}"))
    folders = [os.path.abspath(each.root) for each in runs]
    record = {"format": FORMAT, "pid": pid, "start": posix.process_start(pid), "folders": folders}
    replace_inside(run.root, path, dump_record(record))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)
