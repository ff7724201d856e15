"""Jobs in containers of a Docker engine. What each side needs is loaded there: a submit checks, a runner launches."""

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional

from espalier.adapters import posix
from espalier.base.model.job import JobSpec
from espalier.base.paths import RunPaths
from espalier.executors.contract import Capabilities, Executor, Job, Reconciled
from espalier.executors.docker.record import cause_of, hint_for, read_box

if TYPE_CHECKING:
    from espalier.base.config import ScriptRunConfig
    from espalier.base.model.status import Status
    from espalier.environment.definition import Environment
    from espalier.executors.contract import Launch, MakeMeter
    from espalier.lifecycle.status import Outcome


class DockerExecutor(Executor):
    """Executes each job in a separate container."""

    name = "docker"
    capabilities = Capabilities(
        environments=("image",), gpus=True, secrets=True, is_confined=True, may_outlive=True
    )

    def check(self, config: "ScriptRunConfig") -> List[str]:
        """See `Executor`."""
        from espalier.executors.docker.check import refuse_dangerous_mounts, refuse_engine

        warnings = refuse_dangerous_mounts(config)
        refuse_engine(config)
        return warnings

    def specify(self, spec: JobSpec, config: "ScriptRunConfig", environment: "Optional[Environment]") -> JobSpec:
        """See `Executor`."""
        from espalier.executors.docker.check import container_of

        return spec._replace(docker=container_of(config, environment))

    def inherits(self, variables: Mapping[str, str]) -> Dict[str, str]:
        """See `Executor`."""
        from espalier.executors.docker.check import inherited

        return inherited(variables)

    def narrowed(self, asked: Mapping[str, Any], spec: JobSpec) -> Dict[str, Any]:
        """See `Executor`."""
        from espalier.executors.docker.check import narrowed

        return narrowed(asked, spec)

    def load(self) -> None:
        """See `Executor`."""
        from espalier.executors.docker import launch  # noqa: F401

    def prepare(self, job: Job) -> "Launch":
        """See `Executor`."""
        from espalier.executors.docker.launch import prepare_container

        return prepare_container(job)

    def measure(self, run: RunPaths) -> "Optional[MakeMeter]":
        """See `Executor`."""
        from espalier.executors.docker.meter import container_meter

        return container_meter(run)

    def outcome(self, run: RunPaths, ended: "Outcome") -> "Outcome":
        """See `Executor`."""
        from espalier.executors.docker.container import true_outcome

        return true_outcome(run, ended)

    def release(self, run: RunPaths) -> "Optional[Callable[[RunPaths], None]]":
        """See `Executor`."""
        from espalier.executors.docker.container import Removal

        return Removal(run).finish

    def holds(self, run: RunPaths) -> bool:
        """See `Executor`."""
        box = read_box(run)
        return box is not None and not box.removed

    def reconcile(self, run: RunPaths, status: "Status") -> Reconciled:
        """See `Executor`."""
        from espalier.executors.docker.look import look

        if read_box(run) is None:
            return Reconciled()
        box = look(run)
        cause = cause_of(box)
        # (after a reboot it is the engine that ended it, whatever it says)
        if box.state == "ended" and (box.exit_code == 0 or status.boot_id == posix.boot_id()):
            return Reconciled(box.exit_code, box.ended_at, cause, hint_for(run, box), box.removed)
        is_lost = cause is not None and cause[0] == "engine_lost"
        return Reconciled(cause=cause if is_lost else None, is_gone=box.removed)
