"""Jobs in private environments, which are made for them."""

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Dict

from espalier.adapters import posix
from espalier.base.cache_paths import PrivatePaths
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
    while not keeps(made):  # it was removed in this very moment
        made = _begin(job).wait()
    return partial(
        start_job, folder=job.scratch.job, command=job.command(made), env=job.variables(made), secrets=job.secrets
    )


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
