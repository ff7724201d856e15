"""Workspaces: where experiments and runs live."""

import contextlib
import os
import stat
import time
import uuid
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, TypeVar

from espalier.adapters.files import create_file, remove_tree
from espalier.api.places import find_config, home_of_workspaces, named_by, near_name, place, write_config
from espalier.api.run import Run
from espalier.api.wait_many import RunsOfWorkspace
from espalier.api.workspace_environments import WorkspaceEnvironments
from espalier.api.workspace_host import WorkspaceHost
from espalier.api.workspace_images import WorkspaceImages
from espalier.api.workspace_snapshots import WorkspaceSnapshots
from espalier.base.arguments import classed
from espalier.base.errors import EspalierError
from espalier.base.os_errors import cannot_write, is_full
from espalier.base.paths import FORMAT, WorkspacePaths, is_run_id
from espalier.base.progress import report
from espalier.base.records import dump_record, make_folders, now_iso, read_record
from espalier.base.types import Frame
from espalier.queue.control import look_after
from espalier.queue.nudge import nudge
from espalier.queue.step import step
from espalier.store.index.run_index import Query, RunIndex, experiments, query_of, unfinished
from espalier.store.index.sql import Sql, joined
from espalier.tracking.run_rows import summarise
from espalier.tracking.verify import damage_frame

if TYPE_CHECKING:
    from espalier.api.keyvault import Keyvault

_NO_CHILDREN = Sql("r.parent IS NULL")
_Answer = TypeVar("_Answer")


