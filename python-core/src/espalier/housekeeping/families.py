"""The runs that a user names, with the runs below them; and whether they may be deleted, archived or exported."""

import contextlib
import os
import time
from typing import Dict, Iterable, List, NamedTuple, Sequence

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

# How long a runner may take to clean up after the end of its run, seconds.
_CLEANING_SECONDS = 10.0
_PAUSE_SECONDS = 0.01
_SHOWN = 3


class Member(NamedTuple):
    """A run that was named, or lies below one that was. `above` is the id of that one, empty for a named run."""

    run: RunPaths
    above: str = ""

    @property
    def run_id(self) -> str:
        return os.path.basename(self.run.root)


def families(paths: WorkspacePaths, run_ids: Iterable[str]) -> List[Member]:
    """Named runs and all runs below them, each once, parents before their children.

    Raises:
        EspalierError: `run_missing`.
    """
    found: Dict[str, Member] = {}
    for run_id in dict.fromkeys(run_ids):
        run = paths.run(run_id)
        if not is_run_id(run_id) or not os.path.isdir(run.root):
            raise EspalierError("run_missing", f"There is no run {run_id!r} in {paths.root}.", "See list_runs().")
        for member in (Member(run), *(Member(below, run_id) for below in descendants_of(run))):
            known = found.pop(member.run_id, member)  # (put in again, behind its parent)
            found[member.run_id] = known if member.above else member
    return list(found.values())


def ended(members: Sequence[Member], verb: str) -> Dict[str, str]:
    """The final state of each run by its id, or `Damaged`. Runners that clean up after their runs are waited for.

    Args:
        verb: What is to be done with the runs, `delete`.

    Raises:
        EspalierError: `run_in_use` when one has not ended, `newer_format`.
    """
    found = _states(members)
    unended = [member.run for member in members if found[member.run_id] in states.UNFINISHED]
    if unended:
        nudge(unended)  # (the runner of one may be dead)
        found = _states(members)
    until = time.monotonic() + _CLEANING_SECONDS
    busy = _busy(members, found)
    while busy and time.monotonic() < until and states.UNFINISHED.isdisjoint(map(found.get, busy)):
        report("Waiting for runners to clean up", 0)
        time.sleep(_PAUSE_SECONDS)
        busy = _busy(members, found)
    if busy:
        words = [state if state in states.UNFINISHED else f"{state}, its runner cleans up" for state in found.values()]
        shown = ", ".join(f"{run_id} ({word})" for run_id, word in zip(found, words) if run_id in busy[:_SHOWN])
        more = f" and {len(busy) - _SHOWN} more" if len(busy) > _SHOWN else ""
        raise EspalierError(
            "run_in_use",
            f"Can't {verb} {counted(len(members), 'run')}: {len(busy)} of them not ended yet: {shown}{more}.",
            "Cancel those with cancel_run(), or wait for their end.",
            run_ids=busy,
        )
    return found


def readers_of(paths: WorkspacePaths, members: Sequence[Member]) -> Dict[str, List[str]]:
    """For each run that other runs depend on, or have read outputs of, the ids of those. All of them have ended.

    Raises:
        EspalierError: `run_in_use` when one has not.
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


def _states(members: Sequence[Member]) -> Dict[str, str]:
    return {member.run_id: _state_of(member.run) for member in members}


def _state_of(run: RunPaths) -> str:
    check_definition(run)
    try:
        return read_status(run).state
    except (OSError, EspalierError) as error:
        if isinstance(error, EspalierError) and error.code == "newer_format":
            raise
        return states.DAMAGED


def _busy(members: Sequence[Member], found: Dict[str, str]) -> List[str]:
    """Those that a process executes or cleans up, or will."""
    return [
        member.run_id
        for member, is_queued in zip(members, _are_queued(members))
        if is_queued
        or found[member.run_id] in states.UNFINISHED
        or (states.is_final(found[member.run_id]) and is_held(member.run, is_final=True))
    ]


def _are_queued(members: Sequence[Member]) -> List[bool]:
    """Whether the queue has a ticket or lease of each run, which may also be that of a copy."""
    with contextlib.suppress(OSError, EspalierError):  # (without a queue nothing is executed)
        queue = queue_paths()
        known, leases = runs_in_queue(queue), [queue.lease(member.run_id) for member in members]
        return [
            member.run_id in known and (not os.path.exists(lease) or is_entry_of(lease, member.run.root))
            for member, lease in zip(members, leases)
        ]
    return [False] * len(members)
