"""The process of a container's supervisor (`supervise.py`), a fork of the run's runner."""

import contextlib
import gc
import os
from typing import TYPE_CHECKING, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.inside import logs_of
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.executors.docker.config import Order
from espalier.executors.docker.supervise import FAILED, supervise

if TYPE_CHECKING:
    from typing import NoReturn

    from espalier.executors.docker.supervise import Begun


def start_supervisor(
    run: RunPaths, spec: JobSpec, order: Order, container: str, begun: "Optional[Begun]", log: int
) -> int:
    """Start the supervisor of a container: another interpreter would take longer to load than many a job takes.

    It hears of this process's death by the end of its input, which is open here until then.

    Args:
        run: The run.
        spec: Its definition.
        order: What it is to do.
        container: The container's id.
        begun: Where what the container prints comes, and the answer to its start; None where the supervisor starts it.
        log: The supervisor's output: an open file, as for a job without a container.

    Returns:
        Its process id.

    Raises:
        OSError: it cannot be started.
    """
    word, ours = os.pipe()
    try:
        with logs_of(run, run.runner_log) as (said,):
            pid = os.fork()
            if pid == 0:
                _supervise(run, spec, order, container, begun, (word, log, said))
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(word)
        for one in begun or ():
            one.close()
    with contextlib.suppress(OSError):  # (it does that, too; the first of both is in time)
        os.setpgid(pid, pid)
    return pid


def _supervise(
    run: RunPaths,
    spec: JobSpec,
    order: Order,
    container: str,
    begun: "Optional[Begun]",
    standard: Tuple[int, int, int],
) -> "NoReturn":
    """In the new process. Of its runner's it keeps the given connections, and no lock."""
    code = FAILED
    try:
        gc.freeze()  # (what closes a descriptor when it goes would close one of another thing)
        os.setpgid(0, 0)  # a session of its own would make it a runner to those who look for a job's processes
        for number, fd in enumerate(standard):
            os.dup2(fd, number)
        posix.close_inherited(*(one.fileno() for one in begun or ()))
        code = supervise(run, spec, order, container, begun)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)
