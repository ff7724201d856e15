"""Why a job in a container failed, where that is not for the job to say: the engine's word, or its absence."""

import os
import re
import signal
from typing import Iterable, Optional, Tuple

from espalier.base.paths import RunPaths
from espalier.lifecycle.container_record import Box, read_box

SHARED_MEMORY = (
    "In a container that mostly means that shared memory, /dev/shm, is full: give it more by shm_size, such as "
    'shm_size = "2g" of the job or its environment.'
)
_BUS_ERROR = re.compile(r"\bbus error\b|/dev/shm.*no space left|no space left.*/dev/shm", re.IGNORECASE)


def shared_memory_hint(run: RunPaths, tail: Iterable[str]) -> str:
    """What to tell of a job in a container, a process of which met a bus error; else nothing.

    Args:
        tail: The last lines of its log.
    """
    return SHARED_MEMORY if os.path.exists(run.container) and any(map(_BUS_ERROR.search, tail)) else ""


def container_error(run: RunPaths, exit_code: Optional[int]) -> Optional[Tuple[str, str]]:
    """Code and message; None where the job has no container, or has to say itself why it failed.

    Args:
        exit_code: The job's exit status, as it is recorded.
    """
    if not os.path.exists(run.container):
        return None
    box = read_box(run)
    return None if box is None else _error(box, exit_code)


def _error(box: Box, exit_code: Optional[int]) -> Optional[Tuple[str, str]]:
    if box.start_error:
        return "start_failed", f"The container could not be started: {box.start_error}."
    if box.oom_killed:
        return "job_out_of_memory", "The job took more memory than it was given, and was killed (exit status 137)."
    if box.engine_error and box.exit_code != 0:
        return "engine_lost", f"The Docker engine was lost while the job ran, and the job with it: {box.engine_error}."
    if box.state in ("stopped", "running"):
        return "runner_lost", "The process that supervises the job's container was killed, and the job with it."
    if box.exit_code == 128 + signal.SIGBUS:
        return "job_killed", f"The job was killed by a bus error (exit status {box.exit_code}). {SHARED_MEMORY}"
    if box.exit_code is not None and 128 < box.exit_code <= 192:
        return "job_killed", f"The job was killed by signal {box.exit_code - 128} (exit status {box.exit_code})."
    return None
