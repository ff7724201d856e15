"""Waiting for several runs at once: for all of them, or for the first to end."""

import sys
import time
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple

from espalier.api.follow import file_mark, state_of
from espalier.api.job_requests import giving_slot_away
from espalier.base import states
from espalier.base.arguments import classed_function
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.lifecycle.failure_message import failure_line
from espalier.lifecycle.status import read_status
from espalier.queue.nudge import nudge

if TYPE_CHECKING:
    from espalier.api.run import Run

# How long one look lasts, seconds; between two looks at hundreds of runs the pause is longer than what a look takes.
_LOOK_SECONDS = 0.2
_TICK = 0.003
_TIMES_A_LOOK = 20
_REMEMBERED = 10_000
_FAILED_SHOWN = 5


@classed_function
def wait_for(runs: "Sequence[Run]", any: bool = False, timeout: Optional[float] = None) -> Dict[str, str]:
    """Wait until runs have ended. Interrupting stops the waiting, never the runs. A run that failed isn't an error:
    its cause is printed to stderr.

    While a job waits, the runs it waits for may have its slot.

    Args:
        runs: Runs, of any workspaces.
        any: Return when the first has ended.
        timeout: Seconds to wait at most. Default: for ever.

    Returns:
        Run id -> state, in the order of `runs`.

    Raises:
        EspalierError: `wait_timed_out`, with `states`; `run_missing` when one was deleted.
    """
    folders = {run.id: RunPaths(run.run_dir) for run in runs}
    if not folders:
        return {}
    deadline = None if timeout is None else time.monotonic() + timeout
    with giving_slot_away(list(folders.values())), _Line() as display:
        while True:
            left = _LOOK_SECONDS if deadline is None else min(_LOOK_SECONDS, deadline - time.monotonic())
            now = dict(zip(folders, look(list(folders.values()), max(left, 0.0), any)))
            if enough(list(now.values()), any):
                break
            display.show(list(now.values()))
            if deadline is not None and time.monotonic() >= deadline:
                raise _timed_out(now, timeout)
    _show_failed(folders, now)
    return now


def _show_failed(folders: Mapping[str, RunPaths], now: Mapping[str, str]) -> None:
    """Which runs failed, and why; the first of many."""
    failed = [run_id for run_id, state in now.items() if state == states.FAILED]
    if not failed or sys.stderr is None:
        return
    lines = [f"{len(failed)} of {len(now)} runs failed:"]
    for run_id in failed[:_FAILED_SHOWN]:
        lines.append(f"x {run_id}: {failure_line(read_status(folders[run_id]).error or {}, 120)}")
    if len(failed) > _FAILED_SHOWN:
        lines.append(f"... and {len(failed) - _FAILED_SHOWN} more; list_runs() shows their errors.")
    lines.append("i run.get_log() and run.get_traceback() of each show more.")
    sys.stderr.write("\n".join(lines).encode("utf-8", "replace").decode("utf-8") + "\n")


def look(runs: List[RunPaths], wait_seconds: float, any: bool = False) -> List[str]:
    """The states of runs, waiting up to some seconds for one of them to end, or for the last one that has to.

    Raises:
        EspalierError: `run_missing`, `damaged`.
    """
    deadline = time.monotonic() + wait_seconds
    before: Optional[int] = None
    while True:
        began = time.monotonic()
        now = [_state(run) for run in runs]
        ended = sum(map(states.is_final, now))
        # (what has ended since is worth telling, though more is waited for)
        if enough(now, any) or (before is not None and ended > before) or time.monotonic() >= deadline:
            nudge([run for run, state in zip(runs, now) if not states.is_final(state)])
            return now
        before = ended
        pause = max(_TICK, _TIMES_A_LOOK * (time.monotonic() - began))
        time.sleep(max(min(pause, deadline - time.monotonic()), 0))


def enough(now: Sequence[str], any: bool) -> bool:
    """Whether nothing more is to be waited for."""
    ended = sum(map(states.is_final, now))
    return ended == len(now) or (any and ended > 0)


# Of runs that were looked at: which file it was and the state in it. A wait of R's looks many times.
_known: Dict[str, Tuple[Tuple[int, int], str]] = {}


def _state(run: RunPaths) -> str:
    mark = file_mark(run.status)
    known = _known.get(run.status)
    if known is not None and known[0] == mark:
        return known[1]
    state = state_of(run)
    if len(_known) > _REMEMBERED:
        _known.clear()
    _known[run.status] = mark, state
    return state


def progress_text(now: Sequence[str]) -> str:
    """How far the runs are, in words."""
    counts = {state: sum(each == state for each in now) for state in dict.fromkeys(sorted(now))}
    ended = sum(map(states.is_final, now))
    runs = "run has" if len(now) == 1 else "runs have"
    return f"{ended} of {len(now)} {runs} ended ({', '.join(f'{n} {state}' for state, n in counts.items())})"


class _Line:
    """A line of the terminal that is written over again; nothing where there is no terminal."""

    def __init__(self) -> None:
        self._shown = ""
        self._live = sys.stderr is not None and sys.stderr.isatty()

    def show(self, now: Sequence[str]) -> None:
        text = progress_text(now)
        if self._live and text != self._shown:
            sys.stderr.write(f"\r{text.ljust(len(self._shown))}\r")
            sys.stderr.flush()
            self._shown = text

    def __enter__(self) -> "_Line":
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown:
            sys.stderr.write("\r" + " " * len(self._shown) + "\r")
            sys.stderr.flush()
            self._shown = ""


def _timed_out(now: Dict[str, str], timeout: Optional[float]) -> EspalierError:
    left = [run_id for run_id, state in now.items() if not states.is_final(state)]
    shown = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
    return EspalierError(
        "wait_timed_out",
        f"Can't wait longer than {timeout:g} s: {len(left)} of {len(now)} runs haven't ended: {shown}.",
        "They go on. Wait again, or cancel them.",
        states=now,
    )
