"""Making a job in a container ready: its container is created while its working copy is made."""

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Dict, Iterable, Mapping

from espalier.base.errors import EspalierError
from espalier.base.model.job import JobEnv
from espalier.base.paths import RunPaths
from espalier.base.records import make_folders
from espalier.executors.contract import Job
from espalier.executors.docker.config import Order, given_paths, readable
from espalier.executors.docker.container import Container, ImageGone
from espalier.lifecycle.scratch import record_of
from espalier.lifecycle.view import make_view, show
from espalier.provision.preparation import Preparation, record_prepared

if TYPE_CHECKING:
    from espalier.executors.contract import Launch

# Where a job in a container finds its secrets: a file that is in the host's memory.
_SECRETS = "/run/espalier/secrets"


def prepare_container(job: Job) -> "Launch":
    """Make a job ready: its image, its working copy, its container. See `Executor.prepare`."""
    job.link_espalier(job.run)
    known = job.env.prepared
    if known is not None:
        record_prepared(job.run, known)
        with contextlib.suppress(ImageGone):  # (it was there at submit)
            return _created(job, known)
    preparation = Preparation(job.run, job.env)
    job.undo.callback(preparation.call_off)
    job.make_folders()
    try:
        return _created(job, preparation.wait())
    except ImageGone as error:
        hint = "Another process removes images at the same time. Submit again."
        raise EspalierError("image_missing", str(error), hint) from error


def _created(job: Job, made: Mapping[str, Any]) -> "Launch":
    container = _begin(job, made)
    job.make_folders()
    container.wait_until_created()
    return partial(_start, job=job, container=container)


def _begin(job: Job, made: Mapping[str, Any]) -> Container:
    look_at_mounts_again(job)
    variables, mounts = job.variables(), {**_needed(job.env), **job.spec.container.mounts}
    if job.secrets is not None:
        mounts[job.secrets.file()] = _SECRETS
        variables.update(dict.fromkeys(job.secrets.variables, _SECRETS))
    make_folders(job.scratch.work)  # (an engine refuses a mount of what is not there)
    order = Order(
        scratch=record_of(job.scratch),
        engine=dict(job.env.engine),
        image=str(made["image"]),
        command=job.command(),
        variables=variables,
        mounts=mounts,
        gpu_ids=job.gpu_ids,
        user=f"{os.getuid()}:{os.getgid()}",
        masked=job.secrets is not None,
    )
    container = Container(job.run, job.spec, order, job.idle)
    job.undo.callback(container.call_off)
    container.ask_for_image()
    _show(job, readable(job.run, job.spec, order))
    container.begin()
    return container


def look_at_mounts_again(job: Job) -> None:
    """Links, mounts and sockets may have changed since the submit. Raises EspalierError `bad_argument`."""
    paths = given_paths(job.spec)
    if paths:
        from espalier.executors.docker.mounts import refuse_dangerous

        refuse_dangerous(paths, {**job.env.preparing, **job.env.engine})


def _show(job: Job, places: Iterable[str]) -> None:
    """Make what the container is to see of the run: an engine refuses a mount of what is not there."""
    run = job.run
    if run.inputs in places:
        with contextlib.suppress(FileExistsError):
            os.mkdir(run.inputs, 0o700)
    make_view(run, places)
    job.link_espalier(run.seen(os.path.basename(run.root)))


def _start(run: RunPaths, job: Job, container: Container) -> int:
    show(run, run)
    pid = container.start(job.secrets)
    if job.secrets is not None:
        job.secrets.started()
    return pid


def _needed(env: JobEnv) -> Dict[str, str]:
    """What a job in a container reads of espalier: the core, and the R package where there is one."""
    core = os.path.abspath(__file__).rsplit(os.sep, 3)[0]
    return {path: path for path in (core, *env.links.values())}
