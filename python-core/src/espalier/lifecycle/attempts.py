"""The end of one attempt at a run: the run's own end, or its way back into the queue."""

import os
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from espalier.adapters.inside import append_text
from espalier.base import states
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.base.records import now_iso
from espalier.lifecycle.collect import collect, merge_folder, remove_working_copy
from espalier.lifecycle.digests import is_replaced, known_digests
from espalier.lifecycle.finish import finish, job_verdict, lost_error
from espalier.lifecycle.outcome import Outcome
from espalier.lifecycle.status import move

if TYPE_CHECKING:
    from espalier.base.retry import Retry

# Of an attempt that was not the last, this much is kept in the run's status.
_KEPT = ("attempt", "started_at", "ended_at", "duration_seconds", "exit_code", "signal", "error", "kept")
# Cleared for the next attempt.
_FRESH: Dict[str, Any] = {
    "started_at": None, "prepared_at": None, "ended_at": None, "duration_seconds": None, "exit_code": None,
    "signal": None, "pid": None, "pid_start": None, "boot_id": None, "job_pid": None, "runners": 1, "scratch": None,
}  # fmt: skip


def end_attempt(
    run: RunPaths, status: Dict[str, Any], state: str, error: Optional[Dict[str, Any]], **fields: Any
) -> Dict[str, Any]:
    """End a run, or, where its definition says so and nobody has canceled it, queue it for another attempt.

    Whoever calls this gives a run that comes back as Queued its ticket.

    Returns:
        The run's status.
    """
    # without its variables, which go first when a run ends, it can't be executed again
    if error is None or os.path.exists(run.cancel) or not os.path.exists(run.env):
        return finish(run, status, state, error, **fields)
    policy = _policy(run)
    if not policy.applies(int(status.get("attempt", 1)), str(error["code"])):
        return finish(run, status, state, error, **fields)
    return _repeat(run, status, error, policy, fields)


def end_job(
    run: RunPaths, status: Dict[str, Any], outcome: Outcome, spec: Optional[JobSpec] = None
) -> Dict[str, Any]:
    """End an attempt whose job has ended. See `end_attempt` and `job_verdict`."""
    state, error, fields = job_verdict(run, status, outcome, spec)
    return end_attempt(run, {**status, "warnings": fields.pop("warnings")}, state, error, **fields)


def end_lost_attempt(
    run: RunPaths, status: Dict[str, Any], cause: Optional[Tuple[str, str]] = None
) -> Dict[str, Any]:
    """End an attempt whose runner died while the job ran. See `end_attempt` and `lost_error`."""
    if is_replaced(run, known_digests(status)):  # (and if it is to be tried again, its next runner refuses it)
        note = f"{run.spec} isn't what it was when the run was submitted."
        status = {**status, "warnings": [*(status.get("warnings") or []), note]}
    return end_attempt(run, status, states.FAILED, lost_error(run, status, cause))


def _policy(run: RunPaths) -> "Retry":
    from espalier.base.retry import Retry  # (not loaded for a job that ended well)

    try:
        return read_as(JobSpec, run.spec).retry or Retry()
    except Exception:  # damaged: it cannot be executed again
        return Retry()


def _repeat(
    run: RunPaths, status: Dict[str, Any], error: Dict[str, Any], policy: "Retry", fields: Dict[str, Any]
) -> Dict[str, Any]:
    """Clear away what the attempt leaves, but its files and its log, and queue the run. Each part may be done again."""
    attempt = int(status.get("attempt", 1))
    if os.path.isdir(run.children):
        from espalier.lifecycle.children import end_children

        end_children(run, states.FAILED)
    warnings: List[str] = [str(text) for text in status.get("warnings") or []]
    kept = collect(run, status, warnings, run.attempt_files(attempt))
    remove_working_copy(run, status)
    if os.path.isdir(run.events) and not os.path.islink(run.events):  # the next attempt's metrics begin anew
        merge_folder(run, run.events, run.attempt_events(attempt), warnings)
    ended = {**status, **fields, "error": error, "ended_at": now_iso(time.time()), "kept": kept}
    attempts = [*(status.get("attempts") or []), {name: ended.get(name) for name in _KEPT}]
    _tell_in_log(run, attempt, policy, error)
    changes = {**_FRESH, "attempt": attempt + 1, "attempts": attempts, "retry_seconds": policy.pause(attempt)}
    return move(run, {**status, "warnings": warnings}, states.QUEUED, **changes)


def _tell_in_log(run: RunPaths, attempt: int, policy: "Retry", error: Dict[str, Any]) -> None:
    line = f"--- attempt {attempt} of {policy.attempts}: {error['message'].splitlines()[0]}; it is tried again ---\n"
    append_text(run.root, run.log, line)
