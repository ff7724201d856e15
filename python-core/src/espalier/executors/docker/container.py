"""The runner's side of a job in a container: the container, and its supervisor, its child, which stands for the job.

The engine creates the container while the working copy is still being made. Then the runner has it started, and starts
the supervisor (`supervise.py`), a fork of this process, for which the engine has nothing to wait. The container
is removed when the run has its final state, before its place in the queue is given back.
"""

import contextlib
import gc
import os
import select
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.engine import ANSWER_SECONDS, Engine, EngineError
from espalier.adapters.engine_stream import EngineGone
from espalier.adapters.inside import logs_of
from espalier.adapters.processes import helper_command, helper_variables, wait_for_child
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.executors.contract import Secrets
from espalier.executors.docker.config import RUN_LABEL, Order, container_config, container_name
from espalier.executors.docker.record import Box, cause_of, hint_for, read_box, write_box
from espalier.executors.docker.supervise import FAILED, supervise
from espalier.executors.start import output_of
from espalier.lifecycle.set_ids import close_to_others, let_others_enter
from espalier.lifecycle.status import Outcome

if TYPE_CHECKING:
    from _socket import socket as Socket
    from typing import NoReturn

    from espalier.executors.docker.supervise import Begun
    from espalier.lifecycle.status import Outcome


def start_supervisor(
    run: RunPaths, spec: JobSpec, order: Order, container: str, begun: "Optional[Begun]", log: int
) -> int:
    """Start the supervisor of a container: another interpreter would take longer to load than many a job takes.

    It hears of this process's death by the end of its input, which is open here until then.

    Args:
        begun: Where what the container prints comes, and the answer to its start; None where the supervisor starts it.
        log: The supervisor's output: an open file, as for a job without a container.

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


_LOOKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "look.py")
# How long looking for a container may take when its supervisor died; an engine may hang.
_LOOK_SECONDS = 45.0
# How long one that is being created and not wanted any more is waited for.
_CREATED_SECONDS = 10.0


class ImageGone(Exception):
    """The image that was there at submit is there no longer."""


class Container:
    """The container of a job, which is on its way from the beginning.

    Args:
        order: What its supervisor is to do.
        idle: Does useful work, a little at a time, while the engine is awaited.
    """

    def __init__(self, run: RunPaths, spec: JobSpec, order: Order, idle: Callable[[], Iterator[None]]) -> None:
        self._run, self._spec, self._order, self._idle = run, spec, order, idle
        self._engine = Engine(order.engine)
        self._box = Box(engine=order.engine, image=order.image, name=container_name(run), masked=order.masked)
        self._config: Dict[str, Any] = {}
        self._is_asked = False
        self._image: Optional[Socket] = None
        self._output: Optional[Socket] = None
        self._answer: Optional[Socket] = None
        self._id = ""

    def ask_for_image(self) -> None:
        """Ask what `begin` needs to know. Raises EspalierError: the engine does not answer."""
        with self._told():
            self._image = self._engine.begin_image(self._order.image)

    def begin(self) -> None:
        """Have it created, by `ask_for_image`.

        Raises:
            ImageGone: its image is not there.
            EspalierError: the engine does not answer.
        """
        assert self._image is not None
        with self._told():
            image = self._engine.known_image(self._image)
            self._config = container_config(self._run, self._spec, self._order, image)
            write_box(self._run, self._box)  # (first: when all of us die, it says that there may be one)
            close_to_others(self._run)
            self._ask()

    def _ask(self) -> None:
        with posix.undisturbed():
            self._is_asked = True
            self._answer = self._engine.begin_create(self._box.name, self._config)

    def wait_until_created(self) -> None:
        """Wait until the container is there. One of the same name is of an earlier attempt, which has ended.

        Raises:
            ImageGone: its image is not.
            EspalierError: why it cannot be made.
        """
        with self._told():
            try:
                self._hear()
            except EngineError as error:
                if "permission denied" in str(error).lower():  # (on some NFS the engine's root has no rights)
                    let_others_enter(self._run)
                elif error.status == 409:
                    for old in self._engine.labelled(f"{RUN_LABEL}={os.path.basename(self._run.root)}"):
                        self._engine.remove(old["Id"])
                else:
                    raise
                self._ask()
                self._hear()
        with contextlib.suppress(EngineGone):  # (`start` finds out why)
            self._output = self._engine.begin_attach(self._id)

    def _hear(self, seconds: float = ANSWER_SECONDS) -> None:
        """Learn its id, once the engine answers."""
        assert self._answer is not None
        for _ in self._idle():
            if select.select([self._answer], [], [], 0)[0]:
                break
        # (a cancel that interrupts this leaves the answer to `call_off`)
        if not select.select([self._answer], [], [], seconds)[0]:
            raise EngineGone(0, f"{self._engine.address}: it does not answer")
        with posix.undisturbed():
            answer, self._answer = self._answer, None
            self._id = self._engine.created(answer)

    def start(self, secrets: Optional[Secrets]) -> int:
        """Have the container started; returns the process that stands for the job, its supervisor.

        Args:
            secrets: The job's, if it is to have any.

        Raises:
            OSError: the supervisor cannot be started.
        """
        try:
            with output_of(self._run, secrets) as output:
                return start_supervisor(self._run, self._spec, self._order, self._id, self._begin(), output)
        except BaseException:
            self.call_off()
            raise

    def _begin(self) -> "Optional[Begun]":
        """Listen to it and have it started; None where its supervisor has to, and finds out why."""
        with contextlib.suppress(EngineError, EngineGone):
            if self._output is not None:
                return self._engine.attached(self._output), self._engine.begin_start(self._id)
        return None

    def call_off(self) -> None:
        """Remove the container, which is not wanted. An engine that does not answer keeps it."""
        if not self._is_asked:
            return
        with posix.undisturbed():
            try:
                if self._answer is not None:
                    self._hear(_CREATED_SECONDS)
                self._engine.remove(self._id or self._box.name)
            except EngineGone:
                return
            except EngineError:  # none was made
                if self._id:
                    return
            write_box(self._run, self._box._replace(removed=True))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What the engine refuses becomes an error of ours."""
        try:
            yield
        except (EngineError, EngineGone) as error:
            from espalier.adapters.docker_errors import engine_refused, not_reachable

            what = "Can't create the container"
            if isinstance(error, EngineGone):
                raise not_reachable(self._engine.address, error, what + ".") from error
            if error.status == 404 and "image" in str(error).lower():
                raise ImageGone(str(error)) from error
            raise engine_refused(what, str(error), error.status) from error


