"""Where workspaces lie: in a project's own folder, or where a config file says."""

import json
import os
from typing import Optional

from espalier.errors import EspalierError
from espalier.names import check_name
from espalier.paths import CONFIG, FORMAT, PROJECT_FOLDER
from espalier.records import dump_record, replace_file

# What marks the top of a project when looking for its own folder.
_MARKS = (PROJECT_FOLDER, ".git", "DESCRIPTION", "renv.lock", ".here", "_targets.R")
# Where in a folder a config file is looked for: ours, Azure ML's, the folder itself.
_CONFIG_FOLDERS = (PROJECT_FOLDER, ".azureml", "aml_config", "")


def place(name: str, path: Optional[str]) -> str:
    """The folder of a workspace.

    Args:
        name: Its name.
        path: Folder that holds it. Default: `.espalier/` at the top of this project.

    Raises:
        EspalierError: `bad_name`.
    """
    return os.path.join(home_of_workspaces(path), check_name("workspace", name))


def home_of_workspaces(path: Optional[str]) -> str:
    """The folder that holds workspaces, absolute; by default that of the project around the working directory."""
    folder = os.path.expanduser(path) if path is not None else os.path.join(_project_top(os.getcwd()), PROJECT_FOLDER)
    return os.path.abspath(folder)


def _project_top(start: str) -> str:
    folder = start
    while not any(os.path.exists(os.path.join(folder, mark)) for mark in _MARKS):
        parent = os.path.dirname(folder)
        if parent == folder:
            return start
        folder = parent
    return folder


def find_config(path: Optional[str], file_name: Optional[str]) -> str:
    """The config file that names a workspace, searched upwards.

    Args:
        path: Folder to begin at, or the config file itself. Default: the working directory.
        file_name: Name of the file. Default: `config.json`.

    Raises:
        EspalierError: `workspace_missing` when there is none.
    """
    start, wanted = os.path.abspath(os.path.expanduser(path or os.getcwd())), file_name or CONFIG
    if os.path.isfile(start):
        return start
    folder = start
    while True:
        for inner in _CONFIG_FOLDERS:
            candidate = os.path.join(folder, inner, wanted)
            if os.path.isfile(candidate):
                return candidate
        parent = os.path.dirname(folder)
        if parent == folder:
            message = f"No {wanted} was found in {start} or above it."
            raise EspalierError("workspace_missing", message, "Write one with write_workspace_config().")
        folder = parent


def named_by(config: str) -> str:
    """The workspace's folder that a config file names.

    Raises:
        EspalierError: `damaged`.
    """
    try:
        with open(config, encoding="utf-8") as file:
            content = json.load(file)
        name = content["workspace_name"]
        where = content.get("path") or os.path.join(os.pardir, PROJECT_FOLDER, name)
        return os.path.normpath(os.path.join(os.path.dirname(config), where))
    except (ValueError, KeyError, TypeError) as error:
        raise EspalierError(
            "damaged", f"{config} names no workspace: {error!r}.", "Write it anew with write_workspace_config()."
        ) from error


def write_config(workspace: str, path: Optional[str], file_name: Optional[str]) -> str:
    """Write the config file of a workspace and return its path.

    Args:
        workspace: The workspace's folder.
        path: Folder to write to. Default: `.espalier/` below the working directory.
        file_name: Name of the file. Default: `config.json`.
    """
    folder = os.path.abspath(os.path.expanduser(path or PROJECT_FOLDER))
    os.makedirs(folder, exist_ok=True)
    target = os.path.join(folder, file_name or CONFIG)
    inside = os.path.relpath(workspace, folder)
    # relative where that needs no climbing far: the project can then be moved as a whole
    where = inside if inside.count("..") <= 1 else workspace
    content = {"format": FORMAT, "workspace_name": os.path.basename(workspace), "path": where}
    replace_file(target, dump_record(content), folder)
    return target
