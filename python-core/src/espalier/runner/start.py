"""Starting a job's process."""

import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from espalier.adapters import posix
from espalier.paths import RunPaths

if TYPE_CHECKING:
    from espalier.runner.secrets import Attached


def start_job(
    run: RunPaths, command: List[str], env: Dict[str, str], attached: "Optional[Attached]" = None
) -> int:
    """Start the job in a session of its own, in its working copy.

    Args:
        attached: Its secrets, if it is to have any.

    Raises:
        OSError: it cannot be started.
    """
    if attached is not None:
        env = {**env, **attached.variables}
    actions: List[Tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        output_of(run, attached),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    os.chdir(run.work)  # posix_spawn cannot set it for the child alone
    try:
        job = posix.spawn_session(command, env, actions)
    finally:
        os.chdir("/")
    if attached is not None:
        attached.started()
    return job


def output_of(run: RunPaths, attached: "Optional[Attached]") -> Tuple[Any, ...]:
    """The file action by which a job's output goes to the end of the run's log, secrets hidden in it."""
    os.makedirs(os.path.dirname(run.log), exist_ok=True)
    if attached is not None:
        return attached.output
    return (os.POSIX_SPAWN_OPEN, 1, run.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
