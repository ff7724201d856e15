"""Workspaces: where experiments and runs live."""

import contextlib
import os
import time
import uuid
from typing import TYPE_CHECKING, Any, Dict, Optional

from espalier.adapters.files import create_file, remove_tree
from espalier.api.catalog import noun_class
from espalier.base.arguments import classed
from espalier.base.errors import EspalierError
from espalier.base.operation import operation
from espalier.base.os_errors import cannot_write, is_full
from espalier.base.paths import FORMAT, WorkspacePaths
from espalier.base.progress import report
from espalier.base.records import dump_record, make_folders, now_iso, read_record
from espalier.base.types import Frame
from espalier.queue.nudge import nudge
from espalier.store.index.run_index import experiments
from espalier.tracking.verify import damage_frame
from espalier.workspace.handle import WorkspaceHandle
from espalier.workspace.places import (
    find_config,
    home_of_workspaces,
    keep_out_of_git,
    named_by,
    near_name,
    place,
    workspaces_in,
    write_config,
)

if TYPE_CHECKING:
    from espalier.api.datastore import Datastore
    from espalier.api.environments import Environments
    from espalier.api.experiments import Experiments
    from espalier.api.images import Images
    from espalier.api.jobs import Jobs
    from espalier.api.keyvault import Keyvault
    from espalier.api.runs import Runs
    from espalier.api.snapshots import Snapshots


@classed
class Workspace(WorkspaceHandle):
    """A folder that holds experiments, runs and snapshots. Made by `Workspace.open`, `create` or `get`.

    What it holds is asked for by noun: `ws.runs.list()`, `ws.environments.get("torch")`. Each system adds its own.
    """

    NOUN = "workspace"

    datastore: "Datastore"
    environments: "Environments"
    experiments: "Experiments"
    images: "Images"
    job: "Jobs"
    runs: "Runs"
    secrets: "Keyvault"
    snapshots: "Snapshots"

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("_") else noun_class(name)
        if found is None:
            raise AttributeError(f"a Workspace has no {name!r}")
        return found._from_identity(self._identity())

    @property
    def path(self) -> str:
        """The workspace's folder, absolute."""
        return self._paths.root

    @property
    def id(self) -> str:
        """The workspace's id, a UUID."""
        return self._checked_id()

    @property
    def name(self) -> str:
        """The workspace's name."""
        return os.path.basename(self.path)

    @operation("GET /secrets/vault", command="")
    def get_default_keyvault(self) -> "Keyvault":
        """The workspace's keyvault, which keeps its secrets."""
        return self.secrets

    @operation("GET /workspace/compute", command="")
    def get_compute(self, name: str) -> Optional[str]:
        """Get a compute target: its name, which `compute_target` of a job takes; None if there is none of that name.

        Args:
            name: `local`, `docker`, or the name of an executor that another package provides.
        """
        from espalier.executors.registry import is_known

        return name if is_known(name) else None

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
    @operation("PUT /workspace", command="open")
    def open_values(cls, name: str, path: Optional[str] = None) -> Any:
        """Open a workspace, or create it. As `open`, for clients that report what happened.

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
    @operation("POST /workspace")
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
                    f"Can't create the workspace {name!r}: {workspace.path} is one already.",
                    "Use get_workspace(), or workspace(), which gets or creates.",
                )
            read_record(record, follow=True)
            with contextlib.suppress(OSError):  # (one that isn't ours to write)
                keep_out_of_git(workspace.path)
            nudge()
            return workspace
        content = {"format": FORMAT, "name": name, "id": str(uuid.uuid4()), "created_at": now_iso(time.time())}
        try:
            make_folders(workspace.path)
            create_file(record, dump_record(content), workspace.path)
            keep_out_of_git(workspace.path)
        except OSError as error:
            if is_full(error):
                raise cannot_write(workspace.path, error) from error
            raise EspalierError(
                "workspace_read_only",
                f"Can't create a workspace at {workspace.path}: {error.strerror}.",
                "Give another folder with path =.",
            ) from error
        return workspace

    @classmethod
    @operation("GET /workspace", command="")
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
    @operation("GET /workspaces", command="")
    def list(cls, path: Optional[str] = None) -> "Dict[str, Workspace]":
        """The workspaces of a project, by name.

        Args:
            path: Folder that holds them. Default: `.espalier/` at the top of this project.
        """
        return {os.path.basename(found): cls(found) for found in workspaces_in(home_of_workspaces(path))}

    @classmethod
    @operation("GET /workspace/config", command="")
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

    @operation("PUT /workspace/config")
    def write_config(self, path: Optional[str] = None, file_name: Optional[str] = None) -> str:
        """Write the file that names this workspace. Other sessions find it by that.

        Args:
            path: Folder to write to. Default: `.espalier/` below the working directory.
            file_name: Name of the file. Default: `config.json`.

        Returns:
            The file written.
        """
        return write_config(self.path, path, file_name)

    def get_default_datastore(self) -> "Datastore":
        """The workspace's datastore, as azureml-core calls it: `ws.datastore`."""
        return self.datastore

    @operation("GET /workspace/details", long=True, command="show")
    def get_details(self) -> Any:
        """Show the workspace's record: `name`, `id`, `path`, `created_at`, and how many runs and experiments it has."""
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

    @operation("POST /workspace/verify", long=True)
    def verify(self) -> Frame:
        """Find damaged runs: read the records and logs of each again. `run_id`, `file`, `problem`.

        Without an id, `file` is a folder of runs that can't be read.
        A list looks at ended runs only when something in their folders was replaced. After this it has the state of
        everything that was changed in place.
        """
        self._checked()._index().read_everything()
        return damage_frame(self._paths)

    @operation("DELETE /workspace", long=True)
    def delete(self) -> None:
        """Delete the workspace with all its runs.

        Interrupted while files are removed, the workspace is gone, and what is left of it lies beside its place in a
        folder `<name>.deleted-...`.

        Raises:
            EspalierError: `run_not_active` while runs are queued or running.
        """
        active = self._checked()._unfinished()
        if active:
            message = f"Can't delete {self.path}: {len(active)} of its runs haven't ended."
            raise EspalierError("run_not_active", message, "Cancel or wait for them first.")
        trash = self._paths.deleted()
        os.rename(self.path, trash)
        runs = WorkspacePaths(trash).runs
        shards = os.listdir(runs) if os.path.isdir(runs) else []
        for done, shard in enumerate(shards):
            report("Deleting runs", done, len(shards))
            remove_tree(os.path.join(runs, shard))
        remove_tree(trash)

