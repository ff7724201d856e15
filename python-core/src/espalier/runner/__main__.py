"""The runner: `python -I -S runner/__main__.py RUN_DIR LEASE_FD`.

Executes a prepared run and records its end, then the next in the queue, as long as runs are short: a new interpreter
for each would cost more than they do. Started by file path in isolated mode; nothing it loads needs more than the
standard library. It leads a session of its own and holds the run's lease by the inherited descriptor.
"""

import os
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

# appended, not prepended: the folder may be a site-packages, and the standard library comes first
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from espalier import states
from espalier.adapters import posix
from espalier.adapters.cgroup import leave_job
from espalier.adapters.processes import kill_group
from espalier.adapters.subreaper import become_subreaper
from espalier.errors import EspalierError
from espalier.lifecycle.status import move, read_status
from espalier.paths import RunPaths
from espalier.queue.claim import Claim
from espalier.records import now_iso, read_record
from espalier.runner.guardian import guarded, has_lost
from espalier.runner.patience import Impatience, patience
from espalier.runner.prepare import job_command, job_environment, prepare_folders
from espalier.runner.signals import block_signals
from espalier.runner.start import start_job

if TYPE_CHECKING:
    from espalier.runner.secrets import Attached

# So long one runner takes run after run. A new one has the code that is installed by then.
_SERVES_SECONDS = 60.0


def main(run_dir: str, lease_fd: int) -> None:
    """Execute the run and those that follow, and leave the queue going on, whatever happened."""
    posix.close_inherited(keep=lease_fd)
    leave_job()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # somebody may wake us before, between or after runs
    guardian, born = os.getpid(), time.monotonic()
    claimed: Optional[Claim] = Claim(run_dir, lease_fd)
    while claimed is not None:
        os.set_inheritable(claimed.lease, False)
        in_order = guarded(RunPaths(claimed.run_dir), partial(_serve, claimed, guardian))
        young = time.monotonic() - born < _SERVES_SECONDS
        claimed = _release(claimed, take=in_order and young)
        if claimed is not None:
            _load_ahead()


def _load_ahead() -> None:
    """Load once what the process of each further run would load for itself."""
    import shutil  # noqa: F401

    import espalier.lifecycle.attempts
    import espalier.runner.inputs
    import espalier.runner.watch
    import espalier.runner.workdir  # noqa: F401


def _serve(claimed: Claim, guardian: int) -> None:
    """In a process of its own: one run, from its claim to its end."""
    run = RunPaths(claimed.run_dir)
    try:
        if _is_ours(run):
            posix.speak_to(run.runner_log)
            execute(run, claimed)
    except Exception as error:
        _fail_by(run, error)
    if has_lost(guardian):
        _release(claimed, take=False)


def _release(claimed: Claim, take: bool) -> Optional[Claim]:
    """Give the run's place back and start who is next, in one critical section, so that no wake-up is lost."""
    from espalier.queue.step import release_and_step  # (not on the way to the start of the first job)

    return release_and_step(claimed, take)


def _is_ours(run: RunPaths) -> bool:
    """Whether no other runner has or had this run. The queue hands it out once, but two queues may know it: two
    sessions with different state folders, or a state folder that was deleted. The lock lasts as long as we do."""
    fd = os.open(run.spec, os.O_RDWR | os.O_CLOEXEC)  # (on NFS an exclusive lock needs a writable file)
    try:
        alone = posix.try_lock(fd)
    except OSError:  # a file system without locks
        alone = True
    status = read_status(run)
    return alone and not status.get("started_at") and not states.is_final(status["state"])


def execute(run: RunPaths, claimed: Claim) -> None:
    """Prepare, start, watch, finish."""
    pid = os.getpid()
    status = move(
        run,
        read_status(run),
        states.PREPARING,
        pid=pid,
        boot_id=posix.boot_id(),
        pid_start=posix.process_start(pid),
    )
    spec = read_record(run.spec)
    workspace = os.path.dirname(os.path.dirname(run.shard))
    try:
        with patience(run, spec.get("prepare_timeout_seconds")):
            given = read_record(run.env)
            attached = _attach(run, spec, given)
            start = _prepare(run, workspace, spec, given, _gpu_ids(claimed), attached)
    except Impatience as stop:
        return _fail(run, stop.code, stop.message, state=stop.state)
    except EspalierError as error:
        return _fail(run, "prepare_failed", f"{error.message} {error.hint}".rstrip(), f"espalier_error_{error.code}")
    block_signals()
    become_subreaper()
    _execute_job(run, status, spec, start, attached)


