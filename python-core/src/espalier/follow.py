"""Following a run: its state and the growth of its log, for whoever waits."""

import os
import re
import sys
import time
from typing import Any, Dict, NamedTuple, Tuple

from espalier import states
from espalier.errors import EspalierError
from espalier.lifecycle.status import read_status
from espalier.paths import RunPaths
from espalier.queue.nudge import nudge

_CHUNK_BYTES = 128 * 1024
# Two looks at the state while waiting: a stat costs 2 us, so this is the waiter's delay and not its load. Seconds.
_TICK = 0.003
# How long one look lasts when it is to be the whole wait. Seconds.
_LOOK_SECONDS = 0.5
# Control characters other than tab and newline, and what follows an escape: CSI, OSC, or one character. (One set of
# characters at the beginning, so that plain text is searched fast.)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f](?:(?<=\x1b)(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|.))?"
)

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
    mark = None
    while True:
        now = file_mark(run.status)
        if now != mark or mark is None:
            mark, state = now, state_of(run)
        final = states.is_final(state)
        # the state is read first: whatever the job wrote before it is then in the log
        log, end = _read_log(run.log, offset, final)
        built, build_end = _read_log(run.build_log, build_offset, final) if build_offset >= 0 else ("", -1)
        if final or log or built or time.monotonic() >= deadline:
            nudge()
            return Following(state, final, log, end, built, build_end)
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
    """The error that tells whoever waited why a run failed: `run_failed`, with the last lines of its log."""
    error = status.get("error") or {}
    run_id = os.path.basename(run.root)
    tail = [plain_text(line) for line in error.get("log_tail", [])]
    shown = "\n".join(["", "Last lines of its log:", *("  " + line for line in tail)]) if tail else ""
    message = f"Run {run_id} failed: {error.get('message', 'unknown cause')}{shown}"
    hint = f"The whole log: {run.log}" if os.path.exists(run.log) else ""  # (a run that was never started has none)
    return EspalierError("run_failed", message, hint, run_id=run_id, cause=error)


def file_mark(path: str) -> Tuple[int, int]:
    """Differs after a replacement, even one within the file system's clock tick."""
    try:
        stat = os.stat(path)
        return stat.st_mtime_ns, stat.st_ino
    except OSError:
        return -1, -1


def state_of(run: RunPaths) -> str:
    """The state as recorded. Raises EspalierError: `run_missing`, `damaged`."""
    try:
        return str(read_status(run)["state"])
    except FileNotFoundError:
        raise EspalierError("run_missing", f"The run {run.root} is gone.", "See list_runs().") from None


def _read_log(path: str, offset: int, final: bool) -> Tuple[str, int]:
    """Text from an offset, cut so that no character is torn, and the offset after it."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read(_CHUNK_BYTES)
    except OSError:
        return "", offset
    if not final or len(data) == _CHUNK_BYTES:
        data = data[: len(data) - max(_torn_bytes(data), _torn_control(data))]
    return plain_text(data.decode("utf-8", "replace")), offset + len(data)


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


def plain_text(text: str) -> str:
    """Text of a job made safe to show: no control sequences, and a carriage return begins a new line."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
