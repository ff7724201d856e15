"""The parts of a run: many small pieces of work, one line each. Standard library, Python 3.8 or later."""

from typing import Any, Dict, Mapping, Optional

from espalier.api.job_log import JobLog
from espalier.base.operation import operation
from espalier.base.paths import RunPaths
from espalier.base.types import Frame
from espalier.base.values import kind_of, to_json
from espalier.tracking.loggable import loggable
from espalier.tracking.parts import STATES, TAKEN, read_parts
from espalier.tracking.writer import EventWriter


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
        """Record one part of the run's work: a group, a fold, a batch. A key recorded again replaces it.

        Args:
            key: What tells the part from the others: 1 to 255 characters, no control characters.
            status: `Completed`, `Failed` or `Canceled`. Default: Failed if there is an error, else Completed.
            error: What went wrong.
            metrics: Name to one value each.
            seconds: How long it took.
            digest: Of its result.

        Raises:
            EspalierError: `bad_argument`, `bad_name`; only outside a run.
        """
        fields = self._fields(key, status, error, metrics or {}, seconds, digest)
        if self._run_dir is None:
            return self._tell()
        if self._part_writer is None:
            self._part_writer = EventWriter(self._run_dir, parts=True)
        try:
            self._part_writer.event("part", fields)
        except OSError as problem:
            self._not_written(problem)

    @operation("GET /runs/{id}/parts", long=True, in_job=True, command="parts")
    def list_parts(self) -> Frame:
        """List a run's parts, a row each in the order in which they were first recorded.

        The columns are `key`, `status`, `error`, `seconds`, `digest` and one for each metric. Of a part that was
        recorded more than once the last line counts.

        Raises:
            EspalierError: `damaged` if it cannot be read at all, `newer_format`, `run_missing`.
        """
        return read_parts(self._existing())

    def _close_logs(self) -> None:
        super()._close_logs()
        if self._part_writer is not None:
            self._part_writer.close()

    def _existing(self) -> RunPaths:
        """The run's files, or `run_missing`."""
        raise NotImplementedError

    def _fields(
        self,
        key: Any,
        status: Optional[str],
        error: Any,
        metrics: Any,
        seconds: Any,
        digest: Any,
    ) -> Dict[str, Any]:
        """The fields of a part's line; those that say nothing are left out."""
        fields: Dict[str, Any] = {"key": self._label(key)}
        default = "Completed" if error is None else "Failed"
        if status is not None and status not in STATES:
            hint = f"Its status is one of {', '.join(STATES)}."
            self._doubt("status", f"Can't record the status {status!r:.100}, so it is {default}.", hint)
        fields["status"] = status if status in STATES else default
        if seconds is not None:
            number = loggable(seconds)[0]
            if type(number) in (int, float) and 0 <= number < 1e15:
                fields["seconds"] = round(number, 6)
            else:
                self._doubt("seconds", f"`seconds` must be a number of seconds, not {number!r:.100}.")
        if digest is not None:
            fields["digest"] = self._label(digest)
        if error is not None:
            fields["error"] = str(error).encode("utf-8", "replace").decode("utf-8")
        values = {self._metric_name(name): self._value(name, value) for name, value in self._items("metrics", metrics)}
        if values:
            fields["kinds"] = {name: kind_of(value) for name, value in values.items()}
            fields["metrics"] = {name: to_json(value) for name, value in values.items()}
        return fields

    def _metric_name(self, name: Any) -> str:
        label = self._label(name)
        if label not in TAKEN:
            return label
        self._doubt("metric name", f"Can't name a part's metric {name!r}, and is called '{name}_'.")
        return label + "_"
