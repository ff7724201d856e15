"""A second process beside the runner, so that a killed runner takes its job with it and the run still ends.

It is a fork of the runner, waits on a pipe, and acts only when the pipe closes without a farewell.
"""

import contextlib
import os
import signal
from typing import Callable

from espalier.adapters import posix


class Guardian:
    """The runner's side of the pipe."""

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self._pipe = pipe

    def dismiss(self) -> None:
        """Say farewell: the run has its final state."""
        with contextlib.suppress(BrokenPipeError):  # somebody killed it
            os.write(self._pipe, b"x")
        os.close(self._pipe)
        os.waitpid(self.pid, 0)


def start_guardian(job: int, run_id: str, take_over: Callable[[], None]) -> Guardian:
    """Fork the guardian.

    Args:
        job: Leader of the job's process group.
        run_id: To find processes that left the group.
        take_over: Called in the guardian once the job is dead: write the final state, release the lease, go on.
    """
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(read_end)
        return Guardian(pid, write_end)
    status = 1
    try:
        os.setsid()
        os.close(write_end)
        if os.read(read_end, 1) == b"":
            posix.kill_group(job, signal.SIGKILL)
            posix.kill_processes_of_run(run_id)
            take_over()
        status = 0
    finally:
        os._exit(status)
