"""The runner's side of a job in a container: the container's supervisor, its child, which stands for the job.

The engine creates the container, and the supervisor (`prepare/container.py`) is started, while the working copy is
still being made; the supervisor starts the container when it is told to.
"""

import contextlib
import json
import os
import signal
import sys
import time
from typing import Any, Dict, Iterator, List, Tuple

from espalier.adapters import posix
from espalier.adapters.engine import Engine, EngineError, EngineGone
from espalier.adapters.processes import kill_group
from espalier.lifecycle.container_config import RUN_LABEL, Order, container_config, container_name
from espalier.lifecycle.container_record import Box, read_box, write_box
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
    """The supervisor of one container, and the container, which are both on their way from the beginning.

    Args:
        run: The run.
        spec: Its definition.
        order: What it is to do.
        output: The file action that gives it its output, as for a job without a container.

    Raises:
        ImageGone: its image is not there.
        EspalierError: the engine does not answer.
    """

    def __init__(self, run: RunPaths, spec: Dict[str, Any], order: Order, output: Tuple[Any, ...]) -> None:
        self._run = run
        self._engine = Engine(order.engine)
        with self._told():
            name = container_name(run)
            self._config = container_config(run, spec, order, self._engine.image(order.image))
            # (first: when all of us die, it says that there may be one)
            write_box(run, Box(engine=order.engine, image=order.image, name=name, masked=order.masked))
            self._answer = self._engine.begin_create(name, self._config)
        self._id = ""
        word, self._word = os.pipe()
        actions: List[Tuple[Any, ...]] = [
            (os.POSIX_SPAWN_DUP2, word, 0),
            output,
            (os.POSIX_SPAWN_OPEN, 2, run.runner_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666),
        ]
        variables = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        variables["ESPALIER_RUN_ID"] = os.path.basename(run.root)
        try:
            self.pid = posix.spawn_session(helper_command(SUPERVISOR, run.root), variables, actions)
        finally:
            os.close(word)
        self._write(json.dumps(order._asdict()).encode() + b"\n")

    def wait_until_created(self) -> None:
        """Wait until the container is there. One of the same name is of an earlier attempt, and nobody's any more.

        Raises:
            ImageGone: its image is not.
            EspalierError: why it cannot be made.
        """
        with self._told():
            try:
                self._id = self._engine.created(self._answer)
            except EngineError as error:
                if error.status != 409:
                    raise
                for old in self._engine.labelled(f"{RUN_LABEL}={os.path.basename(self._run.root)}"):
                    self._engine.remove(old["Id"])
                self._id = self._engine.create(container_name(self._run), self._config)

    def start(self) -> int:
        """Have the container started; returns the process that now stands for the job."""
        self._write(self._id.encode() + b"\n")
        return self.pid

    def call_off(self) -> None:
        """Have it remove the container, which was not started, and end."""
        if self._word >= 0:
            os.close(self._word)
            self._word = -1
            end_child(self.pid)

    def _write(self, line: bytes) -> None:
        data = memoryview(line)
        with contextlib.suppress(BrokenPipeError):  # it has died: whoever watches it sees that
            while data:
                data = data[os.write(self._word, data) :]

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What the engine refuses becomes an error of ours."""
        try:
            yield
        except (EngineError, EngineGone) as error:
            from espalier.adapters.docker_errors import engine_refused, not_reachable

            what = "The container was to be created"
            if isinstance(error, EngineGone):
                raise not_reachable(self._engine.address, error, what + ".") from error
            if error.status == 404 and "image" in str(error).lower():
                raise ImageGone(str(error)) from error
            raise engine_refused(what, str(error), error.status) from error


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
