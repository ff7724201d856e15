"""The runs that a user names, with the runs below them; and whether they may be deleted, archived or exported."""

import contextlib
import os
import time
from typing import Dict, Iterable, Iterator, List, Mapping, Set

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths, WorkspacePaths, is_run_id
from espalier.base.progress import report
from espalier.base.resources import counted
from espalier.executors.registry import is_held
from espalier.lifecycle.children import descendants_of
from espalier.lifecycle.status import check_definition, read_status
from espalier.queue.home import queue_paths
from espalier.queue.nudge import nudge
from espalier.queue.tickets import is_entry_of, runs_in_queue
from espalier.store.index.run_index import RunIndex, needed_by
from espalier.tracking.run_rows import summarise
from espalier.workspace.handle import run_missing

# How long a runner may take to clean up after the end of its run, seconds.
_CLEANING_SECONDS = 10.0
_PAUSE_SECONDS = 0.01
_SHOWN = 3


def families(paths: WorkspacePaths, run_ids: Iterable[str]) -> Dict[str, str]:
    """Named runs and all runs below them by their ids, each once, parents before their children.

    Returns:
        For each the named run that it lies below; empty for a named one.

    Raises:
        EspalierError: `run_missing`.
    """
    found: Dict[str, str] = {}
    for run_id in dict.fromkeys(run_ids):
        run = paths.run(run_id)
        if not is_run_id(run_id) or not os.path.isdir(run.root):
            raise _missing(run)
        found.pop(run_id, None)  # (put in again, before its children)
        found[run_id] = ""
        for below in map(os.path.basename, (below.root for below in descendants_of(run))):
            found[below] = found.pop(below, run_id)
    return found


@contextlib.contextmanager
def present(run: RunPaths) -> Iterator[None]:
    """Raises EspalierError `run_missing`, in place of what else fails, where another process deletes the run."""
    try:
        yield
    except (OSError, EspalierError) as error:
        if os.path.isdir(run.root):
            raise
        raise _missing(run) from error
    if not os.path.isdir(run.root):
        raise _missing(run)


def _missing(run: RunPaths) -> EspalierError:
    return run_missing(os.path.basename(run.root), run.workspace.root)


def ended(paths: WorkspacePaths, run_ids: Iterable[str], verb: str) -> Dict[str, str]:
    """The final state of each run by its id, or `Damaged`. Runners that clean up after their runs are waited for.

    Args:
        verb: What is to be done with the runs, `delete`.

    Raises:
        EspalierError: `run_in_use` when one has not ended, `newer_format`.
    """
    runs = {run_id: paths.run(run_id) for run_id in run_ids}
    found = {run_id: _state_of(run) for run_id, run in runs.items()}
    unended = [runs[run_id] for run_id, state in found.items() if state in states.UNFINISHED]
    if unended:
        nudge(unended)  # (the runner of one may be dead)
        found = {run_id: _state_of(run) for run_id, run in runs.items()}
    until = time.monotonic() + _CLEANING_SECONDS
    busy = _busy(runs, found)
    while busy and time.monotonic() < until and states.UNFINISHED.isdisjoint(busy.values()):
        report("Waiting for runners to clean up", 0)
        time.sleep(_PAUSE_SECONDS)
        busy = _busy(runs, found)
    if busy:
        clean = "{}, its runner cleans up"
        words = [f"{id} ({state if state in states.UNFINISHED else clean.format(state)})" for id, state in busy.items()]
        more = f" and {len(busy) - _SHOWN} more" if len(busy) > _SHOWN else ""
        count = f"{len(busy)} of them not ended yet"
        raise EspalierError(
            "run_in_use",
            f"Can't {verb} {counted(len(runs), 'run')}: {count}: {', '.join(words[:_SHOWN])}{more}.",
            "Cancel those with cancel_run(), or wait for their end.",
            run_ids=list(busy),
        )
    return found


def readers_of(paths: WorkspacePaths, run_ids: Mapping[str, str]) -> Dict[str, List[str]]:
    """The ids of other runs that depend on some runs, or have read their outputs, and have ended, by the run they need.
    Raises EspalierError: `run_in_use` when one has not ended."""
    readers: Dict[str, List[str]] = {}
    for needed, run_id, status in index_of(paths).ask(needed_by):
        if needed not in run_ids or run_id in run_ids:
            continue
        if status in states.UNFINISHED:
            message = f"Can't delete the run {needed}: the run {run_id}, which is {status}, needs it."
            raise EspalierError("run_in_use", message, f"Wait for {run_id}, or cancel it.", run_ids=[needed])
        readers.setdefault(needed, []).append(run_id)
    return readers


def index_of(paths: WorkspacePaths) -> RunIndex:
    """The workspace's index of runs."""
    return RunIndex(paths, summarise)


def _state_of(run: RunPaths) -> str:
    check_definition(run)
    try:
        return read_status(run).state
    except (OSError, EspalierError) as error:
        if isinstance(error, EspalierError) and error.code == "newer_format":
            raise
        return states.DAMAGED


def _busy(runs: Mapping[str, RunPaths], found: Mapping[str, str]) -> Dict[str, str]:
    """The states of those that a process executes or cleans up, or will."""
    queued: Set[str] = set()
    with contextlib.suppress(OSError, EspalierError):  # (without a queue nothing is executed)
        queue = queue_paths()
        for run_id in runs_in_queue(queue) & runs.keys():
            lease = queue.lease(run_id)
            if not os.path.exists(lease) or is_entry_of(lease, runs[run_id].root):  # (else it is a copy's)
                queued.add(run_id)
    return {
        run_id: state
        for run_id, state in found.items()
        if state in states.UNFINISHED
        or run_id in queued
        or (states.is_final(state) and is_held(runs[run_id], is_final=True))
    }
