"""Runs: what is known of one, what it made, and recording into it from inside its job.

Loaded inside jobs by `from espalier import Run`: standard library only, Python 3.8 or later.
"""

import contextlib
import os
from typing import Any, Dict, Iterator, Mapping, Optional

from espalier import states
from espalier.adapters import posix
from espalier.details import environment_facts, run_details, with_logs
from espalier.errors import EspalierError
from espalier.follow import failure_of, follow, follow_to_end
from espalier.job_requests import ask, giving_slot_away
from espalier.lifecycle.status import read_status
from espalier.names import check_label
from espalier.paths import RunPaths, WorkspacePaths
from espalier.queue.control import cancel
from espalier.queue.nudge import nudge
from espalier.queue.reasons import why_waiting
from espalier.records import read_record, replace_record
from espalier.run_children import RunChildren
from espalier.run_files import RunFiles
from espalier.run_parts import RunParts
from espalier.run_secrets import RunSecrets
from espalier.run_usage import RunUsage
from espalier.tracking import metrics
from espalier.tracking.sessions import record_at_exit
from espalier.types import Frame


class Run(RunParts, RunFiles, RunUsage, RunSecrets, RunChildren):
    """One run of a job, or of an interactive session.

    Args:
        workspace_path: Folder of the workspace.
        run_id: The run's id.
    """

    def __init__(self, workspace_path: str, run_id: str) -> None:
        self._workspace_path = workspace_path
        self._id = run_id
        self._paths = WorkspacePaths(workspace_path).run(run_id)
        super().__init__(self._paths.root)

    def __repr__(self) -> str:
        return f"Run({self._workspace_path!r}, {self._id!r})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Run)
            and self._id == other._id
            and (os.path.realpath(self._workspace_path) == os.path.realpath(other._workspace_path))
        )

    def __hash__(self) -> int:
        return hash(self._id)

    def _identity(self) -> Dict[str, str]:
        return {"workspace": self._workspace_path, "id": self._id}

    @classmethod
    def _from_identity(cls, identity: Mapping[str, str]) -> "Run":
        return cls(identity["workspace"], identity["id"])

    @classmethod
    def get_context(cls, allow_offline: bool = True) -> "Run":
        """The run this process belongs to; outside a job one that records nothing and says so once.

        Args:
            allow_offline: False to get an error outside a job.

        Raises:
            EspalierError: `run_not_active` outside a job when `allow_offline` is False.
        """
        workspace, run_id = os.environ.get("ESPALIER_WORKSPACE"), os.environ.get("ESPALIER_RUN_ID")
        if workspace and run_id:
            run = cls(workspace, run_id)
            record_at_exit(run.run_dir)
            return run
        if not allow_offline:
            raise EspalierError("run_not_active", "This process is no job of espalier.", "Submit the script as a run.")
        from espalier.offline import OfflineRun

        return OfflineRun()

    @property
    def id(self) -> str:
        """The run's id."""
        return self._id

    @property
    def run_dir(self) -> str:
        """The run's folder."""
        return self._paths.root

    @property
    def experiment_name(self) -> str:
        """Name of the experiment it belongs to."""
        return str(self._spec()["experiment"])

    @property
    def workspace_path(self) -> str:
        """Folder of the workspace it belongs to."""
        return self._workspace_path

    def get_status(self) -> str:
        """The run's state: `Queued`, `Preparing`, `Running`, `Completed`, `Failed`, `Canceled`, ..."""
        state = str(self._status()["state"])
        if not states.is_final(state):
            nudge()  # its runner may be dead, or it may be its turn
            state = str(self._status()["state"])
        waiting = not states.is_final(state) and os.path.exists(self._paths.cancel)
        return states.CANCEL_REQUESTED if waiting else state

    def get_detailed_status(self) -> Any:
        """The state, and for a queued run its position (1 is next; None while it may not be started) and why it
        waits."""
        waiting = why_waiting(self._id)
        state = self.get_status()
        position, reason = waiting if waiting is not None and state == states.QUEUED else (None, None)
        return {"status": state, "position": position, "reason": reason}

    def get_details(self) -> Any:
        """Everything known of the run: definition, state, times, error, files."""
        spec, status, meta = self._spec(), self._status(), self._meta()
        return run_details(self._paths, self.get_status(), spec, status, meta)

    def get_details_with_logs(self) -> Any:
        """`get_details()` with the text of each log instead of its path."""
        return with_logs(self._paths, self.get_details())

    def get_environment(self) -> Any:
        """The run's environment: `how` it comes to it (`session`, `user-managed`, `private`, `image`), `name`,
        `version`, `definition` (its record as JSON text), `key`, and what was made ready: `image`, `tag`, `folder`,
        where it was `found`, and the `seconds` that took; None what there is not."""
        return environment_facts(self._paths, self._spec())

    def get_metrics(
        self,
        name: Optional[str] = None,
        recursive: bool = False,
        run_type: Optional[str] = None,
        populate: bool = False,
    ) -> Mapping[str, Any]:
        """The run's metrics by name: a scalar, a list where a name was logged more than once, a dict of columns for
        tables and rows, a file name for images.

        Args:
            name: Only this metric.
            recursive: The metrics of this run and of all runs below it: run id to what this gives for one run.
            run_type: Of the runs below only those of this type: `script`, `command` or `interactive`.
            populate: Accepted for compatibility; everything is always read.

        Raises:
            EspalierError: `damaged`, `newer_format`, `run_missing`.
        """
        self._status()
        if not recursive:
            return metrics.read_metrics(self._paths, name)
        runs = [self, *self.get_children(recursive=True, type=run_type)]
        return {run.id: metrics.read_metrics(run._paths, name) for run in runs}

    def get_metric_frames(self, name: Optional[str] = None) -> Mapping[str, Frame]:
        """The run's metrics by name, typed: columns of one kind each, where a missing value has a kind too.

        What is no table is a single column, named by the empty string.

        Args:
            name: Only this metric.

        Raises:
            EspalierError: `damaged`, `newer_format`, `run_missing`.
        """
        self._status()
        return metrics.metric_frames(self._paths, name)

    def get_metric_history(self, name: Optional[str] = None) -> Frame:
        """Every scalar that was logged, in order: `name`, `step`, `value`, `time`.

        Args:
            name: Only this metric.
        """
        self._status()
        return metrics.history_frame(self._paths, name)

    def get_tags(self) -> Mapping[str, str]:
        """The run's tags."""
        return dict(self._meta()["tags"])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Add or change tags.

        Args:
            tags: Name to text.
        """
        named = {check_label("tag", name): str(value) for name, value in tags.items()}
        self._status()
        with self._changing():
            meta = self._meta()
            meta["tags"].update(named)
            replace_record(self._paths.meta, meta, self._paths.shard, sync=True)

    def get_properties(self) -> Mapping[str, str]:
        """The run's properties."""
        return dict(self._meta()["properties"])

    def cancel(self) -> bool:
        """Ask for the run and all runs below it to be stopped; their processes get 10 seconds to end by themselves.

        Returns:
            False when it had ended already.

        Raises:
            EspalierError: `run_not_active` for an interactive run that is nobody's child, which its session ends.
        """
        self._status()
        job = self._job()
        if job is not None:
            return bool(ask(job, "cancel", run=self._id)["canceled"])
        return cancel(self._paths, self._id)

    def complete(self) -> None:
        """End an interactive run as Completed.

        Raises:
            EspalierError: `run_not_active`.
        """
        self._end(states.COMPLETED, None)

    def fail(self, error_details: Optional[str] = None) -> None:
        """End an interactive run as Failed.

        Args:
            error_details: Why.
        """
        self._end(states.FAILED, error_details)

    def follow(self, offset: int = 0, wait_seconds: float = 0.0, build_offset: int = -1) -> Any:
        """The state, and what was added to the log since an offset; for those who wait and watch.

        Args:
            offset: Bytes of the log already seen.
            wait_seconds: How long to wait for the end before answering.
            build_offset: As `offset`, for the log of its environment's making; -1: that is of no interest.

        Returns:
            `status`, `final`, `log` (text, control sequences removed), `offset` (pass it on), `build_log`,
            `build_offset`.
        """
        return follow(self._paths, offset, wait_seconds, build_offset)._asdict()

    def wait_for_completion(self, show_output: bool = False, raise_on_error: bool = True) -> Any:
        """Wait until the run has ended. Interrupting stops the waiting, never the run. While a job waits, the run
        it waits for may have its slot.

        Args:
            show_output: Print the job's log as it grows.
            raise_on_error: Raise when the run failed.

        Returns:
            `get_details()`.

        Raises:
            EspalierError: `run_failed`.
        """
        with giving_slot_away([self._id]):
            seen = follow_to_end(self._paths, show_output)
        if raise_on_error and seen.status == states.FAILED:
            raise failure_of(self._paths, self._status())
        return self.get_details()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock of the run's folder while a record is read, changed and replaced."""
        fd = os.open(self.run_dir, os.O_RDONLY)
        try:
            posix.lock(fd)
            yield
        finally:
            os.close(fd)

    def _end(self, state: str, message: Optional[str]) -> None:
        from espalier.interactive import end_interactive

        self._status()
        job = self._job()
        if job is not None:
            ask(job, "complete" if state == states.COMPLETED else "fail", run=self._id, message=message)
            return
        end_interactive(self._paths, state, message)

    def _existing(self) -> RunPaths:
        self._status()
        return self._paths

    def _status(self) -> Dict[str, Any]:
        try:
            return read_status(self._paths)
        except FileNotFoundError:
            raise self._missing() from None

    def _spec(self) -> Dict[str, Any]:
        return self._record(self._paths.spec)

    def _meta(self) -> Dict[str, Any]:
        return self._record(self._paths.meta)

    def _record(self, path: str) -> Dict[str, Any]:
        try:
            return read_record(path)
        except FileNotFoundError:
            raise self._missing() from None

    def _missing(self) -> EspalierError:
        return EspalierError(
            "run_missing", f"The run {self._id} is not in {self._workspace_path} any more.", "See list_runs()."
        )
