"""What Tab offers: ids of runs, names of workspaces, environments and experiments.

What it takes is read from the disk as it lies: a key press moves no queue and writes nothing.
"""

import contextlib
import os
from typing import Callable, List, Optional

import click

from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths, is_record
from espalier.cli.place import LATEST, home, run_id, workspace_folder
from espalier.store.index.known import known_names, newest_ids
from espalier.workspace.places import workspaces_in

_MOST = 50
# The attributes of runs that lists are often sorted by.
_SORTED = ("created_at", "duration_seconds", "experiment", "max_memory_bytes", "status")
Offer = Callable[[click.Context, click.Parameter, str], List[str]]


def by_name(name: str) -> Optional[Offer]:
    """What completes an argument, by its name."""
    return _OFFERS.get(name)


def of_operation(operation: str, name: str) -> Optional[Offer]:
    """What completes an argument whose name alone doesn't say what it is."""
    return files if (operation, name) in (("download_file", "name"), ("get_log", "name")) else by_name(name)


def runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """`latest`, and the ids of the newest runs that begin so."""
    folder = _workspace(context)
    ids = newest_ids(WorkspacePaths(folder), incomplete, _MOST) if folder else []
    return [*([LATEST] if LATEST.startswith(incomplete) else []), *ids]


def workspaces(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The workspaces of the project."""
    names = map(os.path.basename, workspaces_in(home(context.params.get("_path"))))
    return [name for name in names if name.startswith(incomplete)][:_MOST]


def experiments(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The experiments of the workspace."""
    folder = _workspace(context)
    return _names(WorkspacePaths(folder).experiments if folder else None, incomplete)


def environments(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The environments that are registered in the workspace."""
    folder = _workspace(context)
    return _names(WorkspacePaths(folder).environments if folder else None, incomplete)


def metrics(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The names of metrics."""
    folder = _workspace(context)
    return known_names(WorkspacePaths(folder), "metrics", incomplete, _MOST) if folder else []


def orders(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """What lists can be sorted by."""
    folder = _workspace(context)
    found = [name for name in _SORTED if name.startswith(incomplete)]
    for group in ("metrics", "params", "tags"):
        prefix = f"{group}."
        if folder and (incomplete.startswith(prefix) or prefix.startswith(incomplete)):
            inner = incomplete[len(prefix) :]
            found += [prefix + name for name in known_names(WorkspacePaths(folder), group, inner, _MOST)]
    return found[:_MOST]


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> List[str]:
    """The files of the run that the command is about."""
    folder, given = _workspace(context), context.params.get("_id")
    if not folder or not given:
        return []
    from espalier.tracking.artifacts import file_names

    paths = WorkspacePaths(folder)
    with contextlib.suppress(EspalierError, OSError):
        named = run_id(folder, given)
        meant = next(iter(newest_ids(paths, "", 1)), "") if named == LATEST else named
        return [name for name in file_names(paths.run(meant)) if name.startswith(incomplete)][:_MOST]
    return []


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


# By the word that stands for it: of an argument, of an option, or of what a noun's commands are about.
_OFFERS = {
    "run": runs, "run_ids": runs, "snapshot": runs, "environment": environments, "experiment": experiments,
    "metric": metrics, "order_by": orders,
}  # fmt: skip
