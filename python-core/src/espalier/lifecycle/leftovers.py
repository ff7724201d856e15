"""Whether the end of a run has left anything to do: seen by some looks, for each step of the queue asks.

Standard library only: the runner loads this file.
"""

import os
from typing import Any, Mapping

from espalier.adapters.private import has_private_file
from espalier.base.paths import RunPaths

# How the warning begins of a run whose files could not all be brought home.
NOT_COLLECTED = "Not all files of the job could be kept:"


def is_cleaned(run: RunPaths, status: Mapping[str, Any]) -> bool:
    """Whether nothing is left of an ended run that it does not keep. See `finish.clean_again`, which does the rest."""
    scratch = status.get("scratch")
    if isinstance(scratch, dict) and os.path.lexists(str(scratch.get("path"))):
        return False
    if any(os.path.lexists(path) for path in (run.job, run.env, run.work)) or _is_empty(run.runner_log):
        return False
    told = status.get("warnings") or []
    return not has_private_file(os.path.basename(run.root)) and not any(map(_is_not_collected, told))


def _is_not_collected(warning: object) -> bool:
    return str(warning).startswith(NOT_COLLECTED)


def _is_empty(path: str) -> bool:
    try:
        return os.path.getsize(path) == 0
    except OSError:
        return False
