"""Following a run at a terminal: its log as it grows, until it ends or the user detaches."""

from typing import Any, Dict, TextIO

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.cli import problems
from espalier.cli.request import call
from espalier.cli.text import lines, tell
from espalier.lifecycle.failure_message import failure_message

# How long one look lasts, seconds.
_LOOK_SECONDS = 0.5


def follow(workspace: str, run_id: str, stream: TextIO) -> int:
    """Show a run's log until it has ended. Interrupting leaves the run alone.

    Returns:
        The exit code: 1 for a run that failed or was canceled, 130 when interrupted.
    """
    identity = {"workspace": workspace, "id": run_id}
    try:
        state = _to_end(identity, stream)
    except KeyboardInterrupt:
        tell("")  # (the terminal shows ^C)
        tell(f"Detached. The run goes on. Come back with `espalier runs logs {run_id} -f`.", "i")
        return problems.INTERRUPTED
    if state == states.COMPLETED:
        return problems.DONE
    details = call("Run", "get_details", identity, {})
    cause = details.get("error") or {}
    problems.show(_failure(run_id, state, cause if isinstance(cause, dict) else {"message": str(cause)}))
    return problems.RUN_FAILED


def _failure(run_id: str, state: str, cause: Dict[str, Any]) -> EspalierError:
    if state == states.CANCELED:
        return EspalierError("run_failed", f"Run {run_id} was canceled. {cause.get('message') or ''}".rstrip())
    return EspalierError("run_failed", failure_message(run_id, cause, "", ""), f"`espalier runs show {run_id}`")


def _to_end(identity: Dict[str, str], stream: TextIO) -> str:
    offset, build_offset = 0, 0
    while True:
        asked = {"offset": offset, "build_offset": build_offset, "wait_seconds": _LOOK_SECONDS}
        seen = call("Run", "follow", identity, asked)
        if stream is not None:
            stream.write(lines(seen["build_log"] + seen["log"]))
            stream.flush()
        if seen["final"] and (seen["offset"], seen["build_offset"]) == (offset, build_offset):
            return str(seen["status"])
        offset, build_offset = seen["offset"], seen["build_offset"]
