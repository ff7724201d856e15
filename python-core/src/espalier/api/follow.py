"""Following a run: its state and the growth of its log, for callers that wait."""

import os
import re
import sys
import time
from typing import Any, BinaryIO, Dict, List, NamedTuple, Optional, Tuple

from espalier.adapters.files import open_regular
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.lifecycle.failure_message import failure_message
from espalier.lifecycle.log_text import plain_bytes, plain_text
from espalier.lifecycle.status import status_record
from espalier.queue.nudge import nudge

_CHUNK_BYTES = 128 * 1024
# A line is shown when it is whole. Of a longer one the beginning is shown before that, and in the end the last bytes.
_LONG_LINE = 64 * 1024
_END_OF_LONG_LINE = 1000
# How much of a long line one look passes over.
_PASSED_BYTES = 64 * 1024 * 1024
# Of a longer one all but the last so many bytes are not looked at.
_SEARCHED_BYTES = 1024 * 1024 * 1024
# Two looks at the state while waiting: a stat costs 2 us, so this is the waiter's delay and not its load. Seconds.
_TICK = 0.003
# How long one look lasts when it is to be the whole wait. Seconds.
_LOOK_SECONDS = 0.5
_WHOLE_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\[\]])")
# A longer control sequence is shown in pieces rather than waited for.
_SEQUENCE_BYTES = 256


class Following(NamedTuple):
    """What a look at a run shows."""

    status: str
    final: bool
    log: str
    offset: int
    build_log: str = ""
    build_offset: int = -1


def follow(run: RunPaths, offset: int, wait_seconds: float, build_offset: int = -1) -> Following:
    """Look at a run, waiting up to `wait_seconds` for its end or for more of its logs.

    Args:
        offset: Bytes of the log already seen.
        build_offset: The same of the log of its environment's making; -1: that is of no interest.

    Raises:
        EspalierError: `run_missing`, `damaged`.
    """
    deadline = time.monotonic() + wait_seconds
    mark: Optional[Tuple[int, int]] = None
    seen: Optional[Tuple[bool, int, int, List[int]]] = None
    log = built = ""
    while True:
        now = file_mark(run.status)
        if now != mark or mark is None:
            mark, state = now, state_of(run)
        final = states.is_final(state)
        # the state is read first: what the job wrote before it is then in the log
        now_seen = final, offset, build_offset, _sizes(run)
        if now_seen != seen:  # (to open a log takes ten times as long as to look at its size)
            seen = now_seen
            log, offset = _read_log(run.log, offset, final)
            built, build_offset = _read_log(run.build_log, build_offset, final) if build_offset >= 0 else ("", -1)
        if final or log or built or time.monotonic() >= deadline:
            nudge([] if final else [run])
            return Following(state, final, log, offset, built, build_offset)
        time.sleep(min(_TICK, max(deadline - time.monotonic(), 0)))


def follow_to_end(run: RunPaths, show_output: bool) -> Following:
    """Follow a run until it has ended and its whole log has been seen.

    Args:
        show_output: Print its logs as they grow, first that of its environment's making.

    Raises:
        EspalierError: `run_missing`, `damaged`.
    """
    offset, build_offset = 0, 0 if show_output else -1
    while True:
        seen = follow(run, offset, _LOOK_SECONDS, build_offset)
        if show_output and seen.build_log + seen.log:
            _show(seen.build_log + seen.log)
        # (a piece of log may hold nothing that can be shown)
        if seen.final and (seen.offset, seen.build_offset) == (offset, build_offset):
            return seen
        offset, build_offset = seen.offset, seen.build_offset


def _show(text: str) -> None:
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:  # a terminal that is not UTF-8
        sys.stdout.write(text.encode("ascii", "backslashreplace").decode("ascii"))
    sys.stdout.flush()


def failure_of(run: RunPaths, status: Dict[str, Any]) -> EspalierError:
    """The error that shows callers that waited why a run failed: `run_failed`, with the last lines of its log."""
    error = status.get("error") or {}
    run_id = os.path.basename(run.root)
    # (of a run that was never started there may be that of making its environment, or only that of its runner)
    log = next(filter(_has_text, (run.log, run.build_log, run.runner_log)), None)
    last = f"The whole log: {log}" if log else ""
    calls = "run.get_traceback() shows the calls, run.get_log() the log."
    name = f'name="{os.path.relpath(log, run.root)}"' if log and log != run.log else ""
    steps = calls if error.get("traceback") else f"run.get_log({name}) shows the log."
    message = failure_message(run_id, error, last, steps)
    return EspalierError("run_failed", message, last, run_id=run_id, cause=error)


