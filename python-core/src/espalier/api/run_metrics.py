"""What a run's job logged: its metrics and what it used. Standard library, Python 3.8 or later."""

import warnings
from typing import Any, Dict, Mapping, Optional

from espalier.api.run_children import RunChildren
from espalier.api.run_parts import RunParts
from espalier.base.errors import DamageWarning
from espalier.base.operation import operation
from espalier.base.paths import EVENTS, PARTS, RunPaths
from espalier.base.types import Frame
from espalier.lifecycle.extent import lost_logs
from espalier.tracking import metrics
from espalier.tracking.scalars import read_usage


class RunMetrics(RunChildren, RunParts):
    """The methods of `Run` that read what was logged."""

    def _status(self) -> Dict[str, Any]:
        raise NotImplementedError

    @operation("GET /runs/{id}/metrics", long=True, in_job=True)
    def get_metrics(
        self,
        name: Optional[str] = None,
        recursive: bool = False,
        run_type: Optional[str] = None,
        populate: bool = False,
    ) -> Mapping[str, Any]:
        """Get a run's metrics by name: a scalar, a list where a name was logged more than once, a dict of columns for
        tables and rows, a file name for images, the payload for confusion matrices and other charts.

        Args:
            name: Only this metric.
            recursive: The metrics of this run and of all runs below it: run id to what this gives for one run.
            run_type: Of the runs below only those of this type: `script`, `command` or `interactive`.
            populate: Accepted for compatibility; everything is always read.

        Raises:
            EspalierError: `damaged`, `newer_format`, `run_missing`.
        """
        self._warn_of_lost(EVENTS)
        if not recursive:
            return metrics.read_metrics(self._paths, name)
        runs = [self, *self.get_children(recursive=True, type=run_type)]
        return {run._id: metrics.read_metrics(run._paths, name) for run in runs}

    @operation("GET /runs/{id}/metric-frames", long=True, in_job=True, command="")
    def get_metric_frames(self, name: Optional[str] = None) -> Mapping[str, Frame]:
        """The run's metrics by name, typed: columns of one kind each, where a missing value has a kind too.

        What isn't a table is a single column, named by the empty string. Of charts it holds their payloads as JSON,
        and a second column, `chart`, their types.

        Args:
            name: Only this metric.

        Raises:
            EspalierError: `damaged`, `newer_format`, `run_missing`.
        """
        self._warn_of_lost(EVENTS)
        return metrics.metric_frames(self._paths, name)

    @operation("GET /runs/{id}/metric-history", long=True, in_job=True)
    def get_metric_history(self, name: Optional[str] = None) -> Frame:
        """List the logged values of metrics, in order: `name`, `step`, `value`, `time`, `text`.

        `value` has numbers and logical values, `text` has strings; each is missing where the other is not.

        Args:
            name: Only this metric.

        Raises:
            EspalierError: `damaged`, `newer_format`, `run_missing`.
        """
        self._warn_of_lost(EVENTS)
        return metrics.history_frame(self._paths, name)

    @operation("GET /runs/{id}/usage", long=True, in_job=True)
    def get_usage(self) -> Frame:
        """Show what a job used, a row a sample: each second at first, less often the older it is.

        The columns are `time`, `seconds` since the start, `cores` (processors in use since the sample before),
        `cpu_seconds` so far, `memory_bytes` and `processes` at that moment, `read_bytes` and `written_bytes` (from and
        to disks) so far, and `gpu_memory_bytes` where there is a GPU. What it used in all is in `get_details()`.

        Raises:
            EspalierError: `damaged` if it cannot be read at all, `newer_format`, `run_missing`.
        """
        return read_usage(self._existing())

    def _existing(self) -> RunPaths:
        self._warn_of_lost(PARTS)
        return self._paths

    def _warn_of_lost(self, folder: str) -> None:
        """Warn of what the run had logged when it ended and has no more."""
        for text in lost_logs(self._paths, self._status(), folder):
            warnings.warn(text, DamageWarning, stacklevel=4)
