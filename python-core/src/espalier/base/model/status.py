"""`status.json`: where a run is and how it ended (protocol.md, "status.json"); and what it is asked."""

from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from espalier.base.errors import CODES
from espalier.base.model.codec import decode, sparse
from espalier.base.model.record import Record
from espalier.base.paths import FORMAT

# In `held_by`: no process holds this run, it lives as long as its parent does.
HELD_BY_PARENT = "parent"


class Status(Record):
    """The state of a run. A job may write anything into its record: a field of a wrong type counts as absent."""

    _is_lenient = True
    state: str = ""
    attempt: int = 1
    attempts: Tuple[Any, ...] = ()
    retry_seconds: float = 0.0
    runners: int = 1
    queued_at: Optional[str] = None
    prepared_at: Optional[str] = None
    started_at: Optional[str] = None
    ended_at: Optional[str] = None
    duration_seconds: Optional[float] = None
    scratch: Optional[Mapping[str, Any]] = None
    kept: Optional[Mapping[str, Any]] = None
    digests: Mapping[str, Any] = {}
    origin: Optional[Mapping[str, Any]] = None
    pid: Optional[int] = None
    boot_id: Optional[str] = None
    pid_start: Optional[int] = None
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    usage: Optional[Mapping[str, Any]] = None
    # Empty: it keeps no files. None: espalier executes it.
    collect_from: Optional[str] = None
    held_by: Optional[str] = None
    error: Optional[Mapping[str, Any]] = None
    warnings: Tuple[str, ...] = ()
    logs: Optional[Mapping[str, Any]] = None
    metrics: Optional[Mapping[str, Any]] = None
    metric_ranges: Optional[Mapping[str, Any]] = None
    format: int = FORMAT
    more: Mapping[str, Any] = {}

    @property
    def is_recorded(self) -> bool:
        """Whether it is recorded by hand: by a session, or by a job as its child."""
        return self.collect_from is not None

    def record(self) -> Dict[str, Any]:
        """As `status.json` holds it: fields that are as by default are left out."""
        return sparse(self, "format", "state", "attempt")


def status_in(record: Mapping[str, Any]) -> Status:
    """A status from its record."""
    if "collect_from" in record and record["collect_from"] is None:
        record = {**record, "collect_from": ""}
    return decode(Status, record)


class Cancel(Record):
    """`requests/cancel.json`: a run is to be canceled; `parent` is the run with which it is."""

    _is_lenient = True
    requested_at: str = ""
    by: str = "a user"
    parent: Optional[str] = None
    format: int = FORMAT

    def absent(self) -> Tuple[str, ...]:
        return ("parent",)


def plain_error(
    code: str, message: str, tail: Sequence[str] = (), classes: Sequence[str] = (), traceback: Sequence[str] = ()
) -> Dict[str, Any]:
    """An error record that does not come from the job's own words.

    Args:
        tail: The last lines of its log.
        classes: What espalier calls it.
        traceback: The lines of what raised it, where that is another package's.
    """
    return {
        "code": code,
        "message": message,
        "call": None,
        "place": None,
        "class": list(classes) or ([f"espalier_error_{code}"] if code in CODES else []),
        "traceback": list(traceback),
        "log_tail": list(tail),
    }
