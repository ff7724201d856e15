"""What an executor is: how and where a run's job is executed. Standard library only, and cheap to load.

The runner makes a run ready, has its executor launch the job, and watches the process that stands for it. To write one:
inst/executors.md. `espalier.testing.executor_contract` has the tests that each passes.
"""

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from espalier.base.errors import EspalierError
from espalier.base.model.job import JobEnv, JobSpec
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths
from espalier.base.scratch_paths import ScratchPaths

if TYPE_CHECKING:
    import contextlib

    from espalier.adapters.tree import Tree
    from espalier.base.config import ScriptRunConfig
    from espalier.environment.definition import Environment
    from espalier.executors.meter import Meter
    from espalier.lifecycle.status import Outcome

    # Starts the job of a run, wherever its folder is now; returns the process that stands for the job.
    Launch = Callable[[RunPaths], int]
    # Makes what measures a job: where its samples go, its processes, when it started.
    MakeMeter = Callable[[str, Tree, float], Meter]


class Capabilities:
    """What an executor can do. What a job needs beyond that is refused at submit.

    Args:
        environments: The ways by which its jobs may come to their environment: `session`, `user-managed`, `private`,
            `image` (protocol.md, `environment.how`).
        gpus: Whether a job finds the graphics processors that it was given.
        secrets: Whether a job can be given secrets.
        is_confined: Whether a job sees of this machine only what is made for it.
        may_outlive: Whether something of a job may be left when the process that stands for it is dead.
        relaunches: Whether a launch that failed can be tried again, if the workspace was renamed meanwhile.
    """

    # (no NamedTuple, here and below: to make the class of one takes longer than all else in this file)
    def __init__(
        self,
        environments: Sequence[str] = ("session", "user-managed"),
        gpus: bool = False,
        secrets: bool = False,
        is_confined: bool = False,
        may_outlive: bool = False,
        relaunches: bool = False,
    ) -> None:
        self.environments, self.gpus, self.secrets = tuple(environments), gpus, secrets
        self.is_confined, self.may_outlive, self.relaunches = is_confined, may_outlive, relaunches


class TooWide(Exception):
    """A confined job asks for a child with something that it doesn't have itself: the text says what."""


class Interruption(BaseException):
    """Raised by espalier out of what an executor does. No `Exception`, so that no code on the way takes it for a
    failure."""


class Secrets:
    """The secrets of a job, as long as it is executed."""

    # What the job's variables say of them, where it sees this host's processes.
    variables: Mapping[str, str]
    # The open file by which its output goes to the run's log, the secrets in it hidden.
    output: int

    def file(self) -> str:
        """A file in memory that holds them."""
        raise NotImplementedError

    def started(self) -> None:
        """The job has been started with `output`."""
        raise NotImplementedError

    def hide(self, text: str) -> str:
        """A text with `***` in place of each of them."""
        raise NotImplementedError


class Job:
    """One attempt at a run, as its runner hands it to an executor.

    Args:
        run: The run's folder.
        spec: Its definition.
        env: What `env.json` holds.
        scratch: Its scratch folder, in which the working copy is made.
        gpu_ids: The graphics processors it was given.
        secrets: Its secrets, if it is to have any.
        undo: What has to be done if it can't be made ready.
    """

    def __init__(
        self,
        run: RunPaths,
        spec: JobSpec,
        env: JobEnv,
        scratch: ScratchPaths,
        gpu_ids: List[str],
        secrets: Optional[Secrets],
        undo: "contextlib.ExitStack",
    ) -> None:
        self.run, self.spec, self.env, self.scratch = run, spec, env, scratch
        self.gpu_ids, self.secrets, self.undo = gpu_ids, secrets, undo

    def make_folders(self) -> None:
        """Make the working copy, the copies of inputs and the folders that are kept. Once is enough."""
        raise NotImplementedError

    def link_espalier(self, run: RunPaths) -> None:
        """Let the job find espalier below a run's folder."""
        raise NotImplementedError

    def variables(self, prepared: Optional[Mapping[str, Any]] = None) -> Dict[str, str]:
        """All of the job's variables, except those that lead to its secrets.

        Args:
            prepared: What was made ready of its environment.
        """
        raise NotImplementedError

    def command(self, prepared: Optional[Mapping[str, Any]] = None) -> List[str]:
        """What to execute, in the folder `scratch.job`.

        Args:
            prepared: What was made ready of its environment.
        """
        raise NotImplementedError

    def idle(self) -> Iterator[None]:
        """Does useful work, a little at a time, for an executor that waits for something."""
        raise NotImplementedError