@classed
class Workspace(
    WorkspaceSnapshots, WorkspaceEnvironments, WorkspaceImages, RunsOfWorkspace, WorkspaceHost
):
    """A folder that holds experiments, runs and snapshots. Made by `Workspace.open`, `create` or `get`."""

    def __init__(self, path: str) -> None:
        super().__init__(WorkspacePaths(os.path.abspath(path)))

    def __repr__(self) -> str:
        return f"Workspace({self.path!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workspace) and os.path.realpath(self.path) == os.path.realpath(other.path)

    def __hash__(self) -> int:
        return hash(os.path.realpath(self.path))

    def _identity(self) -> Dict[str, str]:
        return {"path": self.path}

    @classmethod
    def _from_identity(cls, identity: Mapping[str, str]) -> "Workspace":
        return cls(identity["path"])

    @property
    def path(self) -> str:
        """The workspace's folder, absolute."""
        return self._paths.root

    @property
    def id(self) -> str:
        """The workspace's id, a UUID."""
        return str(read_record(self._checked()._paths.record, follow=True)["id"])

    @property
    def name(self) -> str:
        """The workspace's name."""
        return os.path.basename(self.path)

    def get_default_keyvault(self) -> "Keyvault":
        """The workspace's keyvault, which keeps its secrets."""
        from espalier.api.keyvault import Keyvault

        return Keyvault(self.path)

    @classmethod
    def open(cls, name: str, path: Optional[str] = None) -> "Workspace":
        """Get a workspace, or create it if there is none.

        Args:
            name: Its name: letters A-Z and a-z, digits, `_`, `-` and `.`.
            path: Folder that holds it. Default: `.espalier/` at the top of this project.

        Raises:
            EspalierError: `bad_name`, `newer_format`, `workspace_read_only`.
        """
        return cls.create(name, path, exist_ok=True)

    @classmethod
    def open_values(cls, name: str, path: Optional[str] = None) -> Any:
        """As `open`, for clients that report what happened.

        Args:
            name: Its name.
            path: Folder that holds it. Default: `.espalier/` at the top of this project.

        Returns:
            `path`, its folder; `home`, the folder that holds it; whether it was `created`; `near`, the workspace
            beside a new one whose name is close.
        """
        existed = os.path.exists(cls(place(name, path))._paths.record)
        workspace = cls.open(name, path)
        near = None if existed else near_name(name, path)
        return {"path": workspace.path, "home": os.path.dirname(workspace.path), "created": not existed, "near": near}

    @classmethod
    def create(cls, name: str, path: Optional[str] = None, exist_ok: bool = False) -> "Workspace":
        """Create a workspace.

        Args:
            name: Its name.
            path: Folder that holds it. Default: `.espalier/` at the top of this project.
            exist_ok: Return the workspace if it exists already.

        Raises:
            EspalierError: `workspace_exists`, `bad_name`, `newer_format`, `workspace_read_only`.
        """
        workspace = cls(place(name, path))
        record = workspace._paths.record
        if os.path.exists(record):
            if not exist_ok:
                raise EspalierError(
                    "workspace_exists",
                    f"There is a workspace {name!r} at {workspace.path} already.",
                    "Use get_workspace(), or workspace(), which gets or creates.",
                )
            read_record(record, follow=True)
            nudge()
            return workspace
        content = {"format": FORMAT, "name": name, "id": str(uuid.uuid4()), "created_at": now_iso(time.time())}
        try:
            make_folders(workspace.path)
            create_file(record, dump_record(content), workspace.path)
            if path is None:  # runs are no source code: a project's own folder stays out of its git
                create_file(os.path.join(os.path.dirname(workspace.path), ".gitignore"), b"*\n", workspace.path)
        except OSError as error:
            if is_full(error):
                raise cannot_write(workspace.path, error) from error
            raise EspalierError(
                "workspace_read_only",
                f"No workspace can be made at {workspace.path}: {error.strerror}.",
                "Give another folder with path =.",
            ) from error
        return workspace

    @classmethod
    def get(cls, name: str, path: Optional[str] = None) -> "Workspace":
        """Get an existing workspace.

        Args:
            name: Its name.
            path: Folder that holds it. Default: `.espalier/` at the top of this project.

        Raises:
            EspalierError: `workspace_missing`, `newer_format`.
        """
        try:
            return cls(place(name, path))._checked()
        except EspalierError as error:
            near = near_name(name, path) if error.code == "workspace_missing" else None
            if near is None:
                raise
            raise EspalierError(error.code, error.message, f'Did you mean "{near}"?', **error.fields) from None

    @classmethod
    def list(cls, path: Optional[str] = None) -> "Dict[str, Workspace]":
        """The workspaces of a project, by name.

        Args:
            path: Folder that holds them. Default: `.espalier/` at the top of this project.
        """
        folder = home_of_workspaces(path)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        found = [cls(os.path.join(folder, name)) for name in names]
        return {workspace.name: workspace for workspace in found if os.path.isfile(workspace._paths.record)}

    @classmethod
    def from_config(cls, path: Optional[str] = None, file_name: Optional[str] = None) -> "Workspace":
        """Get the workspace that a config file names, searching upwards.

        Looked for in each folder from `path` upwards: `.espalier/`, `.azureml/`, `aml_config/`, the folder itself.

        Args:
            path: Folder to begin at, or the config file itself. Default: the working directory.
            file_name: Name of the file. Default: `config.json`.

        Raises:
            EspalierError: `workspace_missing` when no config is found or what it names is gone, `damaged`.
        """
        return cls(named_by(find_config(path, file_name)))._checked()

    def write_config(self, path: Optional[str] = None, file_name: Optional[str] = None) -> str:
        """Write the small file by which other sessions find this workspace.

        Args:
            path: Folder to write to. Default: `.espalier/` below the working directory.
            file_name: Name of the file. Default: `config.json`.

        Returns:
            The file written.
        """
        return write_config(self.path, path, file_name)

    def get_details(self) -> Any:
        """The workspace's record: `name`, `id`, `path`, `created_at`, and how many runs and experiments it has."""
        record = read_record(self._checked()._paths.record, follow=True)
        found = self._ask(lambda index, database: experiments(database))
        return {
            "name": self.name,
            "id": record["id"],
            "path": self.path,
            "created_at": record["created_at"],
            "experiments": len(found),
            "runs": sum(runs for _, runs, _ in found),
        }

    def get_run(self, run_id: str) -> Run:
        """A run by its id.

        Args:
            run_id: The run's id, or "latest" for the newest one that has no parent.

        Raises:
            EspalierError: `run_missing`.
        """
        if run_id == "latest":
            run_id = next(iter(self._run_ids(Query(limit=1, fixed=_NO_CHILDREN))), run_id)
        try:
            found = is_run_id(run_id) and stat.S_ISDIR(os.stat(self._paths.run(run_id).root).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            found = False
        if not found:
            raise EspalierError("run_missing", f"There is no run {run_id!r} in {self.path}.", "See list_runs().")
        RunIndex(self._paths, summarise).look_again(run_id)  # its files may have been changed in place
        return Run(self.path, run_id)

    def list_runs(
        self,
        include_children: bool = False,
        filter: Optional[str] = None,
        order_by: "Optional[Sequence[str]]" = None,
        max_results: Optional[int] = None,
        page_token: Optional[str] = None,
    ) -> Frame:
        """Runs, newest first, a row each: ids, status, times, tags, parameters, last metrics.

        Args:
            include_children: Also runs that have a parent.
            filter: Only runs for which this holds: `metrics.auc > 0.8 and tags.stage = 'prod'`, in the language of
                MLflow's `search_runs`, with `or`, `not` and parentheses. Times take `'2026-03-01'` and `'7 days'`.
            order_by: What to sort by: `["metrics.auc DESC", "created_at"]`. Runs without a value come last.
            max_results: The number of runs, at most.
            page_token: The table's `page_token`, to get the runs that follow it. The other arguments must be the same.

        Raises:
            EspalierError: `bad_filter`.
        """
        return self._list(Sql("1"), include_children, query_of(filter, order_by, max_results, page_token))

    def verify(self) -> Frame:
        """Read the records and logs of each run again, and report what is damaged: `run_id`, `file`, `problem`.

        Without an id, `file` is a folder of runs that can't be read.
        A list looks at ended runs only when something in their folders was replaced. After this it has the state of
        everything that was changed in place.
        """
        RunIndex(self._checked()._paths, summarise).read_everything()
        return damage_frame(self._paths)

    def list_experiments(self) -> Frame:
        """The experiments: `experiment`, `runs`, `last_run_at`."""
        found = [row for row in self._ask(lambda index, database: experiments(database)) if row[0]]
        columns: Dict[str, List[Any]] = {
            "experiment": [name for name, _, _ in found],
            "runs": [runs for _, runs, _ in found],
            "last_run_at": [None if last is None else now_iso(last + 5e-7) for _, _, last in found],
        }
        return Frame(columns, {"experiment": "string", "runs": "integer", "last_run_at": "string"})

    def delete(self) -> None:
        """Delete the workspace with all its runs.

        Interrupted while files are removed, the workspace is gone, and what is left of it lies beside its place in a
        folder `<name>.deleted-...`.

        Raises:
            EspalierError: `run_not_active` while runs are queued or running.
        """
        active = self._checked()._unfinished()
        if active:
            raise EspalierError(
                "run_not_active", f"{len(active)} runs of {self.path} have not ended.", "Cancel or wait for them first."
            )
        trash = self._paths.deleted()
        os.rename(self.path, trash)
        runs = WorkspacePaths(trash).runs
        shards = os.listdir(runs) if os.path.isdir(runs) else []
        for done, shard in enumerate(shards):
            report("Deleting runs", done, len(shards))
            remove_tree(os.path.join(runs, shard))
        remove_tree(trash)

    def _list(self, fixed: Sql, include_children: bool, query: Query) -> Frame:
        """The table of the runs that a query is for."""
        fixed = fixed if include_children else joined([fixed, _NO_CHILDREN], every=True)
        return self._ask(lambda index, database: index.frame(database, query._replace(fixed=fixed)))

    def _run_ids(self, query: Query) -> List[str]:
        return self._ask(lambda index, database: index.ids(database, query))

    def _unfinished(self) -> List[str]:
        return [run_id for run_id, *_ in self._ask(lambda index, database: unfinished(database))]

    def _ask(self, question: Callable[[RunIndex, Any], _Answer]) -> _Answer:
        """Ask the index. Looking moves the queue on: what died is seen, what waits is started."""
        index = RunIndex(self._checked()._paths, summarise)
        with contextlib.suppress(EspalierError, OSError):  # who cannot have a queue can still read
            step()
        answer, waiting = index.ask(lambda database: (question(index, database), unfinished(database)))
        lost = [run_id for run_id, *owner in waiting if look_after(run_id, self._paths.run(run_id), *owner)]
        return index.ask(lambda database: question(index, database)) if lost else answer

    def _checked(self) -> "Workspace":
        """This workspace, once it is known to be there and readable."""
        try:
            record = read_record(self._paths.record, follow=True)
        except (FileNotFoundError, NotADirectoryError):
            raise EspalierError(
                "workspace_missing",
                f"There is no workspace at {self.path}.",
                "Create it with workspace() or create_workspace(), or correct name and path.",
                path=self.path,
            ) from None
        if not isinstance(record.get("id"), str):
            raise EspalierError("damaged", f"{self._paths.record} holds no id.", path=self._paths.record)
        nudge()
        return self
