"""From the start of a job to the end of its run: loaded while the job runs, it is not on the way to its start."""

import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Any, Dict, Optional

from espalier.adapters.processes import kill_group
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.job import JobSpec
from espalier.base.model.status import Status, plain_error
from espalier.base.paths import RunPaths
from espalier.executors.contract import Executor
from espalier.lifecycle.collect import collect, remove_working_copy
from espalier.lifecycle.end import end_attempt, end_job, finish
from espalier.lifecycle.place import Place
from espalier.lifecycle.status import Known, check_run_format, correct, read_status
from espalier.runner.ahead import load_next
from espalier.runner.requests import Attendant
from espalier.runner.watch import watch

if TYPE_CHECKING:
    from espalier.runner.secrets import Attached


def see_to_the_end(
    place: Place,
    status: Status,
    spec: JobSpec,
    executor: Executor,
    job: int,
    started: float,
    attached: "Optional[Attached]",
) -> None:
    """Watch a job that was started, and write its run's end.

    Args:
        status: The run's, as it was last written.
        started: `time.monotonic()` at its start.
        attached: Its secrets, if it has any.
    """
    run = place.now()
    try:
        attendant = Attendant(run, is_confined=executor.capabilities.is_confined)
        limit, measure = spec.max_run_duration_seconds, executor.measure(run)
        if measure is not None:
            list(load_next(is_ready=True))
        outcome = watch(run, job, started, limit, attend=attendant.look, measure=measure, place=place.now)
    except BaseException:  # no process would watch it any more
        kill_group(job, signal.SIGKILL)
        raise
    if attached is not None:
        attached.finish()
    attendant.close()
    run = place.now()  # (its workspace may have been moved meanwhile)
    outcome = executor.outcome(run, outcome)
    try:
        wait_until_released = executor.release(run)
    except EspalierError as error:  # (the job has ended as it has)
        wait_until_released = None
        outcome = outcome._replace(warnings=[*outcome.warnings, error.message])
    if os.path.isdir(run.children):
        from espalier.runner.children import wait_for_children

        status, outcome = wait_for_children(run, status, spec, outcome)
    place.following(lambda run: end_job(Known(run, status, spec), outcome))
    if wait_until_released is not None:
        try:
            wait_until_released(place.now())
        except EspalierError as error:
            place.following(partial(_warn, error.message))


def _warn(warning: str, run: RunPaths) -> None:
    status = read_status(run)
    correct(run, status, warnings=(*status.warnings, warning))


def clear_away(run: RunPaths, status: Status) -> None:
    """Bring home and remove what an earlier runner left and no process has settled: its lease is lost."""
    known = Known(run, status)
    collect(known, [])
    remove_working_copy(known)


def fail_with(run: RunPaths, code: str, error: EspalierError) -> None:
    """End an attempt whose job could not be made ready, or started."""
    message = f"{error.message} {error.hint}".rstrip()
    lines = error.fields.get("traceback", [])
    fail(run, plain_error(code, message, classes=[f"espalier_error_{error.code}"], traceback=lines))


def fail(run: RunPaths, error: Dict[str, Any], state: str = states.FAILED) -> None:
    """End an attempt whose job could not be started, or watched."""
    status = read_status(run)
    if not states.is_final(status.state):
        end_attempt(Known(run, status), state, error)


def fail_changed(run: RunPaths, path: str) -> None:
    """End a run whose definition or variables were changed after submit: for good, because what it says of further
    attempts may be what was changed."""
    check_run_format(run)  # (one that a newer espalier has written is left to that)
    message = f"Can't execute the run: {path} changed after submit."
    error = EspalierError("record_changed", message, "Submit it again.")
    record = plain_error("prepare_failed", f"{error.message} {error.hint}", classes=[f"espalier_error_{error.code}"])
    finish(Known(run, read_status(run)), states.FAILED, record)
