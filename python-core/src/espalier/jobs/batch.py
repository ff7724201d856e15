"""Many runs at once: trials of one job, which differ in parameters, tags and name.

The folder is read once, and the queue's lock taken once. All runs are written aside and brought to the disk together;
then each is queued and moved home, as `commit.py` does with one.
"""

import contextlib
import os
import shutil
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from espalier.base.config import ScriptRunConfig
from espalier.base.errors import EspalierError
from espalier.base.model.codec import read_as
from espalier.base.model.job import JobSpec, Meta
from espalier.base.paths import ENV, META, RunPaths, WorkspacePaths
from espalier.base.progress import indivisible, report
from espalier.base.queue_paths import QueuePaths
from espalier.base.records import make_folders, write_file
from espalier.base.types import Text
from espalier.executors.registry import executor_of
from espalier.jobs.commit import build_folder, meta_record, place_folder, queued_status, sync_together
from espalier.jobs.plan import Plan, each_trial
from espalier.lifecycle.place import job_folder
from espalier.queue.home import allocator
from espalier.queue.step import step_locked
from espalier.queue.tickets import add_ticket, next_sequence, remove
from espalier.snapshot.diff import start_diff

# So many runs are submitted in one call at most: a grid that is larger is nearly always a mistake.
MANY = 10_000


class Trial(NamedTuple):
    """A run of a batch: its parameters, and its mutable record."""

    params: Dict[str, Any]
    meta: Meta


class _Written(NamedTuple):
    """A run whose folder lies aside."""

    spec: JobSpec
    folder: str
    digests: Dict[str, str]


def trials_of(
    paths: WorkspacePaths,
    config: ScriptRunConfig,
    params: Sequence[Mapping[str, Any]],
    tags: Optional[Sequence[Mapping[str, Text]]],
    display_names: Optional[Sequence[str]],
) -> List[Trial]:
    """The trials of a job.

    Args:
        params: What each trial sets in `script_params`.
        display_names: The name of each; else the job's own.

    Raises:
        EspalierError: `bad_argument`, `bad_name`; `not_supported` in a container.
    """
    _refuse_in_container()
    count = len(params)
    if not 1 <= count <= MANY:
        raise EspalierError("bad_argument", f"Can't submit {count:,} trials by one call: 1 to {MANY:,} are possible.")
    for name, given in (("tags", tags), ("display_names", display_names)):
        if given is not None and len(given) != count:
            message = f"`{name}` has {len(given):,} elements, and `params` has {count:,}."
            raise EspalierError("bad_argument", message, "Give one for each trial.")

    def trial(number: int) -> Trial:
        name = display_names[number] if display_names is not None else config.display_name
        meta = meta_record(paths, name, tags[number] if tags is not None else {})
        return Trial(_with_own(config.script_params, params[number]), meta)

    return each_trial(range(count), trial)


def _with_own(common: Mapping[str, Any], own: Mapping[str, Any]) -> Dict[str, Any]:
    """The parameters of a job with those of a trial, which count; `--rate` and `rate` are the same."""
    spelled = {name.lstrip("-"): name for name in own}
    return {**{spelled.get(name.lstrip("-"), name): value for name, value in common.items()}, **own}


def _refuse_in_container() -> None:
    """Raises EspalierError `not_supported` in a job that can't write to its workspace."""
    folder = job_folder()
    spec = RunPaths(folder).spec if folder else ""
    if os.path.exists(spec) and executor_of(read_as(JobSpec, spec)).capabilities.is_confined:
        message = "Can't submit many runs at once from a job in a container."
        raise EspalierError("not_supported", message, "Submit each one as a child: submit_child_run().")


def commit_trials(paths: WorkspacePaths, plans: Sequence[Plan], metas: Sequence[Meta]) -> List[str]:
    """Write planned runs durably, queue them in their order, and move the queue on once. Where an error or an interrupt
    comes before that, there is none of them. Raises EspalierError: `workspace_missing`, `workspace_read_only`."""
    queue = plans[0].queue
    written: List[_Written] = []
    try:
        _write_aside(paths, plans, metas, written)
        with indivisible(), allocator(queue):
            _place(paths, queue, written)
            with contextlib.suppress(Exception):  # the runs exist: what hinders the queue is not this submit's failure
                step_locked(queue)
    except BaseException:
        for each in written:
            shutil.rmtree(each.folder, ignore_errors=True)
        raise
    return [each.spec.id for each in written]


def _write_aside(paths: WorkspacePaths, plans: Sequence[Plan], metas: Sequence[Meta], written: List[_Written]) -> None:
    """Write the folders of planned runs, durable and not yet in their places; each is added to `written`."""
    diff = start_diff(plans[0].diff)
    first = paths.new_run(plans[0].spec.id)
    shared = {first.git_index: plans[0].git_index, first.diff: diff.text() if diff else b""}
    for number, (plan, meta) in enumerate(zip(plans, metas)):
        report("Writing the runs", number, len(plans))
        records = {META: meta, ENV: plan.env}
        folder, digests = build_folder(paths, plan.spec, queued_status(plan.spec), records, sync=False)
        written.append(_Written(plan.spec, folder, digests))
        for path, data in shared.items():
            if data:
                _share(path, os.path.join(folder, os.path.relpath(path, first.root)), data)
    shards = {paths.shard(each.spec.id) for each in written}
    sync_together(paths, [*(each.folder for each in written), *shards, paths.runs])


def _share(first: str, path: str, data: bytes) -> None:
    """A file that all runs have: one file with as many names, where that is possible."""
    make_folders(os.path.dirname(path))
    if path != first:
        with contextlib.suppress(OSError):
            return os.link(first, path)
    write_file(path, data)


def _place(paths: WorkspacePaths, queue: QueuePaths, written: Sequence[_Written]) -> None:
    """Queue runs and move them home, under the allocator's lock: all, or none where that fails."""
    sequence, tickets = next_sequence(queue), []
    try:
        for number, each in enumerate(written):
            # ticket first: see `commit`
            root = paths.run(each.spec.id).root
            tickets.append(add_ticket(queue, root, each.spec, digests=each.digests, sequence=sequence + number))
            place_folder(paths, each.folder, each.spec.id, sync=False)
        sync_together(paths, {paths.shard(each.spec.id) for each in written})
    except BaseException:
        for each, ticket in zip(written, tickets):
            with contextlib.suppress(OSError):  # (the last has not come home)
                os.rename(paths.run(each.spec.id).root, each.folder)
            remove(ticket)
        raise
