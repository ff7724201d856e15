"""Errors in the words of Python: the core's advice names R's functions, as its users are most.

`str(error)` uses this; R reads `message` and `hint`, and the command line has a table of commands (cli/words.py).
Standard library: jobs load this file.
"""

import re
from typing import Dict

# A function of R -> what does the same in Python. `ws` is a Workspace, `run` a Run.
_NAMES: Dict[str, str] = {
    "build_environment": "ws.images.build", "cancel_run": "run.cancel", "complete_run": "run.complete",
    "cran_package": "CranPackage", "create_workspace": "Workspace.create",
    "delete_secrets": "ws.secrets.delete_secrets", "delete_snapshot": "ws.snapshots.delete",
    "delete_workspace": "ws.delete", "download_file_from_run": "run.download_file", "estimator": "ScriptRunConfig",
    "environment_from_pip_requirements": "Environment.from_pip_requirements", "fail_run": "run.fail",
    "get_build_log": "ws.images.build_log", "get_run": "ws.runs.get", "get_run_file_names": "run.get_file_names",
    "get_run_log": "run.get_log", "get_run_usage": "run.get_usage", "get_runs": "Experiment.get_runs",
    "get_secrets": "ws.secrets.get_secrets", "get_secrets_from_run": "run.get_secrets",
    "get_workspace": "Workspace.get",
    "list_environments": "ws.environments.list", "list_experiments": "ws.experiments.list",
    "list_images": "ws.images.list", "list_runs": "ws.runs.list", "list_secrets": "ws.secrets.list_secrets",
    "list_snapshots": "ws.snapshots.list", "lock_environment": "ws.environments.lock",
    "prune_images": "ws.images.prune", "python_environment": "Environment", "r_environment": "Environment",
    "register_environment": "ws.environments.register", "script_run_config": "ScriptRunConfig",
    "set_host_resources": "Host.resources", "set_image_registry": "ws.images.set_registry",
    "set_secrets": "ws.secrets.set_secrets", "start_logging_run": "Experiment.start_logging",
    "submit_experiment": "Experiment.submit", "take_snapshot": "ws.snapshots.take",
    "verify_workspace": "ws.verify", "workspace": "Workspace.open", "write_workspace_config": "ws.write_config",
}  # fmt: skip
_CALL = re.compile(rf"(?<![\w.])({'|'.join(_NAMES)})(?=\()")
_LOGICAL = re.compile(r"\b([a-z_]+) = (TRUE|FALSE)\b")


def in_python(text: str) -> str:
    """A text that names functions of R, with those of Python that do the same."""
    text = _CALL.sub(lambda found: _NAMES[found[1]], text)
    return _LOGICAL.sub(lambda found: f"{found[1]}={found[2].capitalize()}", text)
