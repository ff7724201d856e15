"""Reading and moving the state of one run; every writer of status.json comes through here."""

from typing import Any, Dict

from espalier import states
from espalier.errors import EspalierError
from espalier.paths import RunPaths
from espalier.records import read_record, replace_record


def read_status(run: RunPaths) -> Dict[str, Any]:
    """The run's status record. Raises FileNotFoundError, EspalierError (`damaged`, `newer_format`)."""
    record = read_record(run.status)
    state = record.get("state")
    if not isinstance(state, str) or state not in states.FINAL | states.UNFINISHED:
        raise EspalierError("damaged", f"{run.status} names no state.", path=run.status)
    return record


def move(run: RunPaths, status: Dict[str, Any], state: str, **changes: Any) -> Dict[str, Any]:
    """Write the run's next state, durable, and return the new record.

    Each state survives power loss before what follows from it is done: a job whose start was forgotten would be
    executed again, and a record whose name outlived its bytes could not be read.

    Args:
        status: The record as it was read or last written.
        **changes: Further fields to set.

    Raises:
        EspalierError: `internal` when the state may not follow.
    """
    if not states.may_follow(state, status["state"]):
        raise EspalierError("internal", f"{run.root}: state {state} cannot follow {status['state']}.")
    record = {**status, **changes, "state": state}
    replace_record(run.status, record, run.shard, sync=True)
    return record
