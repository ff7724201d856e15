"""The runs that a user names, with the runs below them; and whether they have ended."""

import contextlib
import os
import time
from typing import Dict, Iterable, List, NamedTuple, Sequence, Set

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths, WorkspacePaths, is_run_id
from espalier.base.progress import report
from espalier.base.resources import counted
from espalier.executors.registry import is_held
from espalier.lifecycle.children import descendants_of
from espalier.lifecycle.status import check_formats, read_status
from espalier.queue.home import queue_paths
from espalier.queue.nudge import nudge
from espalier.queue.tickets import is_entry_of, runs_in_queue
from espalier.store.index.run_index import RunIndex, needed_by
from espalier.tracking.run_rows import summarise

# How long a runner may take to clean up after the end of its run, seconds.
_CLEANING_SECONDS = 10.0
_PAUSE_SECONDS = 0.01
_SHOWN = 3


class Member(NamedTuple):
    """A run that was named, or lies below one that was: that one's id is `above`, which is empty for a named one."""

    run: RunPaths
    above: str = ""

    @property
    def run_id(self) -> str:
        return os.path.basename(self.run.root)


def families(paths: WorkspacePaths, run_ids: Iterable[str]) -> List[Member]:
    """The runs of some ids and all runs below them, each once, parents before their children.

    Raises:
        EspalierError: `run_missing`.
    """
    found: Dict[str, Member] = {}
    named = list(dict.fromkeys(run_ids))
    for run_id in named:
        run = paths.run(run_id)
        if not is_run_id(run_id) or not os.path.isdir(run.root):
            raise EspalierError("run_missing", f"There is no run {run_id!r} in {paths.root}.", "See list_runs().")
        for member in (Member(run), *(Member(below, run_id) for below in descendants_of(run))):
            known = found.pop(member.run_id, member)  # (put in again, behind its parent)
            found[member.run_id] = known if member.above else member
    return list(found.values())


def refuse_unended(members: Sequence[Member], verb: str) -> Dict[str, str]:
    """Wait for runners that clean up after their runs, and refuse runs that have not ended.

    Args:
        verb: What is to be done with them, `delete`.

    Returns:
        The state of each run: how it ended, or `Damaged` where no process knows.

    Raises:
        EspalierError: `run_in_use`, `newer_format`.
    """
    for member in members:
        check_formats(member.run)
    open_runs = [member.run for member in members if _state_of(member) in states.UNFINISHED]
    if open_runs:
        nudge(open_runs)  # (the runner of one may be dead)
    until = time.monotonic() + _CLEANING_SECONDS
    while True:
        seen = {member.run_id: _state_of(member) for member in members}
        busy = _busy(members, seen)
        if not busy or time.monotonic() > until or any(seen[run_id] in states.UNFINISHED for run_id in busy):
            break
        report("Waiting for runners to clean up", 0)
        time.sleep(_PAUSE_SECONDS)
    if busy:
        shown = ", ".join(f"{run_id} ({_word(seen[run_id])})" for run_id in busy[:_SHOWN])
        more = f" and {len(busy) - _SHOWN} more" if len(busy) > _SHOWN else ""
        raise EspalierError(
            "run_in_use",
            f"Can't {verb} {counted(len(members), 'run')}: {len(busy)} of them not ended yet: {shown}{more}.",
            "Cancel those with cancel_run(), or wait for their end.",
            run_ids=busy,
        )
    return seen


def refuse_needed(paths: WorkspacePaths, members: Sequence[Member]) -> Dict[str, List[str]]:
    """Refuse to delete runs that queued or running ones need.

    Returns:
        For each run that ended ones have read outputs of, or depended on: their ids.

    Raises:
        EspalierError: `run_in_use`.
    """
    own = {member.run_id for member in members}
    readers: Dict[str, List[str]] = {}
    for needed, run_id, status in index_of(paths).ask(needed_by):
        if needed not in own or run_id in own:
            continue
        if status in states.UNFINISHED:
            raise EspalierError(
                "run_in_use",
                f"Can't delete the run {needed}: the run {run_id}, which is {status}, needs it.",
                f"Wait for {run_id}, or cancel it.",
                run_ids=[needed],
            )
        readers.setdefault(needed, []).append(run_id)
    return readers


def index_of(paths: WorkspacePaths) -> RunIndex:
    """The workspace's index of runs."""
    return RunIndex(paths, summarise)


def _state_of(member: Member) -> str:
    try:
        return read_status(member.run).state
    except (OSError, EspalierError):
        return states.DAMAGED


def _busy(members: Sequence[Member], seen: Dict[str, str]) -> List[str]:
    """Those that a process executes or cleans up, or will."""
    queued: Set[str] = set()
    with contextlib.suppress(OSError, EspalierError):  # (no queue can be had here, and nothing is executed)
        queue = queue_paths()
        known = runs_in_queue(queue)
        for member in members:
            lease = queue.lease(member.run_id)
            if member.run_id in known and (not os.path.exists(lease) or is_entry_of(lease, member.run.root)):
                queued.add(member.run_id)
    return [
        member.run_id
        for member in members
        if seen[member.run_id] in states.UNFINISHED
        or member.run_id in queued
        or (states.is_final(seen[member.run_id]) and is_held(member.run, is_final=True))
    ]


def _word(state: str) -> str:
    return state if state in states.UNFINISHED else f"{state}, its runner cleans up"
