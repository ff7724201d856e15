"""Jobs in private environments, which are made for them."""

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Dict, List

from espalier.adapters import posix
from espalier.base.model.job import JobSpec
from espalier.base.paths import PrivatePaths
from espalier.executors.contract import Job
from espalier.executors.start import start_job
from espalier.provision.preparation import Preparation

if TYPE_CHECKING:
    from espalier.executors.contract import Launch


def prepare_private(job: Job) -> "Launch":
    """Make a job ready: the working copy and the environment, each while the other is made. See `Executor.prepare`."""
    preparation = _begin(job)
    job.make_folders()
    made = preparation.wait()
    while not keeps(made):  # somebody removed it in this very moment
        made = _begin(job).wait()
    command = with_interpreter(job.command(), job.spec, made)
    return partial(start_job, folder=job.scratch.job, command=command, env=job.variables(made), secrets=job.secrets)


def _begin(job: Job) -> Preparation:
    preparation = Preparation(job.run, job.env)
    job.undo.callback(preparation.call_off)
    return preparation


def keeps(made: Dict[str, Any]) -> bool:
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


def with_interpreter(command: List[str], spec: JobSpec, made: Dict[str, Any]) -> List[str]:
    """A job's command, run by what was made ready for its language."""
    interpreter = made.get("rscript" if spec.script.lower().endswith(".r") else "python")
    is_script = spec.type == "script" and spec.script.lower().endswith((".r", ".py"))
    return [interpreter, *command[1:]] if interpreter and is_script else command
