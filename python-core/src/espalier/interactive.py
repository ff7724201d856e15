"""Interactive runs: recorded by the session itself, which holds their lease as long as it lives."""

import os
import shutil
import time
from typing import Any, Dict, List, Optional, Tuple

from espalier import states
from espalier.adapters import posix
from espalier.errors import EspalierError
from espalier.lifecycle.finish import finish, plain_error
from espalier.lifecycle.status import read_status
from espalier.listing import seconds_of
from espalier.paths import FORMAT, META, STATUS, QueuePaths, RunPaths, WorkspacePaths
from espalier.progress import indivisible, report
from espalier.queue.home import allocator, queue_paths
from espalier.queue.tickets import open_lease, remove
from espalier.snapshot.hold import holding_objects
from espalier.snapshot.take import take_snapshot
from espalier.submission.folder import build_folder, place_folder
from espalier.submission.submit import meta_record

# Run id -> the open lease and the start by the monotonic clock. The kernel frees the lease when this process dies, and
# the run is then seen to be lost.
_held: Dict[str, Tuple[int, int, float]] = {}


def start_interactive(
    paths: WorkspacePaths,
    spec: Dict[str, Any],
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
    spec = dict(spec)
    spec["resources"] = {"cpus": 0, "gpus": 0, "memory": None}
    if snapshot_directory is None:
        return _begin(paths, queue, spec, outputs)
    with holding_objects(paths):
        snapshot = take_snapshot(paths, snapshot_directory, outside_links=outside_links)
        spec["source_directory"] = snapshot.source_directory
        spec["snapshot"] = {"id": snapshot.id, "files": snapshot.files, "bytes": snapshot.bytes}
        return _begin(paths, queue, spec, outputs)


@indivisible()
def _begin(paths: WorkspacePaths, queue: QueuePaths, spec: Dict[str, Any], outputs: Optional[str]) -> str:
    records = {STATUS: _running(spec, outputs), META: meta_record(spec.pop("display_name"), {})}
    new = RunPaths(build_folder(paths, spec, records))
    for folder in (new.events, new.payloads, new.outputs, new.logs):
        os.mkdir(folder)
    with allocator(queue):
        lease = open_lease(queue, spec["id"], paths.run(spec["id"]).root)
        # like a runner: whoever finds the run without its lease sees that it lives
        own = posix.open_lockable(new.spec)
        posix.lock(own)
        _held[spec["id"]] = lease, own, time.monotonic()
        place_folder(paths, new.root, spec["id"])
    return str(spec["id"])


def _running(spec: Dict[str, Any], outputs: Optional[str]) -> Dict[str, Any]:
    pid = os.getpid()
    return {
        "format": FORMAT,
        "state": states.RUNNING,
        "attempt": 1,
        "started_at": spec["created_at"],
        "pid": pid,
        "boot_id": posix.boot_id(),
        "pid_start": posix.process_start(pid),
        "collect_from": os.path.abspath(os.path.expanduser(outputs)) if outputs else None,
    }


def end_interactive(run: RunPaths, state: str, message: Optional[str]) -> None:
    """Write the final state of an interactive run.

    Raises:
        EspalierError: `run_not_active` when it has ended already or is no interactive run.
    """
    status = read_status(run)
    run_id = os.path.basename(run.root)
    if states.is_final(status["state"]) or "collect_from" not in status:
        what = f"has ended already ({status['state']})" if states.is_final(status["state"]) else "is no interactive run"
        raise EspalierError(
            "run_not_active", f"The run {run_id} {what}.", "Only interactive runs are completed by hand."
        )
    if status["collect_from"] and os.path.isdir(status["collect_from"]):
        status["warnings"] = _copy_outputs(status["collect_from"], run)
    error = plain_error("job_failed", message or "Marked as failed.") if state == states.FAILED else None
    with indivisible():
        finish(run, status, state, error, duration_seconds=_duration(run_id, status))
        _give_back(run_id)


def _give_back(run_id: str) -> None:
    queue = queue_paths()
    with allocator(queue):
        remove(queue.lease(run_id))
        held = _held.pop(run_id, None)
        if held is not None:
            os.close(held[0])
            os.close(held[1])


def _duration(run_id: str, status: Dict[str, Any]) -> float:
    held = _held.get(run_id)
    if held is not None:
        return round(time.monotonic() - held[2], 6)
    # completed by another process than began it: only the wall clock is common to both
    return round(max(time.time() - (seconds_of(status["started_at"]) or 0.0), 0.0), 6)


def _copy_outputs(source: str, run: RunPaths) -> List[str]:
    """Copy a folder's files and links to the run's outputs, except workspaces in it (ours may be).

    Returns:
        Warnings, one for each file that could not be kept.
    """
    warnings: List[str] = []
    kept = 0
    for here, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not os.path.exists(WorkspacePaths(os.path.join(here, name)).record)]
        target = os.path.normpath(os.path.join(run.outputs, os.path.relpath(here, source)))
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]
        for name in [*names, *links]:
            path = os.path.join(here, name)
            report("Keeping the outputs", kept)
            kept += 1
            try:
                os.makedirs(target, exist_ok=True)
                if not os.path.islink(path) and not os.path.isfile(path):
                    raise OSError(0, "it is no plain file")
                shutil.copy2(path, os.path.join(target, name), follow_symlinks=False)
            except OSError as error:
                warnings.append(f"{path} could not be kept: {error.strerror}.")
    return warnings
