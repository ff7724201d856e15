"""Why a job in a container failed, where that is not for the job to say: the engine's word, or its absence."""

import re
import signal
from typing import Optional, Tuple

from espalier.base.paths import RunPaths
from espalier.executors.docker.record import Box
from espalier.lifecycle.failure import log_tail

SHARED_MEMORY = (
    "In a container that mostly means that shared memory, /dev/shm, is full: give it more by shm_size, such as "
    'shm_size = "2g" of the job or its environment.'
)
_BUS_ERROR = re.compile(r"\bbus error\b|/dev/shm.*no space left|no space left.*/dev/shm", re.IGNORECASE)


def hint_for(run: RunPaths, box: Box) -> str:
    """What can be done for a job that failed and has to say itself why: something if a process of it met a bus error,
    by the last lines of its log."""
    if box.exit_code == 0 or cause_of(box) is not None:
        return ""
    return SHARED_MEMORY if any(map(_BUS_ERROR.search, log_tail(run.log))) else ""


def cause_of(box: Box) -> Optional[Tuple[str, str]]:
    """Code and message of what ended a job that failed; None where the job has to say itself why it failed."""
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
