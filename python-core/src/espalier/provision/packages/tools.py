"""Running a program that builds something: all it starts ends with it, and what it says goes to a file."""

import os
import signal
import subprocess
import tempfile
import time
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from espalier.base.progress import check

_PAUSE = 0.02
_GRACE = 2.0


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    output: int,
    keep: Sequence[int] = (),
    input_text: Optional[str] = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> int:
    """Run a program to its end.

    Args:
        output: Where it writes, both streams.
        keep: Descriptors that it inherits: locks, so that they are held until really nothing of it is left.
        input_text: What it reads; by default nothing.
        meanwhile: Called again and again until it ends.

    Raises:
        OSError: it cannot be started.
        KeyboardInterrupt, or anything else that arrives or that `meanwhile` raises: the program and all it started
            were ended.
    """
    with tempfile.TemporaryFile() as stdin:
        stdin.write((input_text or "").encode())
        stdin.seek(0)
        streams: Dict[str, Any] = {"stdin": stdin, "stdout": output, "stderr": output}
        process = subprocess.Popen(list(argv), env=dict(env), pass_fds=keep, start_new_session=True, **streams)
    try:
        while process.poll() is None:
            meanwhile()
            check()
            time.sleep(_PAUSE)
    finally:
        _end(process)
        meanwhile()
    return int(process.returncode)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends a program that was called off, and what is left of the group of one that has ended."""
    deadline = time.monotonic() + _GRACE
    _signal(process.pid, signal.SIGTERM if process.poll() is None else signal.SIGKILL)
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return
