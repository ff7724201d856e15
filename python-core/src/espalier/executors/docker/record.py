"""`.job/container.json`: what is known of a job's container, by its supervisor, for those who come after it.

The job cannot write there, for its container sees `.job` read-only.
"""

from typing import Mapping, Optional

from espalier.adapters.inside import replace_inside
from espalier.base.errors import EspalierError
from espalier.base.model.codec import encode, read_as
from espalier.base.model.record import Record
from espalier.base.paths import FORMAT, RunPaths
from espalier.base.records import dump_record


class Box(Record):
    """One container.

    Args:
        engine: The variables that tell where its engine is.
        image: Id of its image.
        name: Its name.
        id: Its id; empty while there is none.
        masked: Whether what it prints is masked on its way to the log.
        state: `created`, `running`, `ended` by itself, or `stopped` because its runner or
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
