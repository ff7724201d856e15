"""Interactive runs: recorded by the session itself, which holds their lease as long as it lives."""

import os
import time
from typing import Any, Dict, Mapping, Optional, Tuple

from espalier.adapters import posix
from espalier.base import states
from espalier.base.model.job import FrozenFolder, JobSpec
from espalier.base.model.status import Status
from espalier.base.paths import META, RunPaths, WorkspacePaths
from espalier.base.progress import indivisible
from espalier.base.queue_paths import QueuePaths
from espalier.base.records import FOLDER_MODE
from espalier.base.resources import Resources
from espalier.jobs.children import child_spec
from espalier.jobs.commit import build_folder, meta_record, place_folder, record_child
from espalier.lifecycle.end import end_recorded
from espalier.lifecycle.recorded import keep_outputs
from espalier.lifecycle.status import read_status
from espalier.queue.home import allocator, queue_paths
from espalier.queue.tickets import open_lease, remove
from espalier.snapshot.hold import holding_objects
from espalier.snapshot.take import take_snapshot

# Run id -> the open lease and the start by the monotonic clock. The kernel frees the lease when this process dies, and
# the run is then seen to be lost.
_held: Dict[str, Tuple[int, int, float]] = {}


def start_interactive(
    paths: WorkspacePaths,
    spec: JobSpec,
    outputs: Optional[str],
    snapshot_directory: Optional[str],
    outside_links: str,
) -> str:
    """Create a running interactive run and return its id. See `Experiment.start_logging`.

    Args:
        spec: What `base_spec` gives for it.
    """
    posix.refuse_where_no_jobs_run()
    queue = queue_paths()
    spec = spec._replace(resources=Resources(cpus=0))
    if snapshot_directory is None:
        return _begin(paths, queue, spec, outputs, {})
    with holding_objects(paths):
        snapshot = take_snapshot(paths, snapshot_directory, outside_links=outside_links)
        frozen = FrozenFolder(snapshot.id, snapshot.files, snapshot.bytes)
        spec = spec._replace(source_directory=snapshot.source_directory, snapshot=frozen)
        return _begin(paths, queue, spec, outputs, {})


def start_child(parent: RunPaths, asked: Mapping[str, Any]) -> str:
    """Create a running child that this session records, and return its id.

    Args:
        asked: `name`, `run_id`, `collect_from`, `tags`; see `Run.child_run`.
    """
    posix.refuse_where_no_jobs_run()
    paths = parent.workspace
    spec = child_spec(paths, os.path.basename(parent.root), asked.get("run_id"), "")
    return _begin(paths, queue_paths(), spec, asked.get("collect_from"), asked.get("tags") or {}, asked.get("name"))


@indivisible()
def _begin(
    paths: WorkspacePaths,
    queue: QueuePaths,
    spec: JobSpec,
    outputs: Optional[str],
    tags: Mapping[str, str],
    display_name: Optional[str] = None,
) -> str:
    records = {META: meta_record(paths, display_name, tags)}
    if spec.parent:
        record_child(paths.run(spec.parent), spec.id)
    new = RunPaths(build_folder(paths, spec, _running(spec, outputs), records)[0])
    for folder in (new.events, new.payloads, new.outputs, new.logs):
        os.mkdir(folder, FOLDER_MODE)
    with allocator(queue):
        lease = open_lease(queue, spec.id, paths.run(spec.id).root)
        # like a runner: a process that finds the run without its lease sees that it lives
        own = posix.open_lockable(new.spec)
        posix.lock(own)
        _held[spec.id] = lease, own, time.monotonic()
        place_folder(paths, new.root, spec.id)
    return spec.id


def _running(spec: JobSpec, outputs: Optional[str]) -> Status:
    pid = os.getpid()
    return Status(
        states.RUNNING,
        started_at=spec.created_at,
        pid=pid,
        boot_id=posix.boot_id(),
        pid_start=posix.process_start(pid),
        collect_from=os.path.abspath(os.path.expanduser(outputs)) if outputs else "",
    )


def end_interactive(run: RunPaths, state: str, message: Optional[str]) -> None:
    """Write the final state of an interactive run. Raises EspalierError: `run_not_active` when it has ended already or
    isn't an interactive run."""
    run_id = os.path.basename(run.root)
    held = _held.get(run_id)
    if held and states.is_final(read_status(run).state):  # with its parent, or canceled
        _give_back(run_id)
    status = keep_outputs(run, read_status(run))
    with indivisible():
        end_recorded(run, status, state, message, time.monotonic() - held[2] if held else None)
        _give_back(run_id)


def is_held(run_id: str) -> bool:
    """Whether this process records a run."""
    return run_id in _held


def _give_back(run_id: str) -> None:
    queue = queue_paths()
    with allocator(queue):
        remove(queue.lease(run_id))
        held = _held.pop(run_id, None)
        if held is not None:
            os.close(held[0])
            os.close(held[1])
