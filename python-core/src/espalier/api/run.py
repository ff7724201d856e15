"""Runs: what is known of one, what it made, and recording into it from inside its job.

Loaded inside jobs by `from espalier import Run`: standard library only, Python 3.8 or later.
"""

import os
import sys
from typing import Any, Dict, List, Mapping, NoReturn, Optional

from espalier.api.details import environment_facts, read_log, run_details, with_logs
from espalier.api.follow import canceled_line, failure_of, follow, follow_to_end
from espalier.api.job_log import JobLog
from espalier.api.job_requests import ask, call_in_job, giving_slot_away
from espalier.api.run_files import RunFiles
from espalier.api.run_metrics import RunMetrics
from espalier.api.run_secrets import RunSecrets
from espalier.base import states
from espalier.base.arguments import classed
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decoded
from espalier.base.model.job import JobSpec
from espalier.base.names import check_label
from espalier.base.operation import operation
from espalier.base.paths import RunPaths, WorkspacePaths
from espalier.base.records import check_kinds, read_record
from espalier.base.types import Text
from espalier.lifecycle.place import job_folder
from espalier.lifecycle.status import check_formats, status_record
from espalier.queue.control import cancel
from espalier.queue.nudge import nudge
from espalier.queue.reasons import why_waiting
from espalier.tracking.sessions import record_at_exit
from espalier.tracking.tags import add_tags, read_meta
from espalier.vault.known import refuse_secret_values

# Of what kind the fields are of which something is read here; a job, or a hand, may have written others.
_STATUS_KINDS = {"warnings": list, "error": dict, "attempts": list}


