"""Where workspaces lie: in a project's own folder, or where a config file says."""

import difflib
import json
import os
import re
from typing import List, Optional

from espalier.adapters.files import create_file
from espalier.base.errors import EspalierError
from espalier.base.names import check_name
from espalier.base.paths import CONFIG, FORMAT, PROJECT_FOLDER, WorkspacePaths
from espalier.base.project import folders_up, is_marked, project_root
from espalier.base.records import dump_record, make_folders, read_plain, replace_file

# Projects that have one of these never used the workspaces of a folder above them.
_OLDEST_MARKS = frozenset((".git", ".here", "DESCRIPTION", "renv.lock", "_targets.R"))
# Where in a folder a config file is looked for: ours, Azure ML's, the folder itself.
_CONFIG_FOLDERS = (PROJECT_FOLDER, ".azureml", "aml_config", "")


def place(name: str, path: Optional[str]) -> str:
    """The folder of a workspace.

    Args:
        path: Folder that holds it. Default: `.espalier/` at the top of this project.

    Raises:
        EspalierError: `bad_name`.
    """
    return os.path.join(home_of_workspaces(path), check_name("workspace", name))


def home_of_workspaces(path: Optional[str], start: Optional[str] = None) -> str:
    """The folder that holds workspaces, absolute; by default that of the project around a folder.

    Args:
        start: The folder in the project. Default: the working directory.
    """
    if path is None:
        path = os.path.join(_project_top(os.path.abspath(start or os.getcwd())), PROJECT_FOLDER)
    return os.path.abspath(os.path.expanduser(path))


def workspaces_in(folder: str) -> List[str]:
    """The folders of the workspaces that a folder holds, by name."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    places = [os.path.join(folder, name) for name in names]
    return [place for place in places if os.path.isfile(WorkspacePaths(place).record)]


def keep_out_of_git(workspace: str) -> None:
    """Write the `.gitignore` of a project's folder of workspaces, which isn't source code, unless it has one."""
    folder = os.path.dirname(workspace)
    path = os.path.join(folder, ".gitignore")
    if os.path.basename(folder) == PROJECT_FOLDER and not os.path.lexists(path):
        create_file(path, b"*\n", workspace)


def _project_top(start: str) -> str:
    """The nearest folder with a mark of a project, or with workspaces that a session in `start` would have used.

    Some marks came to count later than others. Workspaces that lie above one of those go on to be found.
    """
    for folder in folders_up(start):
        if os.path.isdir(os.path.join(folder, PROJECT_FOLDER)):
            return folder
        if is_marked(folder, _OLDEST_MARKS):
            break
    return project_root(start) or start


def near_name(name: str, path: Optional[str]) -> Optional[str]:
    """The workspace beside a new or missing one that its user may have meant.

    Args:
        path: Folder that holds workspaces. Default: `.espalier/` at the top of this project.
    """
    folder = home_of_workspaces(path)
    try:
        others = [other for other in map(os.path.basename, workspaces_in(folder)) if other != name]
    except OSError:
        return None
    # (names of a series differ in their numbers, and mean what they say)
    series = re.sub(r"\d+", "", name)
    by_case = {other.lower(): other for other in others if re.sub(r"\d+", "", other) != series}
    found = difflib.get_close_matches(name.lower(), list(by_case), 1, 0.7)
    return by_case[found[0]] if found else None


def find_config(path: Optional[str], file_name: Optional[str]) -> str:
    """The config file that names a workspace, searched upwards.

    The home folder and those above it count only if the search begins there. A `config.json` that is about something
    else is passed over.

    Args:
        path: Folder to begin at, or the config file itself. Default: the working directory.
        file_name: Name of the file. Default: `config.json`.

    Raises:
        EspalierError: `workspace_missing` when there is none, or `path` doesn't exist.
    """
    start, wanted = os.path.abspath(os.path.expanduser(path or os.getcwd())), file_name or CONFIG
    if os.path.isfile(start):
        return start
    if not os.path.isdir(start):
        message = f"Can't look for {wanted} in {start}: the folder doesn't exist."
        hint = "Correct `path`, or leave it out to begin in the working directory."
        raise EspalierError("workspace_missing", message, hint)
    folders = [os.path.join(folder, inner) for folder in folders_up(start) for inner in _CONFIG_FOLDERS]
    files = [file for file in (os.path.join(folder, wanted) for folder in folders) if os.path.isfile(file)]
    chosen = next((file for file in files if not _is_foreign(file)), None) or (files[0] if files else None)
    if chosen is None:
        message = f"Can't find {wanted} in {start} or above it."
        raise EspalierError("workspace_missing", message, "Write one with write_workspace_config().")
    return os.path.normpath(chosen)


def _is_foreign(config: str) -> bool:
    """Whether a file is well-formed and is about something else than a workspace."""
    try:
        content = json.loads(read_plain(config, follow=True))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "workspace_name" not in content


def named_by(config: str) -> str:
    """The workspace's folder that a config file names. Raises EspalierError: `damaged`."""
    try:
        content = json.loads(read_plain(config, follow=True))
        name = content["workspace_name"]
        where = content.get("path") or os.path.join(os.pardir, PROJECT_FOLDER, name)
        return os.path.normpath(os.path.join(os.path.dirname(config), where))
    except (ValueError, KeyError, TypeError) as error:
        raise EspalierError(
            "damaged",
            f"Can't read {config}: it names no workspace: {error!r}.",
            "Write it again with write_workspace_config().",
        ) from error


def write_config(workspace: str, path: Optional[str], file_name: Optional[str]) -> str:
    """Write the config file of a workspace and return its path.

    Args:
        path: Folder to write to. Default: `.espalier/` below the working directory.
        file_name: Name of the file. Default: `config.json`.
    """
    folder = os.path.abspath(os.path.expanduser(path or PROJECT_FOLDER))
    make_folders(folder)
    target = os.path.join(folder, file_name or CONFIG)
    inside = os.path.relpath(workspace, folder)
    # relative where that needs no climbing far: the project can then be moved as a whole
    where = inside if inside.count("..") <= 1 else workspace
    content = {"format": FORMAT, "workspace_name": os.path.basename(workspace), "path": where}
    replace_file(target, dump_record(content), folder)
    return target
