"""The children of a run: made, submitted, found. Standard library, Python 3.8 or later."""

import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence

from espalier.api.job_log import JobLog
from espalier.api.job_requests import ask, own_run
from espalier.base.errors import EspalierError
from espalier.base.operation import operation
from espalier.base.paths import RunPaths
from espalier.base.types import Text
from espalier.lifecycle.children import children_of, descendants_of
from espalier.lifecycle.status import check_formats, status_of
from espalier.vault.known import NOT_SEARCHED, refuse_secret_values

if TYPE_CHECKING:
    from espalier.api.run import Run

_NO_CONFIG = "config must be a ScriptRunConfig or a mapping of its fields"


class RunChildren(JobLog):
    """The methods of `Run` that make children and find them."""

    _workspace_path: str
    _id: str
    _paths: RunPaths

    @operation("POST /runs/{id}/children", long=True, in_job=True, command="")
    def child_run(
        self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Optional[str] = None
    ) -> "Run":
        """Make a child that is recorded by hand: log into it, then `complete()` it.

        Made by a job, it lives as long as its parent, and ends as the parent does unless it was ended before; made by a
        session, it is lost with the session if that ends first.

        Args:
            name: Text for people.
            run_id: The id it gets: `<experiment>_<up to 12 digits>_<8 hexadecimal digits>`. Default: a new one.
            outputs: Folder whose files are kept as its outputs when it ends.

        Raises:
            EspalierError: `bad_name`, `run_exists`, `run_missing`, `workspace_read_only`, `request_unanswered`.
        """
        collect_from = _absolute(outputs) if outputs else None
        return self._create([{"name": name, "run_id": run_id, "collect_from": collect_from}])[0]

    @operation("POST /runs/{id}/children/several", long=True, in_job=True, command="")
    def create_children(
        self,
        count: Optional[int] = None,
        tag_key: Optional[str] = None,
        tag_values: Optional[Sequence[Text]] = None,
    ) -> "List[Run]":
        """Make several such children.

        Args:
            count: How many, up to 1,000. Either this or the next two.
            tag_key: Name of a tag.
            tag_values: Its values: a child for each.

        Raises:
            EspalierError: `bad_argument` and those of `child_run`.
        """
        if (count is None) == (tag_key is None) or (tag_key is None) != (tag_values is None):
            raise EspalierError(
                "bad_argument",
                "Can't tell how many children to create: give either `count`, or `tag_key` and `tag_values`.",
            )
        number = count if tag_values is None else len(tag_values)
        if number is None or not 1 <= number <= 1000:
            raise EspalierError(
                "bad_argument", f"Can't create {number} children at once: between 1 and 1,000 are possible."
            )
        if tag_values is None:
            return self._create([{}] * number)
        return self._create([{"tags": {str(tag_key): str(value)}} for value in tag_values])

    def submit_child(self, config: Any, tags: Optional[Mapping[str, Text]] = None) -> "Run":
        """Submit a job as a child of this run, to the same experiment. In a job, its runner does it.

        Args:
            config: The job: a `ScriptRunConfig`, or a mapping of its fields.
            tags: Text to find the run by later.

        Raises:
            EspalierError: what is wrong with the config or its folder; `request_unanswered`.
        """
        answer = self.submit_child_values(_fields_of(config), tags)
        for text in [*answer["notes"], *answer["warnings"]]:
            warnings.warn(text, stacklevel=3)
        return self._child(answer["run_id"])

    @operation("POST /runs/{id}/children/jobs", long=True, in_job=True, command="")
    def submit_child_values(self, config: Mapping[str, Any], tags: Optional[Mapping[str, Text]] = None) -> Any:
        """Submit a child given as plain values; for bindings.

        Args:
            config: The fields of a `ScriptRunConfig`.
            tags: Text to find the run by later.

        Returns:
            `run_id`, and what to tell the user: `notes` and `warnings`.
        """
        check_formats(self._paths)
        job = self._job()
        if job is not None:
            config = _fields_of(config)
            # (the runner, which records them, knows no values)
            texts = {name: value for name, value in config.items() if name not in NOT_SEARCHED}
            refuse_secret_values(self._paths.workspace, {**texts, "tags": tags})
            answer = ask(job, "submit", parent=self._id, config=_in_job(config), tags=dict(tags or {}))
            return {"run_id": answer["run_ids"][0], "notes": answer["notes"], "warnings": answer["warnings"]}
        from espalier.base.config import ScriptRunConfig
        from espalier.jobs.children import submit_child

        return submit_child(self._paths.workspace, self._id, ScriptRunConfig.from_mapping(config), tags or {})

    @operation("GET /runs/{id}/children", long=True, in_job=True, command="")
    def get_children(
        self,
        recursive: bool = False,
        tags: Optional[Mapping[str, Text]] = None,
        properties: Optional[Mapping[str, str]] = None,
        type: Optional[str] = None,
        status: Optional[str] = None,
    ) -> "List[Run]":
        """The run's children, in the order in which they were made.

        Args:
            recursive: Also their children, and so on.
            tags: Only runs that have all these tags.
            properties: Only runs that have all these properties.
            type: Only runs of this type: `script`, `command` or `interactive`.
            status: Only runs in this state.
        """
        if own_run() is None:
            from espalier.workspace.handle import indexed_children

            texts = {"tags": tags or {}, "properties": properties or {}}
            ids = indexed_children(self._workspace_path, self._id, recursive, texts, type, status)
            return [self._child(run_id) for run_id in ids]
        found = descendants_of(self._paths) if recursive else children_of(self._paths)
        runs = [self._child(os.path.basename(each.root)) for each in found if status_of(each) is not None]
        wanted = [
            run
            for run in runs
            if (type is None or run._spec().type == type)
            and (status is None or run.get_status() == status)
            and _has(run._meta()["tags"], tags)
            and _has(run._meta()["properties"], properties)
        ]
        return sorted(wanted, key=lambda run: (run._spec().created_at, run.id))

    def _create(self, children: List[Dict[str, Any]]) -> "List[Run]":
        check_formats(self._paths)
        job = self._job()
        if job is not None:
            for child in children:
                texts = {"display_name": child.get("name"), "tags": child.get("tags")}
                refuse_secret_values(self._paths.workspace, texts)
            answer = ask(job, "create", parent=self._id, wanted=children)
            return [self._child(run_id) for run_id in answer["run_ids"]]
        from espalier.api.interactive import start_child

        return [self._child(start_child(self._paths, each)) for each in children]

    def _job(self) -> Optional[RunPaths]:
        """The run of the job that this process belongs to, if what is done to this run has to be asked for."""
        job = own_run()
        if job is None:
            return None
        from espalier.api.interactive import is_held

        return None if is_held(self._id) else job

    def _child(self, run_id: str) -> "Run":
        from espalier.api.run import Run

        return Run(self._workspace_path, run_id)


