"""Interactive runs: recorded by the session itself, which holds their lease as long as it lives."""

import os
import shutil
from typing import Any, Dict, Optional

from espalier import states
from espalier.adapters import posix
from espalier.errors import EspalierError
from espalier.lifecycle.finish import finish, plain_error
from espalier.lifecycle.status import read_status
from espalier.paths import FORMAT, RunPaths, WorkspacePaths
from espalier.queue.home import allocator, queue_paths
from espalier.queue.tickets import open_lease, remove
from espalier.snapshot.take import take_snapshot
from espalier.submission.folder import build_folder, place_folder
from espalier.submission.submit import base_spec, meta_record

# Run id -> the open lease. The kernel frees it when this process dies, and the run is then seen to be lost.
_held: Dict[str, int] = {}


def start_interactive(
    paths: WorkspacePaths, workspace_id: str, experiment: str, outputs: Optional[str], snapshot_directory: Optional[str]
) -> str:
    """Create a running interactive run and return its id. See `Experiment.start_logging`."""
    posix.refuse_where_no_jobs_run()
    spec = base_spec(workspace_id, experiment, "interactive", "")
    spec["resources"] = {"cpus": 0, "gpus": 0, "memory": None}
    if snapshot_directory is not None:
        snapshot = take_snapshot(paths, snapshot_directory)
        spec["source_directory"] = snapshot.source_directory
        spec["snapshot"] = {"id": snapshot.id, "files": snapshot.files, "bytes": snapshot.bytes}
    records = {"status.json": _running(spec, outputs), "meta.json": meta_record(spec.pop("display_name"), {})}
    folder = build_folder(paths, spec, records)
    for name in ("events", "payloads", "outputs", "logs"):
        os.mkdir(os.path.join(folder, name))
    queue = queue_paths()
    with allocator(queue):
        _held[spec["id"]] = open_lease(queue, spec["id"], paths.run(spec["id"]).root)
        place_folder(paths, folder, spec["id"])
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


def end_interactive(run: RunPaths, state: str, message: Optional[str], duration: float) -> None:
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
        shutil.copytree(status["collect_from"], run.outputs, dirs_exist_ok=True, symlinks=True)
    error = plain_error("job_failed", message or "Marked as failed.") if state == states.FAILED else None
    finish(run, status, state, error, duration_seconds=round(max(duration, 0.0), 6))
    queue = queue_paths()
    with allocator(queue):
        remove(queue.lease(run_id))
        fd = _held.pop(run_id, None)
        if fd is not None:
            os.close(fd)