@classed
class Run(RunMetrics, RunFiles, RunSecrets):
    """One run of a job, or of an interactive session.

    Args:
        workspace_path: Folder of the workspace.
        run_id: The run's id.
    """

    NOUN = "runs"

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
        job_folder()  # (the variables follow a workspace that was renamed)
        workspace, run_id = os.environ.get("ESPALIER_WORKSPACE"), os.environ.get("ESPALIER_RUN_ID")
        if workspace and run_id:
            run = cls(workspace, run_id)
            record_at_exit(run.run_dir)
            return run
        if not allow_offline:
            raise EspalierError(
                "run_not_active",
                "Can't find a run of this process: it isn't a job of espalier.",
                "Submit the script as a run.",
            )
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
        return self._spec().experiment

    @property
    def workspace_path(self) -> str:
        """Folder of the workspace it belongs to."""
        return self._workspace_path

    @operation("GET /runs/{id}/status", in_job=True)
    def get_status(self) -> str:
        """Get a run's state: `Queued`, `Preparing`, `Running`, `Completed`, `Failed`, `Canceled`, ..."""
        state = str(self._status()["state"])
        if not states.is_final(state):
            nudge([self._paths])  # its runner may be dead, or it may be its turn
            state = str(self._status()["state"])
        waiting = not states.is_final(state) and os.path.exists(self._paths.cancel)
        return states.CANCEL_REQUESTED if waiting else state

    @operation("GET /runs/{id}/detailed-status", command="")
    def get_detailed_status(self) -> Any:
        """The state, and for a queued run its position (1 is next; None while it may not be started) and why it
        waits."""
        waiting = why_waiting(self._id)
        state = self.get_status()
        position, reason = waiting if waiting is not None and state == states.QUEUED else (None, None)
        return {"status": state, "position": position, "reason": reason}

    @operation("GET /runs/{id}", long=True, in_job=True, command="show")
    def get_details(self) -> Any:
        """Show a run: definition, state, times, error, files."""
        spec, status, meta = self._spec(), self._status(), self._meta()
        return run_details(self._paths, self.get_status(), spec, status, meta)

    @operation("GET /runs/{id}/details-with-logs", long=True, command="")
    def get_details_with_logs(self) -> Any:
        """`get_details()` with the text of each log instead of its path; of a log above 1 MB its end, with a note."""
        return with_logs(self._paths, self.get_details())

    @operation("GET /runs/{id}/log", long=True, in_job=True, command="")
    def get_log(self, n: Optional[int] = None, name: str = "user_logs/std_log.txt") -> List[str]:
        """The lines of the run's log, as a terminal would show them: of a progress bar what it showed last.

        Args:
            n: Only the last lines, so many. Default: all. Of more than 16 MB the beginning is left out, which the
                first line reports.
            name: Another of the run's files.

        Raises:
            EspalierError: `artifact_missing`, `artifact_unsafe`, `bad_name`, `bad_argument`, `run_missing`.
        """
        if n is not None and n < 0:
            raise EspalierError("bad_argument", f"`n` must be 0 or more, not {n}.")
        self._status()
        return read_log(self._paths, name, n)

    @operation("GET /runs/{id}/traceback", in_job=True)
    def get_traceback(self) -> List[str]:
        """Show the calls that led to an error, outermost first; of a Python job the lines of its traceback. Empty
        for a run that did not fail, or whose calls are unknown."""
        error = check_kinds(self._paths.status, self._status().get("error") or {}, {"traceback": list})
        return [str(line) for line in error.get("traceback") or []]

    @operation("GET /runs/{id}/environment")
    def get_environment(self) -> Any:
        """Show a run's environment: `how` it comes to it (`session`, `user-managed`, `private`, `image`), `name`,
        `version`, `definition` (its record as JSON text), `key`, and what was made ready: `image`, `tag`, `folder`,
        where it was `found`, and the `seconds` that took; None what there is not."""
        return environment_facts(self._paths, self._spec())

    @operation("GET /runs/{id}/tags", in_job=True)
    def get_tags(self) -> Mapping[str, str]:
        """Get a run's tags."""
        return dict(self._meta()["tags"])

    @operation("PATCH /runs/{id}/tags", in_job=True, command="tag")
    def set_tags(self, tags: Mapping[str, Text]) -> None:
        """Set tags of a run.

        Args:
            tags: Name to text.

        Raises:
            EspalierError: `bad_name`; `bad_argument` when a tag contains a secret's value.
        """
        named = {check_label("tag", name): str(value) for name, value in tags.items()}
        refuse_secret_values(self._paths.workspace, {"tags": named})
        self._status()
        check_formats(self._paths)
        job = self._job()
        if job is not None and not os.access(self._paths.shard, os.W_OK):  # in a container
            call_in_job(job, self._id, "set_tags", tags=named)
        else:
            add_tags(self._paths, named)

    def tag(self, key: str, value: Optional[Text] = None) -> None:
        """Set one tag, as azureml-core does it: `set_tags({key: value})`.

        Args:
            key: Its name.
            value: Its text. Default: empty.

        Raises:
            EspalierError: see `set_tags`.
        """
        self.set_tags({key: "" if value is None else value})

    @operation("GET /runs/{id}/properties", in_job=True)
    def get_properties(self) -> Mapping[str, str]:
        """Get a run's properties."""
        return dict(self._meta()["properties"])

    @operation("POST /runs/{id}/cancel", long=True, in_job=True)
    def cancel(self) -> bool:
        """Cancel a run and the runs below it. Their processes get 10 seconds to end by themselves.

        Returns:
            False when it had ended already.

        Raises:
            EspalierError: `run_not_active` for an interactive run that isn't a child, which its session ends.
        """
        self._status()
        check_formats(self._paths)
        job = self._job()
        if job is not None:
            return bool(ask(job, "cancel", run=self._id)["canceled"])
        return cancel(self._paths, self._id)

    @operation("POST /runs/{id}/complete", long=True, in_job=True, command="")
    def complete(self) -> None:
        """End an interactive run as Completed.

        Raises:
            EspalierError: `run_not_active`.
        """
        self._end(states.COMPLETED, None)

    @operation("POST /runs/{id}/fail", long=True, in_job=True, command="")
    def fail(self, error_details: Optional[str] = None) -> None:
        """End an interactive run as Failed.

        Args:
            error_details: Why.
        """
        self._end(states.FAILED, error_details)

    @operation("GET /runs/{id}/follow", command="")
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
            raise_on_error: Raise when the run failed. A canceled run isn't an error: its reason is printed with
                `show_output`, and is `error` of the result.

        Returns:
            `get_details()`.

        Raises:
            EspalierError: `run_failed`.
        """
        with giving_slot_away([self._paths]):
            seen = follow_to_end(self._paths, show_output)
        if raise_on_error and seen.status == states.FAILED:
            raise failure_of(self._paths, self._status())
        if show_output and seen.status == states.CANCELED:
            sys.stdout.write(canceled_line(self._id, self._status()))
        return self.get_details()

    def _end(self, state: str, message: Optional[str]) -> None:
        from espalier.api.interactive import end_interactive

        self._status()
        check_formats(self._paths)
        job = self._job()
        if job is not None:
            ask(job, "complete" if state == states.COMPLETED else "fail", run=self._id, message=message)
        else:
            end_interactive(self._paths, state, message)
        self._close_logs()

    def _status(self) -> Dict[str, Any]:
        try:
            return check_kinds(self._paths.status, status_record(self._paths), _STATUS_KINDS)
        except FileNotFoundError as error:
            if not self._follow():
                raise self._missing(error) from None
        return self._status()

    def _follow(self) -> bool:
        """Where this is the job's own run, go to where it has been moved; False if it is nowhere else."""
        folder = job_folder()
        if not folder or os.path.basename(folder) != self._id or folder == self._paths.root:
            return False
        self._paths = RunPaths(folder)
        self._workspace_path, self._run_dir = self._paths.workspace.root, folder
        return True

    def _spec(self) -> JobSpec:
        return decoded(JobSpec, self._paths.spec, self._record(self._paths.spec))

    def _meta(self) -> Dict[str, Any]:
        try:
            return read_meta(self._paths)
        except FileNotFoundError as error:
            raise self._missing(error) from None

    def _record(self, path: str) -> Dict[str, Any]:
        try:
            return read_record(path)
        except FileNotFoundError as error:
            raise self._missing(error) from None

    def _missing(self, error: FileNotFoundError) -> EspalierError:
        if os.path.isdir(self._paths.root):
            message = f"Can't read the run {self._id}: {error.filename} is missing."
            hint = "Restore the file from a backup, or delete the run's folder."
            return EspalierError("damaged", message, hint, path=error.filename)
        return EspalierError(
            "run_missing", f"Can't find the run {self._id} in {self._workspace_path} any more.", "See list_runs()."
        )


class OfflineRun(Run):
    """Stands for a run outside a job: the log methods work and record nothing, all others refuse."""

    def __init__(self) -> None:
        JobLog.__init__(self, None)
        self._workspace_path, self._id, self._paths = "", "offline", _Nowhere()


class _Nowhere(RunPaths):
    """The files of no run."""

    def __init__(self) -> None:
        pass

    def __getattribute__(self, name: str) -> NoReturn:
        raise EspalierError(
            "run_not_active",
            "Can't find a run of this process: it isn't a job of espalier.",
            "Submit the script as a run.",
        )
