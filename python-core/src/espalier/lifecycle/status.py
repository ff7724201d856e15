"""Reading and moving the state of one run; every writer of status.json comes through here."""

from typing import Any, Dict

from espalier.adapters.inside import put_aside
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.base.records import read_record, replace_record

# So many warnings a status has at most.
_WARNINGS = 1000


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
    record = _bounded({**status, **changes, "state": state})
    _write(run, record)
    return record


def correct(run: RunPaths, status: Dict[str, Any], **changes: Any) -> None:
    """Change what a final record says of the job's files, which have come home since; its state and all else stay."""
    _write(run, _bounded({**status, **changes}))


def _write(run: RunPaths, record: Dict[str, Any]) -> None:
    try:
        replace_record(run.status, record, run.shard, sync=True)
    except IsADirectoryError:  # a job has put a folder there
        put_aside(run.root, run.status)
        replace_record(run.status, record, run.shard, sync=True)


def _bounded(record: Dict[str, Any]) -> Dict[str, Any]:
    """A status with as many warnings as a reader can take in: a job can cause any number."""
    warnings = record.get("warnings") or []
    if len(warnings) <= _WARNINGS:
        return record
    return {**record, "warnings": [*warnings[:_WARNINGS], f"{len(warnings) - _WARNINGS} more warnings are left out."]}
