"""What Tab offers: ids of runs, names of workspaces, environments and experiments.

What it takes is read from the disk as it lies: a key press moves no queue and writes nothing.
"""

import contextlib
import os
from typing import Callable, List, Optional

import click

from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths, is_record
from espalier.cli.place import LATEST, workspace_folder
from espalier.store.index.known import newest_ids
from espalier.workspace.places import home_of_workspaces, workspaces_in

_MOST = 50
Offer = Callable[[click.Context, click.Parameter, str], List[str]]


def by_name(name: str) -> Optional[Offer]:
    """What completes an argument, by its name."""
    return _OFFERS.get(name)


def runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """`latest`, and the ids of the newest runs that begin so."""
    folder = _workspace(context)
    ids = newest_ids(WorkspacePaths(folder), incomplete, _MOST) if folder else []
    return [*([LATEST] if LATEST.startswith(incomplete) else []), *ids]


def workspaces(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The workspaces of the project."""
    names = map(os.path.basename, workspaces_in(home_of_workspaces(context.params.get("_path"))))
    return [name for name in names if name.startswith(incomplete)][:_MOST]


def experiments(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The experiments of the workspace."""
    folder = _workspace(context)
    return _names(WorkspacePaths(folder).experiments if folder else None, incomplete)


def environments(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The environments that are registered in the workspace."""
    folder = _workspace(context)
    return _names(WorkspacePaths(folder).environments if folder else None, incomplete)


def _names(folder: Optional[str], incomplete: str) -> List[str]:
    """What lies in a folder, by the names of its records or folders."""
    found: List[str] = []
    if folder:
        with contextlib.suppress(OSError):
            found = sorted(os.path.splitext(name)[0] if is_record(name) else name for name in os.listdir(folder))
    return [name for name in found if name.startswith(incomplete) and name[:1] != "."][:_MOST]


def _workspace(context: click.Context) -> Optional[str]:
    try:
        return workspace_folder(context.params.get("_workspace"), context.params.get("_path"))
    except (EspalierError, OSError):
        return None


# By the word that stands for it: of an argument, or of what a noun's commands are about.
_OFFERS = dict(run=runs, run_ids=runs, snapshot=runs, environment=environments, experiment=experiments)
