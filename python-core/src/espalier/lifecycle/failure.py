"""Why a job failed, in its own words: the error its R recorded, else what its log ends with.

R's errors are found in every language: by the condition that its prelude recorded, or, where R calls no handler (a C
stack overflow), by the text of R's last error; of an R without the prelude by the words R has for "Error in".
"""

import contextlib
import json
import os
import re
import signal
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from espalier.adapters.files import open_regular, with_body
from espalier.adapters.inside import names_in
from espalier.base.model.status import plain_error
from espalier.base.paths import PRELUDE_WRITER, RunPaths
from espalier.base.scratch_paths import ScratchPaths
from espalier.lifecycle.hints import hint_on_error, hint_on_status, relative_paths
from espalier.lifecycle.log_text import cut_middle, last_lines
from espalier.lifecycle.scratch import live_scratch

_BEGIN = re.compile(r"(?:Exception Group )?Traceback \(most recent call last\):?$")
_TRACEBACK_FRAME = re.compile(r'  File ".*", line \d+')
_END = re.compile(r"([A-Za-z_][\w.]*)(?:: (.*))?$")
# What Python writes between two tracebacks of which one led to the other.
_LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_TRACEBACK_LINES = 200


def python_error(log: Sequence[str]) -> Optional[Dict[str, Any]]:
    """`Type: message` below the last traceback of a log.

    Args:
        log: The log's last lines.

    Returns:
        `message`, `class`, `traceback`, and `before`: the lines of the log before it. None if there is no traceback.
    """
    # (of an exception group each line begins with bars)
    lines = [re.sub(r"^\s*[|+] ", "", line) for line in log]
    starts = [i for i, line in enumerate(lines) if _BEGIN.search(line)]
    # a long traceback has its head above the end of the log; its frames are still recognisable
    frames = [i for i, line in enumerate(lines) if _TRACEBACK_FRAME.match(line)]
    if not starts and not frames:
        return None
    begin = starts[-1] + 1 if starts else frames[0]
    for i in range(begin, len(lines)):
        found = _END.match(lines[i])
        if found:
            first = _first_of_chain(lines, starts) if starts else begin
            # (what was printed without a newline, such as a prompt, stands before the head)
            head = _BEGIN.search(lines[first])
            printed = [lines[first][: head.start()]] if head and head.start() else []
            traceback = [head[0] if head else lines[first], *log[first + 1 : i + 1]]
            return {
                "message": lines[i],
                "class": [found.group(1)],
                "traceback": traceback[-_TRACEBACK_LINES:],
                "before": [*log[:first], *printed],
            }
    return None


def _first_of_chain(lines: List[str], starts: List[int]) -> int:
    """Where the first of the tracebacks begins that the last one followed from."""
    at = len(starts) - 1
    while at > 0:
        above = next((line for line in reversed(lines[starts[at - 1] : starts[at]]) if line.strip(" |")), "")
        if above.strip() not in _LINKS:
            break
        at -= 1
    return starts[at]


_FRAME = re.compile(r'[\s|+]*File "(.+)", line (\d+)')
_LOG_BYTES = 65_536
_TAIL_LINES = 20
_USEFUL_LINES = 3
_LINE_LENGTH = 500
_MESSAGE_LENGTH = 3000
_BODY_BYTES = 65_536
# How much is read of each log.
_EVENTS_BYTES = 8 << 20
# What R begins its errors with in the languages it has (its catalogues R.po, "Error in " and "Error: ").
_R_ERROR = re.compile(
    r"\s?(?=.*:)(?:(?:Error|Fejl|Fehler|Erreur|Errore|Feil|Erro|Klaida|Ошибка|Hata|BŁĄD|Błąd|에러|エラー|错误|錯誤)"
    r"(?: in | en | dans | i |, esanti | w | em | в | oluştu|于|在|\s?:)|以下にエラー|다음에 오류가 있습니다)"
)


