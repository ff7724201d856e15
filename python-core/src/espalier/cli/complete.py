"""What Tab offers: ids of runs, names of workspaces, environments and experiments.

What it takes is read from the disk as it lies: a key press starts no process and loads no index.
"""

import contextlib
import os
from typing import Any, Callable, Dict, List, Optional

import click

from espalier.base.errors import EspalierError

_MOST = 50
Offer = Callable[[click.Context, click.Parameter, str], List[str]]


def by_name(name: str) -> Optional[Offer]:
    """What completes an argument, by its name."""
    return _OFFERS.get(name)


def runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """`latest`, and the ids of the newest runs that begin so."""
    from espalier.base.paths import WorkspacePaths
    from espalier.cli.place import LATEST, run_ids

    folder = _workspace(context)
    ids = run_ids(WorkspacePaths(folder)) if folder else []
    return [each for each in [LATEST, *ids] if each.startswith(incomplete)][:_MOST]


def workspaces(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The workspaces of the project."""
    from espalier.workspace.places import home_of_workspaces, workspaces_in

    names = map(os.path.basename, workspaces_in(home_of_workspaces(context.params.get("_path"))))
    return [name for name in names if name.startswith(incomplete)][:_MOST]


def experiments(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The experiments of the workspace."""
    return _records(context, "experiments", incomplete)


def environments(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The environments that are registered in the workspace."""
    return _records(context, "environments", incomplete)


def _records(context: click.Context, folder: str, incomplete: str) -> List[str]:
    from espalier.base.paths import WorkspacePaths

    workspace = _workspace(context)
    names: List[str] = []
    if workspace:
        with contextlib.suppress(OSError):
            names = sorted(os.listdir(getattr(WorkspacePaths(workspace), folder)))
    names = [name[:-5] if name.endswith(".json") else name for name in names if not name.startswith(".")]
    return [name for name in names if name.startswith(incomplete)][:_MOST]


def _workspace(context: click.Context) -> Optional[str]:
    from espalier.cli.place import workspace_folder

    try:
        return workspace_folder(context.params.get("_workspace"), context.params.get("_path"))
    except (EspalierError, OSError):
        return None


_OFFERS: Dict[str, Any] = {
    "run": runs, "snapshot": runs, "id": runs, "environment": environments, "experiment": experiments,
    "name": None,
}  # fmt: skip
