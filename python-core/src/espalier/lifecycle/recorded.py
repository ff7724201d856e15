"""The files kept of a run that is recorded by hand: by a session, or by a job as its child."""

import os
import shutil
from typing import List

from espalier.adapters import posix
from espalier.adapters.files import remove_tree
from espalier.adapters.inside import folder_inside, set_replaced_aside
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.status import Status
from espalier.base.paths import OUTPUTS, RunPaths, WorkspacePaths
from espalier.base.progress import report


def check_open(run: RunPaths, status: Status) -> None:
    """Raises EspalierError `run_not_active` when a run has ended already or is executed by espalier."""
    ended = states.is_final(status.state)
    if ended or not status.is_recorded:
        what = f"has ended already ({status.state})" if ended else "is executed by espalier, which records its end"
        message = f"The run {os.path.basename(run.root)} {what}."
        hint = "To record another one, call start_logging_run()." if ended else "cancel_run() ends it."
        raise EspalierError("run_not_active", message, hint)


def keep_outputs(run: RunPaths, status: Status) -> Status:
    """Copy what the run is to keep into its outputs; returns its status with what could not be kept as warnings. Raises
    EspalierError: `run_not_active`."""
    check_open(run, status)
    source = status.collect_from
    return status._replace(warnings=tuple(_copied(source, run))) if source and os.path.isdir(source) else status


def _copied(source: str, run: RunPaths) -> List[str]:
    """Copy a folder's files and links to the run's outputs, except workspaces in it (ours may be).

    Returns:
        Warnings, one for each file that could not be kept.
    """
    warnings: List[str] = set_replaced_aside(run)
    kept = 0
    for here, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not os.path.exists(WorkspacePaths(os.path.join(here, name)).record)]
        below = [part for part in os.path.relpath(here, source).split(os.sep) if part != os.curdir]
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]
        for name in [*names, *links]:
            path = os.path.join(here, name)
            report("Keeping the outputs", kept)
            kept += 1
            try:
                if not os.path.islink(path) and not os.path.isfile(path):
                    raise OSError(0, "it isn't a plain file")
                _copy(path, run, below, name)
            except OSError as error:
                warnings.append(f"Can't keep {path}: {error.strerror}.")
    return warnings


def _copy(path: str, run: RunPaths, below: List[str], name: str) -> None:
    """Copy one file or link to a folder below the run's outputs, in the place of what is there."""
    with folder_inside(run.root, (OUTPUTS, *below)) as target:
        place = os.path.join(posix.path_through(target), name)
        if os.path.lexists(place):
            remove_tree(place)
        shutil.copy2(path, place, follow_symlinks=False)
