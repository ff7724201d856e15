"""What a job asks of its host and of other runs: refused at submit if it can never be had."""

import os
from typing import List

from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.paths import WorkspacePaths
from espalier.base.resources import Capacity, counted, size_text
from espalier.executors.contract import Executor
from espalier.jobs.surroundings import Surroundings


def refuse_impossible(paths: WorkspacePaths, config: ScriptRunConfig, there: Capacity) -> None:
    """Raises EspalierError `not_enough_resources`, `run_missing`."""
    need = config.resources
    if not there.fits(need):
        raise EspalierError(
            "not_enough_resources",
            f"Can't give the job {' and '.join(there.lacks(need))}: this host gives runs {_given(there)}.",
            "Ask for less, or change the host's share with set_host_resources().",
        )
    for run_id in config.depends_on:
        if not os.path.isdir(paths.run(run_id).root):
            message = f'Can\'t find the run "{run_id}" of `depends_on` in {paths.root}.'
            raise EspalierError("run_missing", message, "See list_runs().")


def refuse_incapable(executor: Executor, config: ScriptRunConfig, how: str) -> None:
    """Refuse a job that needs what its executor can't do. Raises EspalierError `not_supported`.

    Args:
        how: How the job comes to its environment.
    """
    can = executor.capabilities
    asked = {
        "an environment that is made for it": how in ("private", "image") and how not in can.environments,
        "an environment": how == "user-managed" and how not in can.environments,
        "what the session has": how == "session" and how not in can.environments,
        "graphics processors": config.gpus and not can.gpus,
        "secrets": config.secrets and not can.secrets,
    }
    lacks = next((thing for thing, is_lacking in asked.items() if is_lacking), None)
    if lacks is not None:
        message = f"Can't give the job {lacks} on compute_target = {executor.name!r}."
        raise EspalierError("not_supported", message, "Ask for something else, or choose another compute target.")


def hide_gpus(config: ScriptRunConfig, around: Surroundings, gpus: int) -> List[str]:
    """Hide this host's graphics processors from a job that asked for none: those that did would share them with it.

    Args:
        around: What the job finds; its variables are changed. Only what the job or its environment sets itself stays.
        gpus: How many there are.

    Returns:
        What to tell the user.
    """
    if not gpus or config.gpus or "CUDA_VISIBLE_DEVICES" in around.record.variables:
        return []
    around.variables["CUDA_VISIBLE_DEVICES"] = ""
    has = counted(gpus, "graphics processor")
    return [f"This host has {has}, and the job asks for none. Give gpus = 1 to use one."]


def _given(there: Capacity) -> str:
    processors, graphics = counted(there.cpus, "processor"), counted(len(there.gpus), "graphics processor")
    return f"{processors}, {graphics} and {size_text(there.memory)} of memory"
