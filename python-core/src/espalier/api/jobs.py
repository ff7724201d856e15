"""Jobs in files: `ws.job`."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

from espalier.api.experiment import Experiment
from espalier.api.run import Run
from espalier.api.workspace import Workspace
from espalier.base.arguments import classed
from espalier.base.canonical import canonical_json
from espalier.base.errors import EspalierError
from espalier.base.operation import for_python, operation
from espalier.base.types import Text
from espalier.jobfile.files import read_job, write_job
from espalier.workspace.handle import WorkspaceHandle


@classed
class Jobs(WorkspaceHandle):
    """Jobs in files, submitted to a workspace."""

    NOUN = "job"

    @operation("POST /jobs", long=True, command="submit")
    def submit_values(
        self,
        path: str,
        set: Sequence[str] = (),
        experiment: Optional[str] = None,
        tags: Optional[Mapping[str, Text]] = None,
        reuse: bool = False,
    ) -> Any:
        """Submit the job of a file, and return at once; the job goes on even if this process ends.

        Args:
            path: The file.
            set: Values that replace those of the file, `params.trees=500`.
            experiment: Name of the experiment. Default: the file's.
            tags: Text to find the run by later, on top of the file's.
            reuse: Return the newest completed run that ran exactly the same, if there is one.

        Returns:
            `run_id`, `reused`, and what to tell the user: `notes` and `warnings`.

        Raises:
            EspalierError: `bad_job_file`; what is wrong with the job, its folder or the workspace.
        """
        job = read_job(path, set)
        name = experiment or job.experiment
        if name is None:
            hint = "Give its name, or write `experiment: <name>` into the file."
            raise EspalierError(
                "bad_argument", "Can't submit a job without an experiment.", hint, argument="experiment"
            )
        owner = Experiment(Workspace(self._paths.root), name)
        result: Dict[str, Any] = owner.submit_values(job.values, {**job.tags, **(tags or {})}, reuse)
        return {**result, "notes": [*job.notes, *result["notes"]]}

    @for_python(submit_values)
    def submit(self, result: Mapping[str, Any]) -> Run:
        """The run."""
        return Run(self._paths.root, result["run_id"])

    @classmethod
    @operation("POST /jobs/file")
    def read(cls, path: str, set: Sequence[str] = (), values: Optional[Mapping[str, Any]] = None) -> Any:
        """Read a job file. See `espalier.read_job`.

        Args:
            path: The file.
            set: Values that replace those of the file, `params.trees=500`.
            values: Further ones by their names, `{"params.trees": 500}`.

        Returns:
            `config`, the fields of a `ScriptRunConfig` but its environment, which is `environment` as JSON text;
            `experiment`, `tags`, and `notes` for the user.

        Raises:
            EspalierError: `bad_job_file`, with line and column of what is wrong; `newer_format`.
        """
        job = read_job(path, set, values)
        config = dict(job.values)
        environment = config.pop("environment", None)
        text = None if environment is None else canonical_json(environment).decode("utf-8")
        whole = {"experiment": job.experiment, "tags": job.tags, "notes": job.notes}
        return {"config": config, "environment": text, **whole}

    @classmethod
    @operation("PUT /jobs/file", command="")
    def write(
        cls,
        config: Mapping[str, Any],
        path: str,
        experiment: Optional[str] = None,
        tags: Optional[Mapping[str, Text]] = None,
    ) -> List[str]:
        """Write a job to a file, in place of one that is there. See `espalier.write_job`.

        Args:
            config: The fields of a `ScriptRunConfig`.
            path: The file.
            experiment: Name of the experiment.
            tags: Text to find its runs by.

        Returns:
            What the user should know: variables whose names look like those of secrets.

        Raises:
            EspalierError: `bad_argument` when the job has what no file can hold, or the file can't be written.
        """
        notes: List[str] = write_job(config, path, experiment, tags)
        return notes
