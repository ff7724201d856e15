"""Experiments: named groups of runs; submitting happens here."""

import contextlib
from functools import partial
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from espalier.api.interactive import start_interactive
from espalier.api.run import Run
from espalier.api.workspace import Workspace
from espalier.base.arguments import classed
from espalier.base.config import ScriptRunConfig
from espalier.base.names import check_name
from espalier.base.operation import for_python, operation
from espalier.base.paths import WorkspacePaths
from espalier.base.types import Frame, Text
from espalier.jobs.batch import commit_trials, trials_of
from espalier.jobs.commit import checked_tags, commit
from espalier.jobs.plan import base_spec, plan, plan_trials
from espalier.queue.spawn import runner_ahead
from espalier.snapshot.hold import holding_objects
from espalier.store.index.grammar import Node
from espalier.store.index.run_index import Query, completed, query_of, with_all
from espalier.store.index.sql import Sql, joined
from espalier.vault.known import refuse_secret_values
from espalier.workspace.handle import listed, record_experiment


@classed
class Experiment:
    """A named group of runs in a workspace. It comes into being with its first run.

    Args:
        workspace: The workspace.
        name: Its name: letters A-Z and a-z, digits, `_`, `-` and `.`.

    Raises:
        EspalierError: `bad_name`.
    """

    NOUN = "experiments"

    def __init__(self, workspace: Workspace, name: str) -> None:
        self._workspace = workspace
        self._name = check_name("experiment", name)

    def __repr__(self) -> str:
        return f"Experiment({self._workspace!r}, {self._name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Experiment) and (self._workspace, self._name) == (other._workspace, other._name)

    def __hash__(self) -> int:
        return hash((self._workspace, self._name))

    def _identity(self) -> Dict[str, str]:
        return {"workspace": self._workspace.path, "name": self._name}

    @classmethod
    def _from_identity(cls, identity: Mapping[str, str]) -> "Experiment":
        return cls(Workspace(identity["workspace"]), identity["name"])

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._name

    @property
    def workspace(self) -> Workspace:
        """The workspace it belongs to."""
        return self._workspace

    @operation("POST /experiments/{name}/runs", long=True, command="")
    def submit_values(
        self,
        config: Union[ScriptRunConfig, Mapping[str, Any]],
        tags: Optional[Mapping[str, Text]] = None,
        reuse: bool = False,
    ) -> Any:
        """Submit a job and return at once; the job goes on even if this process ends.

        Args:
            config: The fields of a `ScriptRunConfig`.
            tags: Text to find the run by later.
            reuse: Return the newest completed run that ran exactly the same, if there is one.

        Returns:
            `run_id`, `reused`, and what to tell the user: `notes` and `warnings`.

        Raises:
            EspalierError: what is wrong with the config, its folder or the workspace.
        """
        return self._submit(_checked(config), tags or {}, reuse)

    @for_python(submit_values)
    def submit(self, result: Mapping[str, Any]) -> Run:
        """The run."""
        return Run(self._workspace.path, result["run_id"])

    def _submit(self, config: ScriptRunConfig, tags: Mapping[str, Text], reuse: bool) -> Dict[str, Any]:
        tags = checked_tags(tags)
        paths, workspace_id = self._workspace._paths, self._workspace._checked_id()
        with contextlib.ExitStack() as until_queued:
            if _loads_ahead(config) and not reuse:
                until_queued.enter_context(runner_ahead(config.executor))
            # what the snapshot finds in the store stays there until a run refers to it
            hold = partial(until_queued.enter_context, holding_objects(paths))
            planned = plan(paths, workspace_id, self._name, config, hold)
            key = planned.spec.reuse_key
            found = self._completed([key]).get(str(key)) if reuse else None
            if found is None:
                self._record(paths)
            messages = {"reused": found is not None, "notes": planned.notes, "warnings": planned.warnings}
            return {"run_id": found or commit(paths, planned, tags), **messages}

    @operation("POST /experiments/{name}/batches", long=True, command="")
    def submit_many_values(
        self,
        config: Union[ScriptRunConfig, Mapping[str, Any]],
        params: Sequence[Mapping[str, Any]],
        tags: Optional[Sequence[Mapping[str, Text]]] = None,
        display_names: Optional[Sequence[str]] = None,
        reuse: bool = False,
    ) -> Any:
        """Submit many trials of one job, which differ in parameters, tags and name: the folder is read once.

        Args:
            config: The fields of a `ScriptRunConfig`.
            params: What each trial sets in `script_params`, on top of the job's own.
            tags: The tags of each trial.
            display_names: The name of each trial. Default: the job's own.
            reuse: Return the newest completed run in place of a trial that ran exactly the same.

        Returns:
            `run_ids` in the order of the trials, which is that of the ids of new runs; how many of them are `reused`;
            and what to tell the user: `notes` and `warnings`.

        Raises:
            EspalierError: what is wrong with the config, a trial, the folder or the workspace; nothing was submitted.
        """
        return self._submit_many(_checked(config), params, tags, display_names, reuse)

    @for_python(submit_many_values)
    def submit_many(self, result: Mapping[str, Any]) -> List[Run]:
        """A run for each trial."""
        return [Run(self._workspace.path, run_id) for run_id in result["run_ids"]]

    def _submit_many(
        self,
        config: ScriptRunConfig,
        params: Sequence[Mapping[str, Any]],
        tags: Optional[Sequence[Mapping[str, Text]]],
        display_names: Optional[Sequence[str]],
        reuse: bool,
    ) -> Dict[str, Any]:
        paths, workspace_id = self._workspace._paths, self._workspace._checked_id()
        trials = trials_of(paths, config, params, tags, display_names)
        with contextlib.ExitStack() as until_queued:
            hold = partial(until_queued.enter_context, holding_objects(paths))
            all_params = [trial.params for trial in trials]
            plans = plan_trials(paths, workspace_id, self._name, config, all_params, hold)
            known = self._completed([each.spec.reuse_key for each in plans]) if reuse else {}
            new = [(each, trial.meta) for each, trial in zip(plans, trials) if each.spec.reuse_key not in known]
            if new:
                self._record(paths)
                commit_trials(paths, [each for each, _ in new], [meta for _, meta in new])
            run_ids = [known.get(str(each.spec.reuse_key), each.spec.id) for each in plans]
            messages = {"notes": plans[0].notes, "warnings": plans[0].warnings}
            return {"run_ids": run_ids, "reused": len(plans) - len(new), **messages}

    def _completed(self, keys: Sequence[Optional[str]]) -> Dict[str, str]:
        """The newest completed run of each reuse key, by key."""
        return self._workspace._ask(lambda index, database: completed(database, self._name, keys))

    @operation("POST /experiments/{name}/interactive", long=True, command="")
    def start_logging(
        self,
        outputs: Optional[str] = None,
        snapshot_directory: Optional[str] = None,
        client: Optional[str] = None,
        outside_links: str = "refuse",
    ) -> Run:
        """Start an interactive run: this session records into it until `complete()`.

        Args:
            outputs: Folder whose files are kept as the run's outputs when it completes.
            snapshot_directory: Folder to keep a snapshot of.
            client: Who records, `R 4.2.2`. Default: this Python.
            outside_links: What becomes of links that lead out of the snapshot's folder, see `Snapshots.take`.

        Raises:
            EspalierError: `source_missing`, `source_unreadable`, `workspace_missing`, `workspace_read_only`;
                `bad_argument`.
        """
        paths, workspace_id = self._workspace._paths, self._workspace._checked_id()
        self._record(paths)
        spec = base_spec(workspace_id, self._name, "interactive", client or "")
        return Run(self._workspace.path, start_interactive(paths, spec, outputs, snapshot_directory, outside_links))

    @operation("GET /experiments/{name}/objects", long=True, command="")
    def get_runs(
        self,
        type: Optional[str] = None,
        tags: Optional[Mapping[str, Text]] = None,
        properties: Optional[Mapping[str, str]] = None,
        include_children: bool = False,
        include_archived: bool = False,
    ) -> List[Run]:
        """Runs of this experiment, newest first.

        Args:
            type: Only runs of this type: `script`, `command` or `interactive`.
            tags: Only runs that have all these tags.
            properties: Only runs that have all these properties.
            include_children: Also runs that have a parent.
            include_archived: Also archived runs.
        """
        of_type = Sql("1") if type is None else Sql("r.type = ?", (type,))
        fixed = listed(of_type, include_children=include_children, include_archived=include_archived)
        wanted = [with_all("tags", tags), with_all("properties", properties)]
        return [Run(self._workspace.path, run_id) for run_id in self._run_ids(fixed, wanted)]

    @operation("GET /experiments/{name}/runs", long=True, command="runs")
    def list_runs(
        self,
        include_children: bool = False,
        filter: Optional[str] = None,
        order_by: Optional[Sequence[str]] = None,
        max_results: Optional[int] = None,
        page_token: Optional[str] = None,
        include_archived: bool = False,
    ) -> Frame:
        """List the runs of an experiment, newest first, a row each: ids, status, times, tags, parameters, last metrics.

        Args:
            include_children: Also runs that have a parent.
            filter: Only runs for which this holds; see `Runs.list`.
            order_by: What to sort by: `["metrics.auc DESC", "created_at"]`. Runs without a value come last.
            max_results: The number of runs, at most.
            page_token: The table's `page_token`, to get the runs that follow it. The other arguments must be the same.
            include_archived: Also archived runs; the column `archived_at` then has the time, where there is one.

        Raises:
            EspalierError: `bad_filter`.
        """
        query = query_of(filter, order_by, max_results, page_token)
        return self._workspace._runs(self._own(), include_children, query, include_archived)

    def _own(self) -> Sql:
        return Sql("r.experiment = ?", (self._name,))

    def _run_ids(self, fixed: Sql, where: Sequence[Node] = (), limit: Optional[int] = None) -> List[str]:
        query = Query(where, limit=limit, fixed=joined([self._own(), fixed], every=True))
        return self._workspace._run_ids(query)

    def _record(self, paths: WorkspacePaths) -> None:
        """Make the experiment's record when it is the first time."""
        refuse_secret_values(paths, {"experiment": self._name})
        record_experiment(paths, self._name)


def _checked(config: Union[ScriptRunConfig, Mapping[str, Any]]) -> ScriptRunConfig:
    return config if isinstance(config, ScriptRunConfig) else ScriptRunConfig.from_mapping(config)


def _loads_ahead(config: ScriptRunConfig) -> bool:
    """Whether a runner loads while the run is written. It takes a processor from the submit, about 5 ms; before a
    container it saves 24 to 30, before a job without one not enough to be seen."""
    outputs = (given for given in config.inputs.values() if not isinstance(given, str))
    return config.container is not None and not config.depends_on and not any(outputs)
