"""Which workspace and which run a command is about."""

import os
from typing import List, Optional, Sequence

from espalier.base.errors import EspalierError
from espalier.base.paths import PROJECT_FOLDER, WorkspacePaths, is_run_id
from espalier.workspace.places import find_config, home_of_workspaces, named_by, near_name, place, workspaces_in

LATEST = "latest"
# Of more runs than that, the ones with the nearest ids aren't looked for.
_COMPARED = 20_000
_SHOWN, _NAMED = 3, 10


def workspace_folder(given: Optional[str], path: Optional[str], start: str = "") -> str:
    """The folder of the workspace that is meant.

    Looked for: what was given; the one in `path`; ESPALIER_WORKSPACE; the config file above `start`; the one of the
    project around `start`.

    Args:
        path: A project, or a folder that holds workspaces.
        start: Folder to begin at. Default: the working directory.

    Raises:
        EspalierError: `workspace_missing`: there is none; `bad_argument`: there is more than one.
    """
    given = given or (os.environ.get("ESPALIER_WORKSPACE") if path is None else None)
    folder = home(path, start)
    if given:
        return _named(given, folder)
    config = _config(start) if path is None else None
    if config is not None:
        return named_by(config)
    found = workspaces_in(folder)
    if len(found) == 1:
        return found[0]
    if found:
        message = f"Can't choose among the workspaces in {folder}: {_listed_names(found)}."
        hint = "Choose one with --workspace NAME or the variable ESPALIER_WORKSPACE. For all commands in this folder: "
        hint += "`espalier workspace write-config --workspace NAME`."
        raise EspalierError("bad_argument", message, hint)
    message = f"Can't find a workspace in {folder}."
    hint = "Create one with `espalier workspace create NAME`, or choose one with --workspace FOLDER."
    raise EspalierError("workspace_missing", message, hint, names=[])


def home(path: Optional[str], start: str = "") -> str:
    """The folder that holds workspaces: `path`, or that of a project there; by default that of this project."""
    folder = home_of_workspaces(path, start or None)
    inner = os.path.join(folder, PROJECT_FOLDER)
    return inner if path is not None and not workspaces_in(folder) and os.path.isdir(inner) else folder


def _listed_names(folders: Sequence[str]) -> str:
    return ", ".join(map(os.path.basename, folders[:_NAMED])) + (", ..." if folders[_NAMED:] else "")


def _config(start: str) -> Optional[str]:
    try:
        return find_config(start or None, None)
    except EspalierError:
        return None


def _named(given: str, home: str) -> str:
    folder = os.path.abspath(os.path.expanduser(given))
    if os.path.isfile(WorkspacePaths(folder).record):
        return folder
    if os.path.basename(given) != given:
        raise _missing(folder, "Give the folder of a workspace, or its name.")
    folder = place(given, home)
    if not os.path.isfile(WorkspacePaths(folder).record):
        near, others = near_name(given, home), workspaces_in(home)
        create = " Create it with `espalier workspace create NAME`."
        known = f" The workspaces there: {_listed_names(others)}." if others else create
        raise _missing(folder, f'Did you mean "{near}"?{known}' if near else known.strip())
    return folder


def _missing(folder: str, hint: str) -> EspalierError:
    return EspalierError("workspace_missing", f"Can't find a workspace at {folder}.", hint, path=folder)


def run_id(workspace: str, given: str) -> str:
    """The id of the run that is meant by an id, a beginning or an end of one, or `latest`. Raises EspalierError:
    `run_missing`, with the nearest ids; `bad_argument` when more than one is meant."""
    paths = WorkspacePaths(workspace)
    if given == LATEST or (given and os.path.basename(given) == given and os.path.isdir(paths.run(given).root)):
        return given
    ids = run_ids(paths)
    meant = [each for each in ids if given and (each.startswith(given) or each.endswith(given))]
    if len(meant) == 1:
        return meant[0]
    if meant:
        message, hint = f'Can\'t choose a run: {len(meant)} ids begin or end with "{given}".', "Give more of the id."
        raise EspalierError("bad_argument", f"{message}\n{_listed(meant)}", hint)
    near = _nearest(given, ids)[:_SHOWN] if len(ids) <= _COMPARED else []
    message = f'Can\'t find the run "{given}" in {workspace}.'
    message += f"\nThe nearest: {', '.join(near)}." if near else ""
    raise EspalierError("run_missing", message, "`espalier runs list` shows the runs.", nearest=near)


def _nearest(given: str, ids: Sequence[str]) -> List[str]:
    """The ids of the experiment that was probably meant: those that begin most alike, then the newest."""
    import difflib  # (it takes longer than most commands)

    experiments = {_experiment(each) for each in ids}
    meant = difflib.get_close_matches(_experiment(given), sorted(experiments), 1, 0.5)
    found = sorted((each for each in ids if _experiment(each) in meant), key=lambda each: each[-19:], reverse=True)
    return sorted(found, key=lambda each: -_alike(given, each))


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((at for at, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


def _experiment(run_id: str) -> str:
    return run_id.rsplit("_", 2)[0]


def _listed(ids: Sequence[str]) -> str:
    return "\n".join(ids[:_SHOWN]) + ("\n..." if len(ids) > _SHOWN else "")


def run_ids(paths: WorkspacePaths) -> List[str]:
    """The ids of all runs."""
    return [name for shard in _names(paths.runs) for name in _names(os.path.join(paths.runs, shard)) if is_run_id(name)]


def _names(folder: str) -> List[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