def log_tail(path: str) -> List[str]:
    """The last lines of a log, each cut to a readable length; empty if there is none."""
    return _tail(last_lines(path, _LOG_BYTES))


def _tail(lines: List[str]) -> List[str]:
    lines = [cut_middle(line, _LINE_LENGTH) for line in lines]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines[-_TAIL_LINES:]


def job_error(
    run: RunPaths,
    exit_code: Optional[int],
    number: Optional[int],
    cause: Optional[Tuple[str, str]] = None,
    hint: str = "",
    traceback: Sequence[str] = (),
) -> Dict[str, Any]:
    """The error record of a job that ended with a bad exit status.

    Args:
        exit_code: Its exit status, or None if a signal ended it.
        number: The signal's number, or None.
        cause: Code and message of what ended it, where its executor knows that.
        hint: What its executor says can be done.
        traceback: Where the executor failed, the lines of that.
    """
    log = last_lines(run.log, _LOG_BYTES)
    tail = _tail(log)
    if cause is not None:
        return plain_error(*cause, tail, traceback=traceback)
    how = _how_it_ended(exit_code, number)
    of_r = _recorded_r_error(run) or _last_r_error(run, log)
    found: Dict[str, Any] = of_r or python_error(log) or _usage_error(tail, exit_code) or _r_error(tail) or {}
    message = found.get("message", "")
    scratch = live_scratch(run) if message else None
    place = found.get("place") or (place_in_traceback(found.get("traceback", []), scratch.job) if scratch else None)
    hint = (hint_on_error(run, scratch, found) if message else hint_on_status(exit_code, number)) or hint
    before = found.get("before")
    error = {
        "code": "job_killed" if number is not None else "job_failed",
        "message": message[: _MESSAGE_LENGTH - 100],
        "call": found.get("call"),
        "place": place if isinstance(place, str) else None,
        "class": found.get("class", []),
        "traceback": found.get("traceback", []),
        "log_tail": tail,
        "log_before": _before(log, found.get("first_line", message)) if before is None else _useful(before),
        **_hint(hint),
    }
    error = _as_in_the_project(error, scratch) if scratch else error
    return {**error, "message": f"{error['message']} ({how})" if message else f"The job ended with {how}."}


def _hint(hint: str) -> Dict[str, str]:
    return {"hint": hint} if hint else {}


def _as_in_the_project(error: Dict[str, Any], scratch: ScratchPaths) -> Dict[str, Any]:
    """An error whose files of the working copy are named as those of the project: the copy is gone soon."""

    def relative(value: Any) -> Any:
        if isinstance(value, list):
            return relative_paths([str(line) for line in value], scratch)
        return relative_paths([value], scratch)[0] if isinstance(value, str) else value

    return {name: relative(value) for name, value in error.items()}


def _before(log: List[str], first_line: str) -> List[str]:
    """What the log shows before the error: its last lines that are not those of the error itself."""
    lines = [line for line in log if line.strip()]
    begin = first_line.split("\n")[0][:60]
    at = next((i for i in range(len(lines) - 1, -1, -1) if begin and begin in lines[i]), len(lines))
    if at < len(lines) and lines[at].startswith(" ") and at > 0 and _R_ERROR.match(lines[at - 1]):
        at -= 1  # R puts a long call and its message on two lines
    return _useful(lines[:at])


def _useful(lines: Sequence[str]) -> List[str]:
    """The last lines with text."""
    return [cut_middle(line, _LINE_LENGTH) for line in lines if line.strip()][-_USEFUL_LINES:]


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
    for event in _prelude_events(run):
        if _is_error(event) and (best is None or event["time"] >= best["time"]):
            best = event
    if best is None:
        return None
    return {**best, "message": _with_warning(run, best), "first_line": best["message"]}


