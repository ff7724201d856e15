"""`.job/container.json`: what is known of a job's container, by its supervisor, for those who come after it.

The job cannot write there, for its container sees `.job` read-only.
"""

import re
import signal
from typing import Mapping, Optional, Tuple

from espalier.adapters.inside import replace_inside
from espalier.base.errors import EspalierError
from espalier.base.model.codec import encode, read_as
from espalier.base.model.record import Record
from espalier.base.paths import FORMAT, RunPaths
from espalier.base.records import dump_record
from espalier.lifecycle.failure import log_tail


class Box(Record):
    """One container.

    Args:
        engine: The variables that tell where its engine is.
        image: Id of its image.
        name: Its name.
        id: Its id; empty while there is none.
        masked: Whether what it prints is masked on its way to the log.
        state: `created`, `running`, `ended`, or `stopped` because its runner or
            its supervisor had died.
        pid: Its first process, as the engine's host knows it; 0 if that is not known.
        log_start: Bytes of the run's log that are not its own but of earlier attempts.
        exit_code: Its exit status.
        oom_killed: Whether the kernel ended it for want of memory.
        start_error: Why it could not be started.
        engine_error: What the engine failed us with.
        ended_at: When it ended, seconds since 1970.
        removed: Whether it is gone.
    """

    engine: Mapping[str, str]
    image: str
    name: str
    id: str = ""
    masked: bool = False
    state: str = "created"
    pid: int = 0
    log_start: int = 0
    exit_code: Optional[int] = None
    oom_killed: bool = False
    start_error: Optional[str] = None
    engine_error: Optional[str] = None
    ended_at: Optional[float] = None
    removed: bool = False


def write_box(run: RunPaths, box: Box) -> bool:
    """Record it; False where the run's folder has been deleted, or no file is taken."""
    try:
        replace_inside(run.root, run.container, dump_record({"format": FORMAT, **encode(box)}))
    except OSError:
        return False
    return True


def read_box(run: RunPaths) -> Optional[Box]:
    """The run's container; None where it has, or had, none."""
    try:
        return read_as(Box, run.container)
    except (OSError, EspalierError):
        return None


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
        return "start_failed", f"Can't start the container: {box.start_error}."
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