def _has_text(log: str) -> bool:
    return os.path.isfile(log) and os.path.getsize(log) > 0


def canceled_line(run_id: str, status: Dict[str, Any]) -> str:
    """What a wait ends with for a canceled run: the reason."""
    reason = plain_text(str((status.get("error") or {}).get("message") or ""))
    head = "" if reason.startswith(states.CANCELED) else f"{states.CANCELED}. "
    return f"Run {run_id}: {head}{reason}".rstrip() + "\n"


def file_mark(path: str) -> Tuple[int, int]:
    """Differs after a replacement, even one within the file system's clock tick."""
    try:
        stat = os.stat(path)
        return stat.st_mtime_ns, stat.st_ino
    except OSError:
        return -1, -1


def _sizes(run: RunPaths) -> List[int]:
    """How long the logs are; -1 for one that is not there."""
    found = []
    for path in (run.log, run.build_log):
        try:
            found.append(os.stat(path).st_size)
        except OSError:
            found.append(-1)
    return found


def state_of(run: RunPaths) -> str:
    """The state as recorded. Raises EspalierError: `run_missing`, `damaged`."""
    try:
        return str(status_record(run)["state"])
    except FileNotFoundError:
        raise EspalierError("run_missing", f"Can't find the run {run.root} any more.", "See list_runs().") from None


def _read_log(path: str, offset: int, final: bool) -> Tuple[str, int]:
    """Text from an offset in whole lines, and the offset after it. At the end also the line that has no end."""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size <= offset:
                return "", offset
            if _is_in_long_line(file, offset):
                return _rest_of_long_line(file, offset, final)
            file.seek(offset)
            data = file.read(_CHUNK_BYTES)
    except OSError:
        return "", offset
    whole = data.rfind(b"\n") + 1
    if whole:
        return plain_bytes(data[:whole]), offset + whole
    if final and len(data) < _CHUNK_BYTES:
        return plain_bytes(data), offset + len(data)
    # of a line that is written over again and again only the last is of interest
    start = _last_shown(data)
    if start or len(data) < _LONG_LINE:
        return "", offset + start
    data = data[:_LONG_LINE]
    data = data[: len(data) - max(_torn_bytes(data), _torn_control(data))]
    return plain_bytes(data), offset + len(data)


def _last_shown(data: bytes) -> int:
    """Where the last thing begins that a line without end shows."""
    end = len(data)
    while True:
        start = data.rfind(b"\r", 0, end) + 1
        if start == 0 or plain_bytes(data[start:end]).strip():
            return start
        end = start - 1


def _is_in_long_line(file: BinaryIO, offset: int) -> bool:
    """Whether the beginning of a long line has been shown up to here."""
    back = _LONG_LINE - _SEQUENCE_BYTES
    if offset < back:
        return False
    file.seek(offset - back)
    shown = file.read(back)
    return b"\n" not in shown and b"\r" not in shown


def _rest_of_long_line(file: BinaryIO, offset: int, final: bool) -> Tuple[str, int]:
    """Pass over the rest of a long line, and show its last bytes."""
    left_out = os.fstat(file.fileno()).st_size - _SEARCHED_BYTES
    if offset < left_out:  # no job printed that: the file is sparse, or what it prints isn't text
        return "", left_out
    file.seek(offset)
    passed = 0
    while passed < _PASSED_BYTES:
        data = file.read(1024 * 1024)
        end = data.find(b"\n") + 1
        if end or (final and not data):
            return _end_of_long_line(file, offset, offset + passed + end), offset + passed + end
        if not data:
            break
        passed += len(data)
    # (some of it stays for the last look)
    return "", offset + max(passed - _END_OF_LONG_LINE, 0)


def _end_of_long_line(file: BinaryIO, offset: int, end: int) -> str:
    start = max(end - _END_OF_LONG_LINE, offset)
    file.seek(start)
    return " [...] " + plain_bytes(file.read(end - start))


def _torn_bytes(data: bytes) -> int:
    """How many bytes at the end belong to a character that is not complete yet."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if need > back else 0
        if byte < 0x80:
            return 0
    return 0


def _torn_control(data: bytes) -> int:
    """How many bytes at the end may be the first half of a line end or of a control sequence."""
    if data.endswith(b"\r"):
        return 1
    start = data.rfind(b"\x1b", max(len(data) - _SEQUENCE_BYTES, 0))
    whole = start < 0 or _WHOLE_SEQUENCE.match(data, start) or b"\n" in data[start:]
    return 0 if whole else len(data) - start
