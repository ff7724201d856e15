"""Which executors there are, by name: those of espalier, and those that other packages register.

Another package registers one as an entry point of the group `espalier.executors`. No code of it is loaded unless a job
names it. Standard library only.
"""

import os
from typing import Optional, Tuple

from espalier.base.model.job import ExecutorCode, JobSpec
from espalier.base.paths import RunPaths
from espalier.executors.contract import Executor

# Each is in a folder of that name the class `<Name>Executor`.
BUILT_IN = ("local", "docker")


def built_in(name: str) -> Optional[Executor]:
    """An executor of espalier's own; None where it is another's."""
    if name not in BUILT_IN:
        return None
    of_class = name.capitalize() + "Executor"
    module = __import__(f"espalier.executors.{name}", fromlist=[of_class])
    executor: Executor = getattr(module, of_class)()
    return executor


def executor_for(name: str) -> Tuple[Executor, Optional[ExecutorCode]]:
    """The executor of a job that is to be submitted, and where its code is, if that is another package's. Raises
    EspalierError: `not_supported`: there is none of that name; `executor_failed`, `writable_by_others`."""
    own = built_in(name)
    if own is not None:
        return own, None
    from espalier.executors.foreign import registered_executor

    return registered_executor(name, BUILT_IN)


def is_known(name: str) -> bool:
    """Whether there is an executor of a name. No code of another package's is loaded."""
    if name in BUILT_IN:
        return True
    from espalier.executors.code import registered

    return name in registered()


def executor_of(spec: JobSpec, seconds: Optional[float] = None, run: Optional[RunPaths] = None) -> Executor:
    """The executor of a run.

    Args:
        seconds: The code of another package's may take no longer to load; None: there is a limit already.
        run: Where this is its runner, in which that limit and a cancel are signals: its folder.

    Raises:
        EspalierError: `executor_missing`, `executor_failed`, `writable_by_others`.
    """
    own = built_in(spec.target)
    if own is not None:
        return own
    from espalier.executors.foreign import recorded_executor

    return recorded_executor(spec, seconds, run)


def is_held(run: RunPaths, is_final: bool) -> bool:
    """Whether the executor of a run that no process executes may hold something of it, or know how it ended.

    Args:
        is_final: Whether the run has ended.
    """
    own = own_holder(run)
    return (not is_final or own.holds(run)) if own is not None else os.path.exists(run.executor)


def own_holder(run: RunPaths) -> Optional[Executor]:
    """The executor of espalier's own that may hold something of a run; None if there is none."""
    return built_in("docker") if os.path.exists(run.container) else None
