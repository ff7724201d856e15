"""Runs that are made as children of another: executed ones, and those that are recorded by hand."""

import contextlib
import os
from functools import partial
from typing import Any, Dict, Mapping, Optional

from espalier.base import states
from espalier.base.canonical import digest
from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec, WorkingCopy
from espalier.base.model.status import HELD_BY_PARENT, Status
from espalier.base.paths import META, RunPaths, WorkspacePaths, is_run_id
from espalier.base.progress import indivisible
from espalier.base.records import FOLDER_MODE
from espalier.base.resources import Resources
from espalier.base.types import Text
from espalier.jobs.commit import build_folder, commit, meta_record, place_folder, record_child
from espalier.jobs.confined import Source
from espalier.jobs.plan import base_spec, plan
from espalier.lifecycle.children import WAIT, ancestors_of, choice_of
from espalier.snapshot.hold import holding_objects

# The latest second that a run's id can name.
_LATEST = 10**12 - 1


def submit_child(
    paths: WorkspacePaths,
    parent_id: str,
    config: ScriptRunConfig,
    tags: Mapping[str, Text],
    run_id: Optional[str] = None,
    copied: Optional[JobSpec] = None,
    source: Optional[Source] = None,
) -> Dict[str, Any]:
    """Submit a job as a child of a run, to the parent's experiment.

    Args:
        tags: Text to find the run by later.
        run_id: The id it gets, where that has been settled already.
        copied: The definition of the run in whose working copy its source folder lies.
        source: The copy that was made of that folder, where it was copied before.

    Returns:
        `run_id`, and what to tell the user: `notes` and `warnings`.

    Raises:
        EspalierError: what is wrong with the config, its folder, the parent or the workspace.
    """
    parent = _definition(paths, parent_id)
    _refuse_to_wait_above(paths, parent_id, config)
    with contextlib.ExitStack() as until_queued:
        hold = partial(until_queued.enter_context, holding_objects(paths))
        planned = plan(paths, parent.workspace_id, parent.experiment, config, hold)
        spec = _with_origin(planned.spec, copied, source)._replace(parent=parent_id)
        if run_id:
            spec = spec._replace(id=run_id)
        child = commit(paths, planned._replace(spec=spec), tags)
    return {"run_id": child, "notes": planned.notes, "warnings": planned.warnings}


def _refuse_to_wait_above(paths: WorkspacePaths, parent_id: str, config: ScriptRunConfig) -> None:
    """A run that ends after its children can't be waited for by them. Raises EspalierError `bad_argument`."""
    outputs = (given["run"] for given in config.inputs.values() if not isinstance(given, str) and "run" in given)
    wanted = {*config.depends_on, *outputs}
    above = paths.run(parent_id)
    for run in (above, *ancestors_of(above)) if wanted else ():
        run_id = os.path.basename(run.root)
        if run_id in wanted and choice_of(run) == WAIT:
            message = f"Can't make the job wait for {run_id}: that run is above it, and waits for it."
            hint = 'Submit that one with children = "detach", or don\'t wait for it.'
            raise EspalierError("bad_argument", message, hint)


def _with_origin(spec: JobSpec, copied: Optional[JobSpec], source: Optional[Source] = None) -> JobSpec:
    """What git knows of a child's source: of a working copy what it knew of the original, for the copy goes."""
    if copied is None or spec.working_copy is None:
        return spec
    layout = copied.working_copy or WorkingCopy()
    if source is None or not source.is_whole:
        layout = spec.working_copy._replace(git=layout.git)
    spec = spec._replace(git=copied.git, working_copy=layout)
    return spec if source is None else spec._replace(source_directory=source.original)


def child_spec(
    paths: WorkspacePaths, parent_id: str, run_id: Optional[str], client: str
) -> JobSpec:
    """The definition of a child that is recorded by hand. Raises EspalierError: `run_missing` (the parent), `bad_name`,
    `run_exists`."""
    parent = _definition(paths, parent_id)
    spec = base_spec(parent.workspace_id, parent.experiment, "interactive", client)
    checked = check_child_id(paths, parent.experiment, run_id) if run_id else spec.id
    return spec._replace(id=checked, parent=parent_id, resources=Resources(cpus=0))


def check_child_id(paths: WorkspacePaths, experiment: str, run_id: str) -> str:
    """An id that a user chose for a child. Raises EspalierError: `bad_name`, `run_exists`."""
    if not is_run_id(run_id) or run_id.rsplit("_", 2)[0] != experiment[:100]:
        raise EspalierError(
            "bad_name",
            f"Can't use {run_id!r:.200} as the id of a run of {experiment}.",
            f"An id is {experiment[:100]}_, up to 12 digits, _ and 8 hexadecimal digits; or leave it out.",
        )
    if os.path.lexists(paths.run(run_id).root):
        message = f"Can't create the run {run_id}: it exists already."
        raise EspalierError("run_exists", message, "Choose another id, or leave it out.")
    return run_id


@indivisible()
def create_held(
    paths: WorkspacePaths, spec: JobSpec, name: Optional[str], collect_from: Optional[str], tags: Mapping[str, str]
) -> str:
    """Make a child that no process holds: it lives as long as its parent does.

    Args:
        spec: What `child_spec` gives.
        collect_from: Folder whose files are kept as its outputs when it ends.
        tags: Text to find the run by later.
    """
    status = Status(
        states.RUNNING, started_at=spec.created_at, collect_from=collect_from or "", held_by=HELD_BY_PARENT
    )
    records = {META: meta_record(paths, name, tags)}
    record_child(paths.run(str(spec.parent)), spec.id)
    new = RunPaths(build_folder(paths, spec, status, records)[0])
    for folder in (new.events, new.payloads, new.outputs, new.logs):
        os.mkdir(folder, FOLDER_MODE)
    place_folder(paths, new.root, spec.id)
    return spec.id


def settled_id(experiment: str, seconds: int, seed: str) -> str:
    """A run id that is the same each time it is made from the same seed."""
    # (the time is that of a file which a job wrote, and may be any)
    return f"{experiment[:100]}_{min(max(seconds, 0), _LATEST)}_{digest(seed)[-8:]}"


def _definition(paths: WorkspacePaths, run_id: str) -> JobSpec:
    try:
        return read_as(JobSpec, paths.run(run_id).spec)
    except FileNotFoundError:
        message = f"Can't find the run {run_id} in {paths.root} any more."
        raise EspalierError("run_missing", message, "See list_runs().") from None