def _with_warning(run: RunPaths, error: Dict[str, Any]) -> str:
    """The error's message. What R puts into a warning right before it, such as the name of the file that could not be
    opened, follows."""
    message, call, seq = error["message"], error.get("call"), error.get("seq")
    if not call or not isinstance(seq, int):
        return str(message)
    for event in _prelude_events(run):
        same = event.get("type") == "warning" and event.get("call") == call and event.get("seq") == seq - 1
        if same and event["writer"] == error["writer"] and isinstance(event.get("message"), str):
            # (`options(warn = 2)` makes the warning itself the error)
            return message if event["message"] in message else f"{message}: {event['message']}"
    return str(message)


def _last_r_error(run: RunPaths, log: List[str]) -> Optional[Dict[str, Any]]:
    """R's last error as its prelude recorded it at R's end, if the log shows it: one that was caught may be silent."""
    shown = " ".join(" ".join(log).split())
    best: Optional[Dict[str, Any]] = None
    for event in _prelude_events(run):
        text, time = event.get("message"), event.get("time")
        if event.get("type") != "last_error" or not isinstance(text, str) or not isinstance(time, (int, float)):
            continue
        if " ".join(text.split())[:200] in shown and (best is None or time >= best["time"]):
            best = {"message": text.strip(), "time": time}
    return best


def _prelude_events(run: RunPaths) -> Iterator[Dict[str, Any]]:
    """The errors and warnings that R's prelude wrote, each with its `writer`."""
    try:
        names = names_in(run.events)
    except OSError:
        return
    for name in filter(lambda name: name.startswith(PRELUDE_WRITER), names):
        with contextlib.suppress(OSError), open_regular(os.path.join(run.events, name)) as file:
            for line in file.read(_EVENTS_BYTES).splitlines():
                yield {**_event(run, line), "writer": name}


def _event(run: RunPaths, line: bytes) -> Dict[str, Any]:
    """One event, whole; an empty one where a line or its payload is none."""
    try:
        event = json.loads(line)
        if not isinstance(event, dict) or event.get("type") not in ("error", "warning", "last_error"):
            return {}
        return with_body(run, event, _BODY_BYTES)
    except (OSError, ValueError, RecursionError):
        return {}


def _is_error(event: Dict[str, Any]) -> bool:
    """Whether it is an error with all it needs; a job may write there too."""
    return (
        event.get("type") == "error"
        and isinstance(event.get("time"), (int, float))
        and isinstance(event.get("message"), str)
        and isinstance(event.get("class"), list)
        and isinstance(event.get("traceback"), list)
    )


def _usage_error(tail: List[str], exit_code: Optional[int]) -> Optional[Dict[str, Any]]:
    """What Python's argparse ends with: `train.py: error: argument --rate: invalid float value: 'x'`."""
    is_one = exit_code == 2 and tail and re.match(r"\S.*: error: .", tail[-1])
    return {"message": tail[-1]} if is_one else None


def _r_error(tail: List[str]) -> Optional[Dict[str, Any]]:
    """R's own `Error in call : message`, for R that ran without the prelude."""
    for i in range(len(tail) - 1, -1, -1):
        if _R_ERROR.match(tail[i]):
            end = tail[i:]
            # (what follows is "Calls: f -> g" and "Execution halted", in R's language)
            stop = next((k for k, line in enumerate(end) if k and (" -> " in line or k == len(end) - 1)), len(end))
            return {"message": "\n".join(end[: max(stop, 1)])}
    return None


def place_in_traceback(lines: Sequence[str], folder: str) -> Optional[str]:
    """`<file>:<line>` of the innermost frame that lies in the job's folder, the file relative to it."""
    for frame in reversed([found for found in map(_FRAME.match, map(str, lines)) if found]):
        path = os.path.relpath(os.path.join(folder, frame[1]), folder)
        if not path.startswith(os.pardir + os.sep) and os.path.isfile(os.path.join(folder, path)):
            return f"{path}:{frame[2]}"
    return None