def _attach(run: RunPaths, spec: Dict[str, Any], given: Dict[str, Any]) -> "Optional[Attached]":
    """The secrets of the job, if it is to have any."""
    if not spec.get("secrets"):
        return None
    from espalier.runner.secrets import attach

    return attach(run, spec, given)


def _prepare(
    run: RunPaths,
    workspace: str,
    spec: Dict[str, Any],
    given: Dict[str, Any],
    gpu_ids: List[str],
    attached: "Optional[Attached]",
) -> Callable[[], int]:
    """Make a job ready; returns what starts it."""
    if (spec.get("environment") or {}).get("how") in ("image", "private"):
        from espalier.runner.environment import prepare_with_environment

        return prepare_with_environment(run, workspace, spec, given, gpu_ids, attached)
    prepare_folders(run, workspace, spec, given.get("links", {}))
    variables = job_environment(run, workspace, spec, gpu_ids)
    return partial(start_job, run, job_command(run, spec), variables, attached)


def _gpu_ids(claimed: Claim) -> List[str]:
    """The graphics processors that the lease names."""
    import json

    try:
        with open(claimed.lease, "rb", closefd=False) as file:
            file.seek(0)
            ids = json.loads(file.read()).get("gpu_ids", [])
    except (OSError, ValueError, AttributeError):
        return []
    return [str(gpu) for gpu in ids]


def _execute_job(
    run: RunPaths,
    status: Dict[str, Any],
    spec: Dict[str, Any],
    start: Callable[[], int],
    attached: "Optional[Attached]",
) -> None:
    started = time.monotonic()
    now = now_iso(time.time())
    status = move(run, status, states.RUNNING, prepared_at=now, started_at=now)
    try:
        job = start()
    except OSError as error:
        return _fail(run, "start_failed", f"{spec['command'][0]} could not be started: {error.strerror}.")
    try:
        # imported while the job runs: the modules that watch and finish are not on the way to its start
        from espalier.lifecycle.attempts import end_job
        from espalier.runner.requests import Attendant
        from espalier.runner.watch import watch

        attendant, limit, measure = Attendant(run), spec.get("max_run_duration_seconds"), None
        if spec.get("docker"):
            from espalier.runner.container_meter import container_meter

            measure = container_meter(run)
        outcome = watch(run, job, started, limit, attend=attendant.look, measure=measure)
    except BaseException:  # nobody would watch it any more
        kill_group(job, signal.SIGKILL)
        raise
    if attached is not None:
        attached.finish()
    attendant.close()
    if spec.get("docker"):
        from espalier.runner.container import true_outcome

        outcome = true_outcome(run, outcome)
    if os.path.isdir(run.children):
        from espalier.runner.children import wait_for_children

        status, outcome = wait_for_children(run, status, outcome)
    end_job(run, status, outcome)


def _fail_by(run: RunPaths, error: Exception) -> None:
    """Record what went wrong in the runner itself; never raises, the queue has to go on."""
    import traceback

    traceback.print_exc()
    try:
        if read_status(run).get("started_at"):
            _fail(run, "runner_lost", f"The runner failed while the job ran: {error}")
        else:
            _fail(run, "prepare_failed", f"The run could not be prepared: {error}")
    except Exception:  # the run's folder was deleted, or cannot be written
        traceback.print_exc()


def _fail(run: RunPaths, code: str, message: str, *classes: str, state: str = states.FAILED) -> None:
    from espalier.lifecycle.attempts import end_attempt
    from espalier.lifecycle.finish import plain_error

    status = read_status(run)
    if not states.is_final(status["state"]):
        end_attempt(run, status, state, {**plain_error(code, message), "class": list(classes)})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
