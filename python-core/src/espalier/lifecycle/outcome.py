"""How a job ended."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from espalier.adapters.oom import Shortage


class Outcome(NamedTuple):
    """How a job ended: its real exit status, and why we ended it, if we did."""

    exit_code: Optional[int]
    signal: Optional[int]
    stopped_by: Optional[str]  # None, "canceled" or "timed_out"
    duration: float
    # what it used in all (protocol.md, `usage`)
    usage: Optional[Dict[str, Any]] = None
    warnings: List[str] = []
    # what the kernel killed meanwhile for lack of memory
    shortage: Optional[Shortage] = None
    # by its executor: code and message of what ended it, where that is not for the job to say, and what to do about it
    cause: Optional[Tuple[str, str]] = None
    hint: str = ""


def outcome_fields(outcome: Outcome) -> Dict[str, Any]:
    """The outcome as fields of status.json."""
    return {
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "duration_seconds": round(max(outcome.duration, 0.0), 6),
        "usage": outcome.usage,
    }
