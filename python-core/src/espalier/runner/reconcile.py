"""Ending a run whose runner is dead, and of which its executor may hold something: `python -I -S runner/reconcile.py
RUN_DIR [LEASE]`.

Started, detached, by the process that settles the run, because an executor may take long to answer. It holds the run's
lease as a runner does, so that one is at it and the queue counts what the job takes. A run whose job was not started
yet is only rid of what its executor holds: the next process that settles it queues it again. So is one with an end,
whose runner died before that was given up. Standard library only.
"""

import contextlib
import os
import sys
import time
import traceback
from typing import Any, Dict, Optional

if __name__ == "__main__":  # (see runner/__main__.py)
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from espalier.adapters import posix
from espalier.adapters.cgroup import leave_job
from espalier.adapters.inside import replace_inside
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.model.status import Status, plain_error
from espalier.base.model.ticket import Claim
from espalier.base.paths import FORMAT, RunPaths
from espalier.base.records import dump_record, read_record, seconds_of
from espalier.executors.contract import Executor, Reconciled
from espalier.executors.registry import executor_of, own_holder
from espalier.lifecycle.digests import is_replaced, known_digests
from espalier.lifecycle.end import clean_again, end_attempt, end_job, end_lost_attempt
from espalier.lifecycle.status import Known, Outcome, read_status
from espalier.lifecycle.strays import end_strays
from espalier.queue.step import release_and_step, step

# So long the code of another package's executor may take to load, seconds.
_LOAD_SECONDS = 60.0
# How often it is asked about an attempt: one that ends this process each time must not be asked for ever.
_TIMES = 3


def main(run_dir: str, lease: Optional[int]) -> None:
    """End the run by what became of its job, give its lease back and move the queue on."""
    posix.close_inherited(lease)
    leave_job()
    run = RunPaths(run_dir)
    try:
        _end(run)
    except BaseException:  # (the code of another package may raise anything)
        traceback.print_exc()
    if lease is None:
        step()
    else:
        release_and_step(Claim(run_dir, lease), take=False)


def _end(run: RunPaths) -> None:
    fd = posix.open_lockable(run.spec)  # held to the end of this process, as a runner does
    if not posix.try_lock(fd):
        return
    status = read_status(run)
    if states.is_final(status.state):
        if not _reconciled(run, status).is_gone:  # it is not looked for again
            _forget(run.container)
        _forget(run.executor)
        return clean_again(Known(run, read_status(run)))
    failed, found = _noted(run).get("failed"), _reconciled(run, status)
    end_strays(run)
    status = read_status(run)
    if not status.started_at:
        _forget(run.container, run.executor)  # (what could not be removed the next attempt finds by its name)
        if type(failed) is str and not os.path.exists(run.cancel):  # (it would do the same again)
            classes = ["espalier_error_executor_failed"]
            end_attempt(Known(run, status), states.FAILED, plain_error("prepare_failed", failed, classes=classes))
        os.close(fd)  # (else it would seem to be executed)
    elif found.exit_code is not None:
        ended, started = min(found.ended_at or time.time(), time.time()), seconds_of(status.started_at) or time.time()
        outcome = Outcome(found.exit_code, None, _stopped_by(run), max(ended - started, 0.0))
        end_job(Known(run, status), outcome._replace(cause=found.cause, hint=found.hint))
    else:
        end_lost_attempt(Known(run, status), found.cause)


def _reconciled(run: RunPaths, status: Status) -> Reconciled:
    """Have the run's executor end what is left, if it is there."""
    own = own_holder(run)
    try:
        if own is not None:
            return own.reconcile(run, status)
        noted = _noted(run)
        asked, failed = noted.get("asked"), noted.get("failed")
        times = asked if type(asked) is int else 0
        name = read_as(JobSpec, run.spec).target
        if times >= _TIMES:
            message = f"The executor {name!r:.100}, which another package provides, failed: its `reconcile` ended"
            raise EspalierError("executor_failed", f"{message} the process that asked it, {times} times.")
        note = {**noted, "format": FORMAT, "executor": name, "asked": times + 1}
        replace_inside(run.root, run.executor, dump_record(note))
        found = _recorded_holder(run, status).reconcile(run, status)
        if found.exit_code is None and found.cause is None and type(failed) is str:
            found.cause = ("executor_failed", failed)  # (so the runner was killed)
        return found
    except (OSError, EspalierError) as error:
        traceback.print_exc()
        cause = (error.code, error.message) if isinstance(error, EspalierError) else None
        return Reconciled(cause=cause, is_gone=False)


def _recorded_holder(run: RunPaths, status: Status) -> Executor:
    """The executor that the definition names, if that is what was submitted."""
    if is_replaced(run, known_digests(status.digests)):
        raise EspalierError("record_changed", f"Can't use {run.spec}: it changed after submit.")
    return executor_of(read_as(JobSpec, run.spec), seconds=_LOAD_SECONDS)


def _noted(run: RunPaths) -> Dict[str, Any]:
    """What is noted of the executor: how often it was asked of this attempt, and how it failed before."""
    try:
        return read_record(run.executor)
    except (OSError, EspalierError):  # (a job can write it too)
        return {}


def _forget(*notes: str) -> None:
    for path in notes:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _stopped_by(run: RunPaths) -> Optional[str]:
    return "canceled" if os.path.exists(run.cancel) else None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
