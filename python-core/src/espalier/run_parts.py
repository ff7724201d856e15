"""The parts of a run: many small pieces of work, one line each. Standard library, Python 3.8 or later."""

import math
from typing import Any, Dict, Mapping, Optional

from espalier.errors import EspalierError
from espalier.job_log import JobLog, single_value
from espalier.names import check_label
from espalier.paths import RunPaths
from espalier.tracking.parts import STATES, TAKEN, read_parts
from espalier.tracking.writer import EventWriter
from espalier.types import Frame
from espalier.values import kind_of, native, to_json


class RunParts(JobLog):
    """The methods of `Run` that record parts and read them."""

    _part_writer: Optional[EventWriter] = None

    def log_part(
        self,
        key: str,
        status: Optional[str] = None,
        error: Optional[str] = None,
        metrics: Optional[Mapping[str, Any]] = None,
        seconds: Optional[float] = None,
        digest: Optional[str] = None,
    ) -> None:
        """Record one part of the run's work: a group, a fold, a batch. A key recorded again replaces what was said.

        Args:
            key: What tells the part from the others: 1 to 255 characters, no control characters.
            status: `Completed`, `Failed` or `Canceled`. Default: Failed if there is an error, else Completed.
            error: What went wrong.
            metrics: Name to one value each.
            seconds: How long it took.
            digest: Of its result.

        Raises:
            EspalierError: `bad_argument`, `bad_name`.
        """
        fields = _fields(key, status, error, metrics or {}, seconds, digest)
        if self._run_dir is None:
            return self._tell()
        if self._part_writer is None:
            self._part_writer = EventWriter(self._run_dir, parts=True)
        try:
            self._part_writer.event("part", fields)
        except OSError as problem:
            self._not_written(problem)

    def list_parts(self) -> Frame:
        """The run's parts, a row each in the order in which they were first recorded.

        The columns are `key`, `status`, `error`, `seconds`, `digest` and one for each metric. Of a part that was
        recorded more than once the last line counts.

        Raises:
            EspalierError: `damaged` with file and line number, `newer_format`, `run_missing`.
        """
        return read_parts(self._existing())

    def _existing(self) -> RunPaths:
        """The run's files, or `run_missing`."""
        raise NotImplementedError


def _fields(
    key: str,
    status: Optional[str],
    error: Optional[str],
    metrics: Mapping[str, Any],
    seconds: Optional[float],
    digest: Optional[str],
) -> Dict[str, Any]:
    """The fields of a part's line; those that say nothing are left out."""
    fields: Dict[str, Any] = {"key": check_label("part", key)}
    fields["status"] = status or ("Completed" if error is None else "Failed")
    if fields["status"] not in STATES:
        known = ", ".join(STATES)
        raise EspalierError("bad_argument", f"A part cannot be {status!r}.", f"Its status is one of {known}.")
    if seconds is not None:
        fields["seconds"] = _seconds(seconds)
    if digest is not None:
        fields["digest"] = check_label("digest", digest)
    if error is not None:
        fields["error"] = str(error).encode("utf-8", "replace").decode("utf-8")
    if metrics:
        values = {_metric_name(name): single_value(name, value) for name, value in metrics.items()}
        fields["kinds"] = {name: kind_of(value) for name, value in values.items()}
        fields["metrics"] = {name: to_json(value) for name, value in values.items()}
    return fields


def _metric_name(name: str) -> str:
    if name in TAKEN:
        message = f"A part's metric cannot be called {name!r}."
        raise EspalierError("bad_name", message, "list_parts() has such a column.")
    return check_label("metric", name)


def _seconds(value: Any) -> float:
    value = native(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise EspalierError("bad_argument", f"`seconds` must be a number of seconds, not {value!r:.100}.")
    return round(value, 6)
