"""A job that the kernel killed for lack of memory: said where the kernel's own counters show it, and nowhere else."""

import os
from typing import Any, Dict, Optional

from espalier.adapters.oom import Shortage
from espalier.lifecycle.outcome import Outcome

# By signal 9, also as a shell passes that on.
_KILLED = 137
# The machine's counter counts all users' processes: it says something of a job that used this part of its memory.
_LARGE = 0.1


def with_memory(error: Dict[str, Any], outcome: Outcome) -> Dict[str, Any]:
    """The error of a failed job; with lack of memory as its cause, where that was it."""
    shortage, peak = outcome.shortage, int((outcome.usage or {}).get("max_memory_bytes") or 0)
    if shortage is None or not (shortage.group or peak >= _LARGE * shortage.limit):
        return error
    if error["code"] == "job_out_of_memory":  # the container's engine has said so
        return error
    if outcome.signal == 9 or outcome.exit_code == _KILLED:
        message = f"The job ran out of memory, and the kernel killed it (signal 9, SIGKILL). {_figures(shortage, peak)}"
        known = {name: value for name, value in error.items() if name != "hint"}
        return {**known, "code": "job_out_of_memory", "message": message}
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
