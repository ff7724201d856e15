"""The runner's side of a job in a container: the container's supervisor, its child, which stands for the job.

The supervisor (`prepare/container.py`) is started while the working copy is still being made, and has the container
created meanwhile; it starts it when it is told to.
"""

import contextlib
import json
import os
import signal
import sys
import time
from typing import Any, Dict, List, Tuple

from espalier.adapters import posix
from espalier.adapters.processes import kill_group
from espalier.errors import EspalierError
from espalier.lifecycle.container_record import read_box
from espalier.lifecycle.outcome import Outcome
from espalier.paths import RunPaths

_PREPARE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "prepare")
SUPERVISOR = os.path.join(_PREPARE, "container.py")
_LOOKER = os.path.join(_PREPARE, "look.py")
# How long looking for a container may take when its supervisor died; an engine may hang.
_LOOK_SECONDS = 45.0


class ImageGone(Exception):
    """The image that was there at submit is there no longer."""


class Supervisor:
    """The supervisor of one container.

    Args:
        run: The run.
        order: What it is to do, the fields of `prepare.container_config.Order`.
        output: The file action that gives it its output, as for a job without a container.
    """

    def __init__(self, run: RunPaths, order: Dict[str, Any], output: Tuple[Any, ...]) -> None:
        self._run = run
        word, self._word = os.pipe()
        self._answer, answer = os.pipe()
        actions: List[Tuple[Any, ...]] = [
            (os.POSIX_SPAWN_DUP2, word, 0),
            output,
            (os.POSIX_SPAWN_OPEN, 2, run.runner_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666),
            (os.POSIX_SPAWN_DUP2, answer, 3),
        ]
        variables = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        variables["ESPALIER_RUN_ID"] = os.path.basename(run.root)
        try:
            self.pid = posix.spawn_session(helper_command(SUPERVISOR, run.root), variables, actions)
        finally:
            os.close(word)
            os.close(answer)
        data = memoryview(json.dumps(order).encode() + b"\n")
        with contextlib.suppress(BrokenPipeError):  # it has died, which `wait_until_created` finds
            while data:
                data = data[os.write(self._word, data) :]

    def wait_until_created(self) -> None:
        """Wait until the container is there.

        Raises:
            ImageGone: its image is not.
            EspalierError: why it cannot be made.
        """
        said = b""
        while not said.endswith(b"\n"):
            data = os.read(self._answer, 65536)
            if not data:
                hint = f"See {self._run.runner_log}."
                raise EspalierError("docker_failed", "The supervisor of the container died.", hint)
            said += data
        told = json.loads(said)
        if told.get("image_gone"):
            raise ImageGone(told["message"])
        if not told.get("id"):
            raise EspalierError(told["code"], told["message"], told["hint"])

    def start(self) -> int:
        """Have the container started; returns the process that now stands for the job."""
        with contextlib.suppress(BrokenPipeError):  # it has died: whoever watches it sees that
            os.write(self._word, b"start\n")
        return self.pid

    def call_off(self) -> None:
        """Have it remove the container, which was not started, and end."""
        with contextlib.suppress(OSError):
            os.close(self._word)
        end_child(self.pid)


def true_outcome(run: RunPaths, outcome: Outcome) -> Outcome:
    """How the job in a container ended: as its supervisor did, unless that died before the container was removed. Then
    somebody looks for the container, and sees to its end."""
    box = read_box(run)
    if box is None or box.removed:
        return outcome
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    actions: List[Tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, run.runner_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = posix.spawn_session(helper_command(_LOOKER, run.root), variables, actions)
    wait_for_child(pid, _LOOK_SECONDS)
    box = read_box(run) or box
    warnings = list(outcome.warnings)
    if not box.removed:
        warnings.append(f"The container {box.name} could not be removed: {box.engine_error or 'no answer'}.")
    if box.state == "ended":
        return outcome._replace(exit_code=box.exit_code, signal=None, warnings=warnings)
    return outcome._replace(warnings=warnings)


def helper_command(program: str, *arguments: str) -> List[str]:
    """How a helper of the runner is started: as this process was, isolated, its bytecode where ours is."""
    prefix = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else []
    return [sys.executable, "-I", "-S", "-X", "utf8", *prefix, program, *arguments]


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
