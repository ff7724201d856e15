"""The process of a container's supervisor, `prepare/container.py`, a child of the run's runner; and how such helpers of
the runner are started and ended."""

import contextlib
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from espalier.adapters import posix
from espalier.adapters.processes import kill_group
from espalier.lifecycle.container_config import Order
from espalier.paths import RunPaths
from espalier.runner.start import logs_of

if TYPE_CHECKING:
    from _socket import socket as Socket

_PREPARE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "prepare")
SUPERVISOR = os.path.join(_PREPARE, "container.py")


def start_supervisor(
    run: RunPaths, order: Order, container: str, begun: "Sequence[Socket]", output: Tuple[Any, ...]
) -> int:
    """Start the supervisor of a container.

    It hears of this process's death by the end of its input, which is open here until then.

    Args:
        run: The run.
        order: What it is to do.
        container: The container's id.
        begun: Where what the container prints comes, and the answer to its start; empty where the supervisor starts it.
        output: The file action that gives the supervisor its output, as for a job without a container.

    Returns:
        Its process id.

    Raises:
        OSError: it cannot be started.
    """
    word, ours = os.pipe()
    given = {"order": order._asdict(), "container": container, "begun": [one.fileno() for one in begun]}
    try:
        with logs_of(run, run.runner_log) as (log,):
            actions = [(os.POSIX_SPAWN_DUP2, word, 0), output, (os.POSIX_SPAWN_DUP2, log, 2)]
            for one in begun:
                os.set_inheritable(one.fileno(), True)
            command, variables = helper_command(SUPERVISOR, run.root), helper_variables(os.path.basename(run.root))
            pid = posix.spawn_session(command, variables, actions)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(word)
        for one in begun:
            one.close()
    data = memoryview(json.dumps(given).encode() + b"\n")
    with contextlib.suppress(BrokenPipeError):  # it has died, which the runner notices
        while data:
            data = data[os.write(ours, data) :]
    return pid


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
