"""A run's environment, made ready before its job starts by a process of its own: `prepare/__main__.py RUN_DIR`.

That needs the whole core and may take an hour; the runner hears a cancel and the time limit meanwhile. Loaded only for
runs that have an environment.
"""

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.inside import make_inside, replace_inside
from espalier.adapters.tree import Tree
from espalier.base.cache_paths import PrivatePaths
from espalier.base.errors import CODES, EspalierError
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.base.records import dump_record, make_folders, read_record
from espalier.base.scratch_paths import ScratchPaths
from espalier.lifecycle.container_config import Order, given_paths, readable
from espalier.lifecycle.scratch import record_of
from espalier.lifecycle.view import make_view, show
from espalier.runner.container import Container, ImageGone
from espalier.runner.prepare import job_command, job_environment, link_espalier, prepare_folders
from espalier.runner.start import logs_of, start_job
from espalier.runner.supervisor import end_child, helper_command

if TYPE_CHECKING:
    from espalier.runner.secrets import Attached

# Where a job in a container finds its secrets: a file that is in the host's memory.
_SECRETS = "/run/espalier/secrets"
# What a run's `environment.how` says of those for which something is made ready.
IMAGE, PRIVATE = "image", "private"
_PROGRAM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "prepare", "__main__.py")


class Preparation:
    """The process that makes an environment ready."""

    def __init__(self, run: RunPaths, env: Dict[str, Any]) -> None:
        self._run = run
        make_inside(run.root, run.job)
        variables = {**os.environ, **env.get("preparing", {}), "ESPALIER_RUN_ID": os.path.basename(run.root)}
        # (the interpreter that the modules it needs were found by; ours may be another)
        command = [str(env.get("core_python") or helper_command(_PROGRAM)[0]), *helper_command(_PROGRAM, run.root)[1:]]
        with logs_of(run, run.build_log, run.runner_log) as (built, said):
            actions: List[Tuple[Any, ...]] = [
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, built, 1),
                (os.POSIX_SPAWN_DUP2, said, 2),
            ]
            self._pid: Optional[int] = posix.spawn_session(command, variables, actions)

    def wait(self) -> Dict[str, Any]:
        """Wait until it is ready.

        Returns:
            What has been made ready (protocol.md, `.job/environment.json`).

        Raises:
            EspalierError: why it could not be made.
        """
        assert self._pid is not None
        status = os.waitpid(self._pid, 0)[1]
        pid, self._pid = self._pid, None
        self._end_rest(pid)
        return prepared(self._run, status)

    def call_off(self) -> None:
        """End it, and what it has started."""
        if self._pid is not None:
            pid, self._pid = self._pid, None
            end_child(pid)
            self._end_rest(pid)

    def _end_rest(self, pid: int) -> None:
        """Of what a builder started nothing is left."""
        Tree(os.path.basename(self._run.root), pid, None).kill()


def prepared(run: RunPaths, status: int = 0) -> Dict[str, Any]:
    """What was made ready for a run.

    Args:
        status: Of the process that did it, as `os.wait` gives it.

    Raises:
        EspalierError: why it could not be made.
    """
    try:
        record = read_record(run.prepared)
    except (OSError, EspalierError):
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit status {os.WEXITSTATUS(status)}"
        message = f"The process that makes the environment ready ended with {how} and left no word."
        raise EspalierError("internal", message, f"See {run.runner_log}.") from None
    error = record.get("error")
    if error:
        code = error.get("code") if error.get("code") in CODES else "internal"
        raise EspalierError(str(code), str(error.get("message")), str(error.get("hint", "")))
    return record


def prepare_with_environment(
    run: RunPaths,
    scratch: ScratchPaths,
    workspace: str,
    spec: JobSpec,
    env: Dict[str, Any],
    gpu_ids: List[str],
    attached: "Optional[Attached]",
) -> Callable[[RunPaths], int]:
    """Make a job ready that has an environment: the working copy and the environment, each while the other is made.

    Args:
        scratch: Its scratch folder.
        workspace: The workspace's folder.
        env: The run's `env.json`.
        gpu_ids: The graphics processors it was given.
        attached: Its secrets, if it is to have any.

    Returns:
        What starts the job.

    Raises:
        EspalierError: what could not be made ready.
    """
    make_inside(run.root, run.job)
    ready = _Ready(run, scratch, workspace, spec, env, gpu_ids, attached)
    with ready.undo:
        start = ready.in_container() if spec.how == IMAGE else ready.in_private()
        ready.undo.pop_all()
    return start


