"""The state and the error of a run whose job did not end well. Loaded for those alone."""

import os
from typing import Any, Dict, Mapping, Optional, Tuple

from espalier.adapters.oom import Shortage
from espalier.base import states
from espalier.base.model.status import plain_error
from espalier.base.paths import RunPaths
from espalier.lifecycle.ask import canceled_message
from espalier.lifecycle.failure import job_error, log_tail
from espalier.lifecycle.status import Known, Outcome
from espalier.lifecycle.strays import shortage_of

# By signal 9, also as a shell passes that on.
_KILLED = 137
# The machine's counter counts all users' processes: it says something of a job that used this part of its memory.
_LARGE = 0.1


def verdict(known: Known, outcome: Outcome) -> Tuple[str, Dict[str, Any]]:
    """The final state and the error of a run whose job was ended, or ended with an error."""
    if outcome.stopped_by == "timed_out":
        return states.CANCELED, _stop_error(known.run, "timed_out", _timed_out_message(known))
    if outcome.stopped_by == "canceled":
        return states.CANCELED, _stop_error(known.run, "canceled", canceled_message(known.run))
    error = job_error(known.run, outcome.exit_code, outcome.signal, outcome.cause, outcome.hint, outcome.traceback)
    return states.FAILED, with_memory(error, outcome)


def lost_error(known: Known, cause: Optional[Tuple[str, str]] = None) -> Dict[str, Any]:
    """The error of a run whose runner died while the job ran.

    Args:
        cause: Code and message of what had ended the job before, by its executor.
    """
    run = known.run
    if cause is not None:
        return plain_error(*cause, log_tail(run.log))
    message = "The process that ran this job was killed, and the job with it."
    if known.status.is_recorded:
        message = "The session that recorded this run ended without completing it."
    elif known.status.state == states.FINALIZING:
        message = "Its job succeeded, but the process that waited for its child runs was killed."
    return lost_to_memory(plain_error("runner_lost", message, log_tail(run.log)), shortage_of(run))


def died_before_start(run: RunPaths, times: int) -> Dict[str, Any]:
    """The error of a run whose runners died before its job was started."""
    message = f"The runner died {times} times before the job was started."
    return plain_error("prepare_failed", message, log_tail(run.runner_log))


def _timed_out_message(known: Known) -> str:
    if known.spec is None:
        return "It took longer than its limit."
    return f"It took longer than its limit of {known.spec.max_run_duration_seconds or 0:g} s."


def _stop_error(run: RunPaths, code: str, message: str) -> Dict[str, Any]:
    return plain_error(code, message, log_tail(run.log) if os.path.exists(run.log) else [])


def with_memory(error: Dict[str, Any], outcome: Outcome) -> Dict[str, Any]:
    """The error of a failed job; with lack of memory as its cause where the kernel's own counters show that."""
    usage: Mapping[str, Any] = outcome.usage or {}
    shortage, peak = outcome.shortage, int(usage.get("max_memory_bytes") or 0)
    if shortage is None or not (shortage.group or peak >= _LARGE * shortage.limit):
        return error
    if error["code"] == "job_out_of_memory":  # the container's engine has said so
        return error
    if outcome.signal == 9 or outcome.exit_code == _KILLED:
        message = f"The job ran out of memory, and the kernel killed it (signal 9, SIGKILL). {_figures(shortage, peak)}"
        rest = {name: value for name, value in error.items() if name != "hint"}
        return {**rest, "code": "job_out_of_memory", "message": message}
    if shortage.group:
        return {**error, "message": f"{error['message']}\n{_also_killed(shortage, peak)}"}
    return error


def lost_to_memory(error: Dict[str, Any], shortage: Optional[Shortage]) -> Dict[str, Any]:
    """The error of a run whose runner was killed, as `with_memory`."""
    if shortage is None or not shortage.group:
        return error
    return {**error, "code": "job_out_of_memory", "message": f"{error['message']} {_also_killed(shortage, 0)}"}


def _also_killed(shortage: Shortage, peak: int) -> str:
    processes = "1 process" if shortage.killed == 1 else f"{shortage.killed} processes"
    return f"While it ran, the kernel killed {processes} for lack of memory. {_figures(shortage, peak)}"


def _figures(shortage: Shortage, peak: int) -> str:
    used = f"It used up to {_size(peak)}; " if peak else ""
    where = "the control group that it ran in may use" if shortage.group else f"{os.uname().nodename} has"
    text = f"{used}{where} {_size(shortage.limit)}."
    return text[0].upper() + text[1:]


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
