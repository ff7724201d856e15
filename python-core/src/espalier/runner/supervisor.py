"""The process of a container's supervisor (`prepare/container.py`), a fork of the run's runner; and how other helpers
of the runner are started and ended."""

import contextlib
import gc
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.processes import kill_group
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.lifecycle.container_config import Order
from espalier.prepare.container import FAILED, supervise
from espalier.runner.start import logs_of

if TYPE_CHECKING:
    from typing import NoReturn

    from espalier.prepare.container import Begun


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


def helper_command(program: str, *arguments: str) -> List[str]:
    """How a helper of the runner is started: as this process was, isolated, its bytecode where ours is."""
    prefix = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else []
    return [sys.executable, "-I", "-S", "-X", "utf8", *prefix, program, *arguments]


def helper_variables(run_id: Optional[str] = None) -> Dict[str, str]:
    """What a helper inherits, with the id of the run whose processes it is one of."""
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**variables, "ESPALIER_RUN_ID": run_id} if run_id else variables


def end_child(pid: int, seconds: float = 10.0) -> None:
    """Ask a child, which leads a session, to end, and kill it with its session when it does not."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGTERM)
    wait_for_child(pid, seconds)


def wait_for_child(pid: int, seconds: float) -> None:
    """Wait for the end of a child, which leads a session, and kill it with its session when that does not come."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ChildProcessError):  # somebody else has collected it
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                kill_group(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return
            time.sleep(0.005)