class Reconciled:
    """What became of a job that no process watched any more.

    Args:
        exit_code: How it had ended normally; None if it had not, or that is not known.
        ended_at: When, seconds since 1970, if that is known.
        cause: Code and message of what ended it, where that is not for the job to say.
        hint: What can be done about it.
        is_gone: Whether nothing is left of it.
    """

    def __init__(
        self,
        exit_code: Optional[int] = None,
        ended_at: Optional[float] = None,
        cause: Optional[Tuple[str, str]] = None,
        hint: str = "",
        is_gone: bool = True,
    ) -> None:
        self.exit_code, self.ended_at = exit_code, ended_at
        self.cause, self.hint, self.is_gone = cause, hint, is_gone

    def __repr__(self) -> str:
        return f"Reconciled({', '.join(f'{name}={value!r:.40}' for name, value in vars(self).items())})"


class Executor:
    """One way to execute jobs. An object of it serves one attempt."""

    # By which jobs name it, as their `compute_target`.
    name = ""
    capabilities = Capabilities()
    # So long `launch` of another package's may take, seconds.
    launch_seconds = 60.0

    def check(self, config: "ScriptRunConfig") -> List[str]:
        """Refuse, at submit, a job that can't be executed. Called before anything is read or written.

        Returns:
            Warnings for the user.

        Raises:
            EspalierError: what is wrong with the job.
        """
        return []

    def specify(self, spec: JobSpec, config: "ScriptRunConfig", environment: "Optional[Environment]") -> JobSpec:
        """Add to a run's definition what this executor needs to know."""
        return spec

    def inherits(self, variables: Mapping[str, str]) -> Dict[str, str]:
        """Of the session's variables that jobs may inherit those that its jobs do."""
        return dict(variables)

    def narrowed(self, asked: Mapping[str, Any], spec: JobSpec) -> Dict[str, Any]:
        """Of a child that a confined job asks for the fields, so that it is confined as its parent is.

        Args:
            asked: The fields, as text of the job's.
            spec: The definition of the job.

        Raises:
            TooWide: what it asks for is more than it has.
            EspalierError: `not_supported`.
        """
        message = f"Can't submit runs from a job on compute_target = {self.name!r}."
        raise EspalierError("not_supported", message, "Submit them from a session.")

    def load(self) -> None:
        """Load what a launch takes, in a runner that waits for its run."""

    def prepare(self, job: Job) -> "Launch":
        """Make a job ready. A cancel and the run's time limit interrupt it, by an exception.

        Returns:
            What launches it.

        Raises:
            EspalierError: why it can't be made ready.
        """
        job.make_folders()
        return lambda run: self.launch(job, run)

    def launch(self, job: Job, run: RunPaths) -> int:
        """Start a job that is ready.

        Returns:
            A child of this process that leads a session or group and stands for the job: TERM ends the job, its exit
            status is the job's. `start.start_job` makes one.

        Raises:
            OSError, EspalierError: it can't be started.
        """
        raise NotImplementedError

    def measure(self, run: RunPaths) -> "Optional[MakeMeter]":
        """How its jobs are measured; None: as processes of this machine, by the child that stands for them."""
        return None

    def outcome(self, run: RunPaths, ended: "Outcome") -> "Outcome":
        """How a job ended, by what became of the child that stood for it. If that was killed or doesn't know, the
        executor may know better."""
        return ended

    def release(self, run: RunPaths) -> "Optional[Callable[[RunPaths], None]]":
        """Begin to give up what a job held that has ended, while its end is recorded.

        Returns:
            What waits until it is given up, with the run wherever its folder is then.

        Raises:
            EspalierError: it can't be given up; this becomes a warning of the run. So it does where the wait fails.
        """
        return None

    def holds(self, run: RunPaths) -> bool:
        """Whether a run that is over may still hold something that `reconcile` gives up. Costs no more than a look at
        its folder."""
        return False

    def reconcile(self, run: RunPaths, status: Status) -> Reconciled:
        """End what is left of an attempt whose runner is dead, and find out what became of it. Of an attempt twice, if
        it is killed."""
        return Reconciled()
