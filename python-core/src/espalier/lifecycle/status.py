"""The state of one run: read, moved on, and whether its end left anything to do. All writers of status.json come here.

Standard library only: the runner loads this file.
"""

import os
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from espalier.adapters.inside import put_aside
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec
from espalier.base.model.record import Record
from espalier.base.model.status import Status, status_in
from espalier.base.paths import RunPaths
from espalier.base.records import read_record, replace_record

if TYPE_CHECKING:
    from espalier.adapters.oom import Shortage

# So many warnings a status has at most.
_WARNINGS = 1000
# How the warning begins of a run whose files could not all be brought home.
NOT_COLLECTED = "Not all files of the job could be kept:"


class Outcome(Record):
    """How a job ended: its real exit status, and why we ended it, if we did."""

    exit_code: Optional[int]
    signal: Optional[int]
    stopped_by: Optional[str]  # None, "canceled" or "timed_out"
    duration: float
    # what it used in all (protocol.md, `usage`)
    usage: Optional[Mapping[str, Any]] = None
    warnings: List[str] = []
    # what the kernel killed meanwhile for lack of memory
    shortage: "Optional[Shortage]" = None
    # by its executor: code and message of what ended it, where that is not for the job to say, and what to do about it
    cause: Optional[Tuple[str, str]] = None
    hint: str = ""
    # where its executor failed: the lines of that
    traceback: List[str] = []

    def fields(self) -> Dict[str, Any]:
        """As fields of status.json."""
        return {
            "exit_code": self.exit_code,
            "signal": self.signal,
            "duration_seconds": round(max(self.duration, 0.0), 6),
            "usage": self.usage,
        }


class Known:
    """What is known of a run whose end is written: its folder, its status, and its definition, which is read when it is
    asked for. Read once, under the lock of who writes the end, and passed to each act.

    Args:
        status: As it was read or last written.
        spec: Its definition, where it has been read.
    """

    __slots__ = ("_spec", "run", "status")

    def __init__(self, run: RunPaths, status: Status, spec: Optional[JobSpec] = None) -> None:
        self.run, self.status = run, status
        self._spec: Union[JobSpec, bool, None] = spec or False  # (False: not read)

    @property
    def spec(self) -> Optional[JobSpec]:
        """The definition; None where it can't be read, on which no end depends."""
        if isinstance(self._spec, bool):
            try:
                self._spec = read_as(JobSpec, self.run.spec)
            except Exception:
                self._spec = None
        return self._spec

    def with_status(self, status: Status) -> "Known":
        """The same run after its status was changed."""
        known = Known(self.run, status)
        known._spec = self._spec
        return known


def read_status(run: RunPaths) -> Status:
    """The run's status. Raises FileNotFoundError, EspalierError (`damaged`, `newer_format`)."""
    return status_in(status_record(run))


def status_record(run: RunPaths) -> Dict[str, Any]:
    """The same as it was written, for people: one wrong field must not hide it. Raises as `read_status`."""
    record = read_record(run.status)
    state = record.get("state")
    if not isinstance(state, str) or state not in states.FINAL | states.UNFINISHED:
        raise EspalierError("damaged", f"Can't read {run.status}: it has no valid state.", path=run.status)
    return record


def status_of(run: RunPaths) -> Optional[Status]:
    """A run's status; None when it was deleted or cannot be read, so that nothing can be done for it."""
    try:
        return read_status(run)
    except (OSError, EspalierError):
        return None


def move(run: RunPaths, status: Status, state: str, **changes: Any) -> Status:
    """Write the run's next state, durable, and return the new status.

    Each state survives power loss before what follows from it is done: a job whose start was forgotten would be
    executed again, and a record whose name outlived its bytes could not be read.

    Args:
        status: As it was read or last written.

    Raises:
        EspalierError: `internal` when the state may not follow.
    """
    if not states.may_follow(state, status.state):
        raise EspalierError("internal", f"Can't change the state of {run.root} from {status.state} to {state}.")
    return correct(run, status, state=state, **changes)


def correct(run: RunPaths, status: Status, **changes: Any) -> Status:
    """Change a status in place: of a final one what it says of the job's files, which have come home since."""
    status = status._replace(**changes)
    if len(status.warnings) > _WARNINGS:  # a job can cause any number
        left_out = f"{len(status.warnings) - _WARNINGS} more warnings are left out."
        status = status._replace(warnings=(*status.warnings[:_WARNINGS], left_out))
    try:
        replace_record(run.status, status.record(), run.shard, sync=True)
    except IsADirectoryError:  # a job has put a folder there
        put_aside(run.root, run.status)
        replace_record(run.status, status.record(), run.shard, sync=True)
    return status


def is_cleaned(run: RunPaths, status: Status) -> bool:
    """Whether nothing is left of an ended run that it does not keep, seen by some looks, for each step of the queue
    asks. `end.clean_again` does the rest."""
    if status.scratch is not None and os.path.lexists(str(status.scratch.get("path"))):
        return False
    if any(os.path.lexists(path) for path in (run.job, run.env, run.work)) or _is_empty(run.runner_log):
        return False
    from espalier.adapters.private import has_private_file

    return not has_private_file(os.path.basename(run.root)) and collected(status.warnings) == list(status.warnings)


def collected(warnings: Iterable[str]) -> List[str]:
    """Warnings but for those that say that files are still to be brought home."""
    return [text for text in warnings if not text.startswith(NOT_COLLECTED)]


def _is_empty(path: str) -> bool:
    try:
        return os.path.getsize(path) == 0
    except OSError:
        return False


def check_formats(run: RunPaths) -> None:
    """Refuse a run, or a workspace, of a newer espalier, before anything is written into it. Missing or damaged records
    are found elsewhere. Raises EspalierError: `newer_format`."""
    for path in (run.workspace.record, run.spec, run.status):
        _checked(path)


def check_run_format(run: RunPaths) -> None:
    """The same of the run alone, for those who execute it: one that was queued before its workspace was upgraded still
    is what they know. Raises EspalierError: `newer_format`."""
    for path in (run.spec, run.status):
        _checked(path)


def check_definition(run: RunPaths) -> Dict[str, Any]:
    """The same, for those who read the run's status anyway.

    Returns:
        The run's definition; empty where it is missing or damaged.
    """
    return _checked(run.spec)


def _checked(path: str) -> Dict[str, Any]:
    try:
        return read_record(path)
    except OSError:
        return {}
    except EspalierError as error:
        if error.code == "newer_format":
            raise
        return {}
