"""Starting a job's process."""

import contextlib
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.inside import open_log
from espalier.base.paths import RunPaths

if TYPE_CHECKING:
    from espalier.runner.secrets import Attached


def start_job(
    run: RunPaths, folder: str, command: List[str], env: Dict[str, str], attached: "Optional[Attached]" = None
) -> int:
    """Start the job in a session of its own.

    Args:
        folder: Where it works.
        attached: Its secrets, if it is to have any.

    Raises:
        OSError: it cannot be started.
    """
    if attached is not None:
        env = {**env, **attached.variables}
    with output_of(run, attached) as output:
        actions: List[Tuple[Any, ...]] = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        os.chdir(folder)  # posix_spawn cannot set it for the child alone
        try:
            job = posix.spawn_session([_program(command[0], env.get("PATH", os.defpath)), *command[1:]], env, actions)
        finally:
            os.chdir("/")
    if attached is not None:
        attached.started()
    return job


def _program(name: str, path: str) -> str:
    """A program by its path, as the shell finds it; one that isn't there as it was given."""
    if "/" in name:
        return name
    places = (os.path.join(folder, name) for folder in path.split(os.pathsep) if os.path.isabs(folder))
    return next((place for place in places if os.path.isfile(place) and os.access(place, os.X_OK)), name)


@contextlib.contextmanager
def output_of(run: RunPaths, attached: "Optional[Attached]") -> Iterator[int]:
    """An open file by which a job's output goes to the end of the run's log, secrets hidden in it."""
    if attached is not None:
        yield attached.output
    else:
        with logs_of(run, run.log) as (log,):
            yield log


@contextlib.contextmanager
def logs_of(run: RunPaths, *paths: str) -> Iterator[List[int]]:
    """Logs of a run, open for a process that is started; see `open_log`. Raises OSError."""
    opened: List[int] = []
    try:
        for path in paths:
            opened.append(open_log(run.root, path))
        yield opened
    finally:
        for fd in opened:
            os.close(fd)