def _fields_of(config: Any) -> Mapping[str, Any]:
    from dataclasses import asdict

    from espalier.base.config import ScriptRunConfig

    if isinstance(config, ScriptRunConfig):
        return asdict(config)
    if not isinstance(config, Mapping):
        raise EspalierError("bad_argument", f"{_NO_CONFIG}, not a {type(config).__name__}.")
    # (a child without an environment may have that of its parent, which only the runner knows)
    environment = config.get("environment")
    checked = ScriptRunConfig.from_mapping({**config, "environment": {} if environment is None else environment})
    return {**asdict(checked), "environment": environment}


def _in_job(config: Mapping[str, Any]) -> Dict[str, Any]:
    """A job as it is asked for: folders absolute, for the runner works in another one; of the session only what
    cannot be known there."""
    values = {key: value for key, value in config.items() if value is not None}
    if isinstance(values.get("source_directory"), str):
        values["source_directory"] = _absolute(values["source_directory"])
    values["inputs"] = {name: _absolute(path) for name, path in (values.get("inputs") or {}).items()}
    session = values.get("session") or {}
    values["session"] = {key: session[key] for key in ("client", "rscript", "r_version") if session.get(key)}
    values["session"].setdefault("client", "Python " + sys.version.split()[0])
    values["session"]["python"] = session.get("python") or sys.executable
    return values


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _has(present: Mapping[str, str], wanted: Optional[Mapping[str, Text]]) -> bool:
    return all(present.get(key) == str(value) for key, value in (wanted or {}).items())
