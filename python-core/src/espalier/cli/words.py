"""Messages and help in the words of the command line: operations as commands, arguments as options."""

import functools
import re
from typing import Dict, Optional

from espalier.api.catalog import catalogue

# What advice names and no operation of the catalogue is: verbs of R, and what the command line has beside operations.
_VERBS: Dict[str, str] = {
    "list_runs": "runs list", "get_runs": "runs list", "get_run": "runs show RUN", "cancel_run": "runs cancel RUN",
    "workspace": "workspace open NAME", "create_workspace": "workspace create NAME",
    "write_workspace_config": "workspace write-config", "delete_workspace": "workspace delete",
    "verify_workspace": "workspace verify", "list_environments": "environments list",
    "register_environment": "environments register FILE", "build_environment": "images build ENVIRONMENT",
    "get_build_log": "images log ENVIRONMENT", "set_image_registry": "images set-registry ADDRESS",
    "prune_images": "images prune", "list_images": "images list", "set_secrets": "secrets set NAME",
    "list_secrets": "secrets list", "delete_secrets": "secrets delete NAME", "get_file_names": "runs files RUN",
    "get_run_file_names": "runs files RUN", "run.get_file_names": "runs files RUN", "get_run_log": "runs logs RUN",
    "run.get_log": "runs logs RUN", "run.get_traceback": "runs traceback RUN", "list_snapshots": "snapshots list",
    "delete_snapshot": "snapshots delete SNAPSHOT", "take_snapshot": "snapshots take FOLDER",
    "submit_experiment": "run SCRIPT", "read_job": "job read FILE", "espalier.read_job": "job read FILE",
    "set_host_resources": "host resources",
}  # fmt: skip
_WHOLE = {"get_workspace": "--workspace NAME"}
# Arguments that have another name here, or whose name says nothing.
_OPTIONS = {
    "source_directory": "--folder", "entry_script": "the script", "output_directory": "--to",
    "output_file_path": "--to", "order_by": "--sort", "max_results": "--max-results",
}  # fmt: skip
_CALL = re.compile(r"`?((?:\w+\.)?[a-z_]+)\([^()]*\)`?")
_QUOTED = re.compile(r"`((?:\w+\.)?[a-z_]+)`")
_ARGUMENT = re.compile(r"`?\b([a-z_]+) ?= ?(TRUE|True|\"[^\"]*\")`?(?! ?=)")
_BARE = re.compile(rf"`?\b({'|'.join(_OPTIONS)})\b`?")


def in_commands(text: str) -> str:
    """A text that names verbs or arguments of R or Python, with the commands and options that do the same."""
    text = _CALL.sub(lambda found: _command(found[1]) or found[0], text)
    text = _QUOTED.sub(lambda found: (_command(found[1]) if _is_name(found[1]) else None) or found[0], text)
    text = _ARGUMENT.sub(_option, text)
    return _BARE.sub(lambda found: _OPTIONS[found[1]], text)


def _command(name: str) -> Optional[str]:
    command = _VERBS.get(name) or _operations().get(name)
    return f"`espalier {command}`" if command else f"`{_WHOLE[name]}`" if name in _WHOLE else None


def _is_name(name: str) -> bool:
    """Whether a word between ticks can only be an operation's; others are names of columns and arguments too."""
    return "." in name or "_" in name


def _option(found: "re.Match[str]") -> str:
    if found[1] not in _arguments():
        return found[0]
    option = _OPTIONS.get(found[1], "--" + found[1].replace("_", "-"))
    return f"`{option}`" if found[2] in ("TRUE", "True") else f"`{option} {found[2]}`"


@functools.lru_cache(maxsize=None)
def _operations() -> Dict[str, str]:
    """The commands of operations, by `Class.name`, and by a name of two words."""
    found: Dict[str, str] = {}
    for record in catalogue().values():
        for member in record["methods"]:
            if member["command"]:
                command = f"{record['noun']} {member['command']}"
                found[f"{record['name']}.{member['name']}"] = command
                if "_" in member["name"]:
                    found[member["name"]] = command
    return found


@functools.lru_cache(maxsize=None)
def _arguments() -> "set[str]":
    members = [member for record in catalogue().values() for member in record["methods"]]
    return {*(param["name"] for member in members for param in member["params"]), *_OPTIONS, "outside_links"}
