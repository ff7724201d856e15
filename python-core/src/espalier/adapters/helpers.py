"""Helper processes of a runner: how they are started, and ended. Standard library only."""

import contextlib
import os
import signal
import sys
import time
from typing import Dict, List

from espalier.adapters.processes import kill_group


def helper_command(program: str, *arguments: str) -> List[str]:
    """How a helper of the runner is started: as this process was, isolated, its bytecode where ours is."""
    prefix = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else []
    return [sys.executable, "-I", "-S", "-X", "utf8", *prefix, program, *arguments]


def helper_variables() -> Dict[str, str]:
    """What a helper inherits."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def end_child(pid: int, seconds: float = 10.0) -> None:
    """Ask a child, which leads a session, to end, and kill it with its session when it does not."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGTERM)
    wait_for_child(pid, seconds)


def wait_for_child(pid: int, seconds: float) -> None:
    """Wait for the end of a child, which leads a session, and kill it with its session when that does not come."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ChildProcessError):  # another thread has collected it
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                kill_group(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return
            time.sleep(0.005)
