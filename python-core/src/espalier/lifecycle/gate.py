"""Whether a run takes what is logged: not after its end, nor when a newer espalier has written it.

Runs inside jobs, on the way of each line that is logged: standard library, Python 3.8 or later.
"""

import errno
import os
import time
from typing import Optional, Tuple

from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.lifecycle.status import check_formats, read_status

# A job's own run ends after the job: only what the job has left behind can come too late. Seconds between two looks.
_PAUSE_SECONDS = 1.0


class Gate:
    """What one process asks before it writes to a run.

    Args:
        run: The run.
    """

    def __init__(self, run: RunPaths) -> None:
        self._run = run
        job = os.environ.get("ESPALIER_RUN_DIR")
        self._is_own, self._in_job = job == run.root, bool(job)
        self._due = float("-inf")
        self._seen: Optional[Tuple[int, int]] = None

    def check(self) -> None:
        """Costs a look at the clock where it is the job's own run, and a `stat` elsewhere.

        Raises:
            EspalierError: `run_not_active`, `newer_format`.
            OSError: the same, in a job, which nothing that is logged may end.
        """
        if self._is_own:
            now = time.monotonic()
            if now < self._due:
                return
            self._due = now + _PAUSE_SECONDS
        try:
            self._look()
        except EspalierError as error:
            self._due, self._seen = float("-inf"), None
            if self._in_job:
                raise OSError(errno.EROFS, error.message.rstrip(".")) from error
            raise

    def _look(self) -> None:
        try:
            found = os.stat(self._run.status)
        except OSError:
            return
        mark = found.st_mtime_ns, found.st_ino
        if mark == self._seen:
            return
        if self._seen is None:
            check_formats(self._run)
        state = read_status(self._run).state
        if states.is_final(state):
            run_id = os.path.basename(self._run.root)
            raise EspalierError(
                "run_not_active",
                f"Nothing can be logged to the run {run_id}: it has ended ({state}).",
                "Log while a run is active. Tags can be set at any time.",
                run_id=run_id,
            )
        self._seen = mark
