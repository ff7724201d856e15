"""A second process beside the runner, so that a killed runner takes its job with it and the run still ends.

It is a fork of the runner, waits on a pipe, and acts only when the pipe closes without a farewell.
"""

import contextlib
import os
import signal
from typing import Callable

from espalier.adapters import posix

_FAREWELL = b"x"


class Guardian:
    """The runner's side of the pipe."""

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self._pipe = pipe

    def guard(self, job: int) -> None:
        """Tell which process leads the job's group, once it has been started."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, b"%d\n" % job)

    def job_ended(self) -> None:
        """Tell that the group is gone, while the runner goes on: its number may be another's by then."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, b"0\n")

    def dismiss(self) -> None:
        """Say farewell: the run has its final state."""
        with contextlib.suppress(BrokenPipeError):  # somebody killed it
            os.write(self._pipe, _FAREWELL)
        os.close(self._pipe)
        os.waitpid(self.pid, 0)


def start_guardian(run_id: str, take_over: Callable[[], None]) -> Guardian:
    """Fork the guardian, before the job is started.

    Args:
        run_id: By it processes of the job are found that left its group.
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
        told = _read_to_end(read_end)
        if not told.endswith(_FAREWELL):
            leader = int(told.split()[-1]) if told else 0
            if leader:
                posix.kill_group(leader, signal.SIGKILL)
            posix.kill_namesakes(run_id)
            posix.kill_processes_of_run(run_id)
            take_over()
        status = 0
    finally:
        os._exit(status)


def _read_to_end(pipe: int) -> bytes:
    told = b""
    while not told.endswith(_FAREWELL):
        part = os.read(pipe, 64)
        if not part:
            break
        told += part
    return told
