"""The end of a run: one function whoever writes it (runner, guardian, the reaper of a dead runner, a cancel)."""

import contextlib
import os
import time
from typing import Any, Dict, List, Optional, Tuple

from espalier.base import states
from espalier.base.errors import CODES
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.base.records import now_iso, read_record
from espalier.lifecycle.collect import clean, collect
from espalier.lifecycle.extent import extent_of
from espalier.lifecycle.inputs import changed_inputs
from espalier.lifecycle.leftovers import NOT_COLLECTED
from espalier.lifecycle.outcome import Outcome, outcome_fields
from espalier.lifecycle.status import correct, move
from espalier.lifecycle.summary import last_metrics


def job_verdict(
    run: RunPaths, status: Dict[str, Any], outcome: Outcome, spec: Optional[JobSpec] = None
) -> Tuple[str, Optional[Dict[str, Any]], Dict[str, Any]]:
    """The final state, the error and further fields of a run whose job was started and has ended.

    Args:
        spec: The run's definition, where it has been read.
    """
    if outcome.stopped_by == "timed_out":
        state, error = states.CANCELED, _stop_error(run, "timed_out", _timed_out_message(run))
    elif outcome.stopped_by == "canceled":
        state, error = states.CANCELED, _stop_error(run, "canceled", canceled_message(run))
    elif outcome.exit_code == 0 and outcome.cause is None:
        state, error = states.COMPLETED, None
    else:
        from espalier.lifecycle.failure import job_error  # (not loaded for a job that ended well)
        from espalier.lifecycle.memory import with_memory

        error = job_error(run, outcome.exit_code, outcome.signal, outcome.cause, outcome.hint)
        state, error = states.FAILED, with_memory(error, outcome)
    warnings = [*(status.get("warnings") or []), *outcome.warnings, *changed_inputs(run, spec)]
    return state, error, {**outcome_fields(outcome), "warnings": warnings}


def finish(
    run: RunPaths, status: Dict[str, Any], state: str, error: Optional[Dict[str, Any]], **fields: Any
) -> Dict[str, Any]:
    """Write a final state, durable, after bringing home what the job left; then remove what is not kept.

    Idempotent: killed anywhere in between, it is called again and does the rest.
    """
    warnings = [str(text) for text in status.get("warnings") or []]
    # whatever a job leaves in its folder, its run ends: what fails here becomes a warning
    is_collected = False
    try:
        kept = collect(run, status, warnings)
        is_collected = True
        if kept is not None:
            fields["kept"] = kept
    except Exception as problem:
        warnings.append(_not_collected(status, problem))
    try:
        summary = last_metrics(run)
    except Exception as problem:
        warnings.append(f"The metrics could not be summed up: {problem}.")
        summary = None
    if summary is not None:
        fields["metrics"] = summary
    with contextlib.suppress(Exception):
        fields["logs"] = extent_of(run)
    if os.path.isdir(run.children):
        from espalier.lifecycle.children import end_children, failed_children

        end_children(run, state)
        warnings += failed_children(run)
    with contextlib.suppress(OSError):  # it may hold secrets: gone before anybody sees the end
        os.unlink(run.env)
    record = move(run, status, state, ended_at=now_iso(time.time()), error=error, warnings=warnings, **fields)
    with contextlib.suppress(OSError):  # the next look at the run's lease tries again
        if is_collected:
            clean(run, record)
    return record


def clean_again(run: RunPaths, status: Dict[str, Any]) -> None:
    """Do what is left of the end of a run that has its final state. Raises OSError: it cannot be done now."""
    told = [str(text) for text in status.get("warnings") or []]
    warnings = [text for text in told if not text.startswith(NOT_COLLECTED)]
    was_collected = warnings == told
    kept = collect(run, status, warnings)
    if not was_collected:
        correct(run, status, warnings=warnings, **({} if kept is None else {"kept": kept}))
    clean(run, status)


def _not_collected(status: Dict[str, Any], problem: Exception) -> str:
    place = (status.get("scratch") or {}).get("path")
    return f"{NOT_COLLECTED} {problem}. They are in {place} until they can."


def plain_error(code: str, message: str, tail: Optional[List[str]] = None) -> Dict[str, Any]:
    """An error record that does not come from the job's own words."""
    return {
        "code": code,
        "message": message,
        "call": None,
        "place": None,
        "class": [f"espalier_error_{code}"] if code in CODES else [],
        "traceback": [],
        "log_tail": tail or [],
    }


def lost_error(run: RunPaths, status: Dict[str, Any], cause: Optional[Tuple[str, str]] = None) -> Dict[str, Any]:
    """The error of a run whose runner died while the job ran.

    Args:
        cause: Code and message of what had ended the job before, by its executor.
    """
    from espalier.lifecycle.failure import log_tail
    from espalier.lifecycle.memory import lost_to_memory
    from espalier.lifecycle.strays import shortage_of

    if cause is not None:
        return plain_error(*cause, log_tail(run.log))
    message = "The process that ran this job was killed, and the job with it."
    if "collect_from" in status:  # an interactive run
        message = "The session that recorded this run ended without completing it."
    elif status["state"] == states.FINALIZING:
        message = "Its job had ended well; the process that waited for its child runs was killed."
    return lost_to_memory(plain_error("runner_lost", message, log_tail(run.log)), shortage_of(run))


def canceled_message(run: RunPaths) -> str:
    """Who asked for the cancel, as far as it is known."""
    try:
        request = read_record(run.cancel)
        parent = request.get("parent")
        return f"Canceled with its parent, {parent}." if parent else f"Canceled by {request.get('by', 'somebody')}."
    except Exception:  # no request file: a signal from outside, the machine shutting down
        return "Canceled: the runner was told to stop by a signal from outside espalier."


def _timed_out_message(run: RunPaths) -> str:
    try:
        return f"It took longer than its limit of {read_as(JobSpec, run.spec).max_run_duration_seconds or 0:g} s."
    except Exception:  # (a record that cannot be read stops no end)
        return "It took longer than its limit."


def _stop_error(run: RunPaths, code: str, message: str) -> Dict[str, Any]:
    from espalier.lifecycle.failure import log_tail

    return plain_error(code, message, log_tail(run.log) if os.path.exists(run.log) else [])
