"""Why a job failed, in its own words: the error its R recorded, else what its log ends with."""

import contextlib
import json
import os
import re
import signal
from typing import Any, Dict, List, Optional

from espalier.adapters.files import open_regular, with_body
from espalier.lifecycle.container_failure import container_error
from espalier.paths import PRELUDE_WRITER, RunPaths

_TAIL_BYTES = 16_384
_TAIL_LINES = 20
_LINE_LENGTH = 500
_MESSAGE_LENGTH = 3000
_BODY_BYTES = 65_536


def log_tail(path: str) -> List[str]:
    """The last lines of a log, each cut to a readable length; empty if there is none."""
    try:
        with open_regular(path) as file:
            file.seek(max(os.path.getsize(path) - _TAIL_BYTES, 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = [line[:_LINE_LENGTH] for line in text.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines[-_TAIL_LINES:]


def job_error(run: RunPaths, exit_code: Optional[int], number: Optional[int]) -> Dict[str, Any]:
    """The error record of a job that ended with a bad exit status.

    Args:
        exit_code: Its exit status, or None if a signal ended it.
        number: The signal's number, or None.
    """
    tail = log_tail(run.log)
    boxed = container_error(run, exit_code)
    if boxed is not None:
        code, message = boxed
        return {"code": code, "message": message, "call": None, "class": [], "traceback": [], "log_tail": tail}
    how = _how_it_ended(exit_code, number)
    said: Dict[str, Any] = _recorded_r_error(run) or _python_error(tail) or _r_error(tail) or {}
    message = f"{said['message']} ({how})" if said.get("message") else f"The job ended with {how}."
    return {
        "code": "job_killed" if number is not None else "job_failed",
        "message": message[:_MESSAGE_LENGTH],
        "call": said.get("call"),
        "class": said.get("class", []),
        "traceback": said.get("traceback", []),
        "log_tail": tail,
    }


def _how_it_ended(exit_code: Optional[int], number: Optional[int]) -> str:
    if number is None:
        return f"exit status {exit_code}"
    try:
        return f"signal {number}, {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"


def _recorded_r_error(run: RunPaths) -> Optional[Dict[str, Any]]:
    """The last uncaught error the R prelude wrote."""
    best: Optional[Dict[str, Any]] = None
    names = os.listdir(run.events) if os.path.isdir(run.events) else []
    for name in names:
        if not name.startswith(PRELUDE_WRITER):
            continue
        with contextlib.suppress(OSError), open_regular(os.path.join(run.events, name)) as file:
            for line in file:
                event = _event(run, line)
                if _is_error(event) and (best is None or event["time"] >= best["time"]):
                    best = event
    return best


def _event(run: RunPaths, line: bytes) -> Dict[str, Any]:
    """One event, whole; an empty one where a line or its payload is none."""
    try:
        event = json.loads(line)
        if not isinstance(event, dict) or event.get("type") != "error":
            return {}
        return with_body(run, event, _BODY_BYTES)
    except (OSError, ValueError, RecursionError):
        return {}


def _is_error(event: Dict[str, Any]) -> bool:
    """Whether it is an error with all it needs; a job may write there too."""
    return (
        isinstance(event.get("time"), (int, float))
        and isinstance(event.get("message"), str)
        and isinstance(event.get("class"), list)
        and isinstance(event.get("traceback"), list)
    )


def _python_error(tail: List[str]) -> Optional[Dict[str, Any]]:
    """`Type: message` below the last traceback of the log."""
    starts = [i for i, line in enumerate(tail) if line.startswith("Traceback (most recent call last)")]
    # a long traceback has its head above the tail; its frames are still recognisable
    framed = any(re.match(r'  File ".*", line \d+', line) for line in tail)
    if not starts and not framed:
        return None
    for line in reversed(tail):
        found = re.match(r"([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)?)(?:: (.*))?$", line)
        if found and not line.startswith(" "):
            return {
                "message": line,
                "class": [found.group(1)],
                "traceback": tail[starts[-1] :] if starts else tail,
            }
    return None


def _r_error(tail: List[str]) -> Optional[Dict[str, Any]]:
    """R's own `Error in call : message`, for R that ran without the prelude."""
    for i in range(len(tail) - 1, -1, -1):
        if re.match(r"Error(?: in .*)?\s?:", tail[i]):
            end = tail[i:]
            stop = next((k for k, line in enumerate(end) if re.match(r"Calls: |Execution halted", line)), len(end))
            return {"message": "\n".join(end[:stop])}
    return None
