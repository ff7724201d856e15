"""Writing a planned run: its folder, durable and whole, its ticket, and a step of the queue."""

import contextlib
from typing import Dict, Mapping, Optional

from espalier.base import states
from espalier.base.model.job import JobSpec, Meta
from espalier.base.model.status import Status
from espalier.base.names import check_label
from espalier.base.paths import ENV, META, WorkspacePaths
from espalier.base.progress import indivisible
from espalier.base.types import Text
from espalier.jobs.folder import build_folder, place_folder, record_child
from espalier.jobs.plan import Plan
from espalier.queue.home import allocator, queue_paths
from espalier.queue.step import step_locked
from espalier.queue.tickets import add_ticket, remove_ticket_of
from espalier.snapshot.diff import start_diff, store_diff
from espalier.vault.known import refuse_secret_values


@indivisible()
def commit(paths: WorkspacePaths, plan: Plan, tags: Mapping[str, Text]) -> str:
    """Write the run durably, queue it, and move the queue on.

    Returns:
        The run's id.

    Raises:
        EspalierError: `workspace_missing`, `workspace_read_only`.
    """
    queue = queue_paths()  # first: where there can be no queue, nothing is written
    diff = start_diff(plan.diff)  # git is done when the folder is
    spec = plan.spec
    records = {META: meta_record(paths, plan.display_name, tags), ENV: plan.env}
    if spec.parent:
        record_child(paths.run(spec.parent), spec.id)
    folder, digests = build_folder(paths, spec, queued_status(spec), records, plan.git_index)
    with allocator(queue):
        if spec.parent:  # who carried out the same request before, and was killed, may have left one
            remove_ticket_of(queue, spec.id)
        # ticket first: a ticket without its run is dropped, a run without its ticket would wait for a reader to see it
        add_ticket(queue, paths.run(spec.id).root, spec, digests=digests)
        place_folder(paths, folder, spec.id)
        with contextlib.suppress(Exception):  # the run exists: what hinders the queue is not this submit's failure
            step_locked(queue)
    store_diff(paths.run(spec.id), diff)
    return spec.id


def queued_status(spec: JobSpec) -> Status:
    """The first status of a run that is queued."""
    return Status(states.QUEUED, queued_at=spec.created_at)


def meta_record(paths: WorkspacePaths, display_name: Optional[str], tags: Mapping[str, Text]) -> Meta:
    """The mutable record of a new run. Raises EspalierError `bad_name`, `bad_argument`."""
    checked = checked_tags(tags)
    refuse_secret_values(paths, {"display_name": display_name, "tags": checked})
    return Meta(display_name=display_name, tags=checked)


def checked_tags(tags: Mapping[str, Text]) -> Dict[str, str]:
    """Tags with valid names, their values as text. Raises EspalierError `bad_name`."""
    return {check_label("tag", name): str(value) for name, value in tags.items()}
