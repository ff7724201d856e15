"""Starting the process that stands for a job."""

import contextlib
import os
from typing import Dict, Iterator, List, Optional

from espalier.adapters import posix
from espalier.adapters.inside import logs_of
from espalier.base.paths import RunPaths
from espalier.executors.contract import Secrets


def start_job(
    run: RunPaths, folder: str, command: List[str], env: Dict[str, str], secrets: Optional[Secrets] = None
) -> int:
    """Start the job in a new session, its output at the end of the run's log.

    Args:
        folder: Where it works.
        secrets: Its secrets, if it is to have any.

    Raises:
        OSError: it cannot be started.
    """
    if secrets is not None:
        env = {**env, **secrets.variables}
    with output_of(run, secrets) as output:
        os.chdir(folder)  # posix_spawn cannot set it for the child alone
        try:
            job = posix.spawn_writing([_program(command[0], env.get("PATH", os.defpath)), *command[1:]], env, output)
        finally:
            os.chdir("/")
    if secrets is not None:
        secrets.started()
    return job


def _program(name: str, path: str) -> str:
    """A program by its path, as the shell finds it; one that isn't there as it was given."""
    if "/" in name:
        return name
    places = (os.path.join(folder, name) for folder in path.split(os.pathsep) if os.path.isabs(folder))
    return next((place for place in places if os.path.isfile(place) and os.access(place, os.X_OK)), name)


@contextlib.contextmanager
def output_of(run: RunPaths, secrets: Optional[Secrets]) -> Iterator[int]:
    """An open file by which a job's output goes to the end of the run's log, secrets hidden in it."""
    if secrets is not None:
        yield secrets.output
    else:
        with logs_of(run, run.log) as (log,):
            yield log