class _Ready:
    """A job that is being made ready; `undo` is done when it cannot be."""

    def __init__(
        self,
        run: RunPaths,
        scratch: ScratchPaths,
        workspace: str,
        spec: JobSpec,
        env: Dict[str, Any],
        gpu_ids: List[str],
        attached: "Optional[Attached]",
    ) -> None:
        self._run, self._scratch, self._workspace, self._spec, self._env = run, scratch, workspace, spec, env
        self._gpu_ids, self._attached = gpu_ids, attached
        self._has_folders = False
        self.undo = contextlib.ExitStack()

    def in_private(self) -> Callable[[RunPaths], int]:
        preparation = self._begin_preparation()
        self._make_folders()
        made = preparation.wait()
        while not _keeps(made):  # somebody removed it in this very moment
            made = self._begin_preparation().wait()
        variables = self._variables(made)
        command = job_command(self._run, self._spec, made)
        return partial(start_job, folder=self._scratch.job, command=command, env=variables, attached=self._attached)

    def in_container(self) -> Callable[[RunPaths], int]:
        link_espalier(self._run, self._env.get("links", {}))
        known = self._env.get("prepared")
        if known is not None:
            record_prepared(self._run, known)
            with contextlib.suppress(ImageGone):  # (it was there at submit)
                return self._supervised(known)
        preparation = self._begin_preparation()
        self._make_folders()
        try:
            return self._supervised(preparation.wait())
        except ImageGone as error:
            hint = "Somebody removes images meanwhile; submit again."
            raise EspalierError("image_missing", str(error), hint) from error

    def _supervised(self, made: Dict[str, Any]) -> Callable[[RunPaths], int]:
        container = self._begin_container(made)
        self._make_folders()
        container.wait_until_created()
        return partial(_start, container=container, attached=self._attached)

    def _begin_preparation(self) -> Preparation:
        preparation = Preparation(self._run, self._env)
        self.undo.callback(preparation.call_off)
        return preparation

    def _begin_container(self, made: Dict[str, Any]) -> Container:
        self._look_at_mounts_again()
        variables, mounts = self._variables(), {**_needed(self._env), **self._spec.container.mounts}
        if self._attached is not None:
            mounts[self._attached.file()] = _SECRETS
            variables.update(dict.fromkeys(self._attached.variables, _SECRETS))
        make_folders(self._scratch.work)  # (an engine refuses a mount of what is not there)
        order = Order(
            scratch=record_of(self._scratch),
            engine=self._env.get("engine", {}),
            image=str(made["image"]),
            command=job_command(self._run, self._spec),
            variables=variables,
            mounts=mounts,
            gpu_ids=self._gpu_ids,
            user=f"{os.getuid()}:{os.getgid()}",
            masked=self._attached is not None,
        )
        container = Container(self._run, self._spec, order)
        self.undo.callback(container.call_off)
        container.ask_for_image()
        self._show(order)
        container.begin()
        return container

    def _look_at_mounts_again(self) -> None:
        """Links, mounts and sockets may have changed since the submit. Raises EspalierError `bad_argument`."""
        paths = given_paths(self._spec)
        if paths:
            from espalier.lifecycle.mounts import refuse_dangerous

            refuse_dangerous(paths, {**self._env.get("preparing", {}), **self._env.get("engine", {})})

    def _show(self, order: Order) -> None:
        """Make what the container is to see of the run: an engine refuses a mount of what is not there."""
        places = readable(self._run, self._spec, order)
        if self._run.inputs in places:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._run.inputs, 0o700)
        make_view(self._run, places)
        link_espalier(self._run.seen(os.path.basename(self._run.root)), self._env.get("links", {}))

    def _make_folders(self) -> None:
        if not self._has_folders:
            self._has_folders = True
            prepare_folders(self._run, self._scratch, self._workspace, self._spec, self._env)

    def _variables(self, made: Optional[Dict[str, Any]] = None) -> Dict[str, str]:
        return job_environment(self._run, self._scratch, self._workspace, self._spec, self._env, self._gpu_ids, made)


def _keeps(made: Dict[str, Any]) -> bool:
    """Keep a private environment from being removed for as long as this process lives, which is as long as its run;
    False where it is being, or has been."""
    if not made.get("folder"):
        return True
    record = PrivatePaths(made["folder"]).record
    try:
        fd = posix.open_lockable(record)
    except OSError:
        return os.path.exists(record)
    with contextlib.suppress(OSError):  # a file system without locks
        return posix.try_lock(fd, shared=True) and os.path.exists(record)
    return True


def _start(run: RunPaths, container: Container, attached: "Optional[Attached]") -> int:
    show(run, run)
    pid = container.start(attached)
    if attached is not None:
        attached.started()
    return pid


def _needed(env: Dict[str, Any]) -> Dict[str, str]:
    """What a job in a container reads of espalier: the core, and the R package where there is one."""
    core = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return {path: path for path in (core, *env.get("links", {}).values())}


def record_prepared(run: RunPaths, record: Dict[str, Any]) -> None:
    """Record what is ready for a run, for its job's time and for good."""
    data = dump_record(record)
    replace_inside(run.root, run.prepared, data)
    replace_inside(run.root, run.environment_record, data)