def true_outcome(run: RunPaths, outcome: Outcome) -> Outcome:
    """How the job in a container ended: as its supervisor did, unless that died before it had noted the end. Then
    another process looks for the container, and ends it."""
    box = read_box(run)
    if box is None:
        return outcome
    if not box.removed and not (box.state == "ended" and outcome.exit_code == box.exit_code):
        have_looked(run)
        box = read_box(run) or box
        warnings = list(outcome.warnings)
        if not box.removed:
            warnings.append(f"Can't remove the container {box.name}: {box.engine_error or 'no answer'}.")
        outcome = outcome._replace(warnings=warnings)
        if box.state == "ended":
            outcome = outcome._replace(exit_code=box.exit_code, signal=None)
    return outcome if outcome.exit_code == 0 else outcome._replace(cause=cause_of(box), hint=hint_for(run, box))


class Removal:
    """The removal of a container that has ended, by the engine, while the run's end is recorded.

    Should all of us die meanwhile, the process that gives the run's place back removes it (`runner/reconcile.py`).
    """

    def __init__(self, run: RunPaths) -> None:
        self._box = read_box(run)
        self._answer: Optional[Socket] = None
        if self._box is not None and self._box.state == "ended" and not self._box.removed:
            self._engine = Engine(self._box.engine)
            with contextlib.suppress(EngineGone):
                self._answer = self._engine.begin_remove(self._box.id)

    def finish(self, run: RunPaths) -> None:
        """Wait until it is removed.

        Args:
            run: The run, wherever its folder is now.
        """
        if self._box is None or self._box.state != "ended" or self._box.removed:
            return
        try:
            if self._answer is None:
                raise EngineGone(0, "it did not answer")
            self._engine.removed(self._answer)
            write_box(run, self._box._replace(removed=True))
        except (EngineError, EngineGone):
            have_looked(run)


def have_looked(run: RunPaths) -> None:
    """Have a separate process find the container and remove it."""
    with logs_of(run, run.runner_log) as (said,):
        pid = posix.spawn_writing(helper_command(_LOOKER, run.root), helper_variables(), said)
    wait_for_child(pid, _LOOK_SECONDS)
