"""The runner: `python -I -S runner/__main__.py RUN_DIR LEASE_FD`.

Executes one prepared run and records its end. Started by file path in isolated mode; nothing it loads
needs more than the standard library. It leads a session of its own and holds the run's lease by the inherited
descriptor.
"""

import os
import signal
import sys
import time
from typing import Any, Dict, List, Tuple

# appended, not prepended: the folder may be a site-packages, and the standard library comes first
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from espalier import states
from espalier.adapters import posix
from espalier.errors import EspalierError
from espalier.lifecycle.status import move, read_status
from espalier.paths import RunPaths
from espalier.records import now_iso, read_record
from espalier.runner import watch
from espalier.runner.guardian import Guardian, start_guardian
from espalier.runner.prepare import job_command, job_environment, prepare_folders


def main(run_dir: str, lease_fd: int) -> None:
    """Execute the run and leave the queue going on, whatever happened."""
    posix.close_inherited(keep=lease_fd)
    os.set_inheritable(lease_fd, False)
    run = RunPaths(run_dir)
    try:
        if _is_ours(run):
            execute(run, lease_fd)
    except Exception as error:
        _fail_by(run, error)
    release(run, lease_fd)


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


def execute(run: RunPaths, lease_fd: int) -> None:
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
        prepare_folders(run, workspace, spec, read_record(run.env).get("links", {}))
        env = job_environment(run, workspace, spec)
    except EspalierError as error:
        return _fail(run, "prepare_failed", f"{error.message} {error.hint}".rstrip(), f"espalier_error_{error.code}")
    watch.block_signals()
    guardian = start_guardian(spec["id"], lambda: _take_over(run, lease_fd))
    try:
        _execute_job(run, status, spec, env, guardian)
    finally:
        guardian.dismiss()


def _execute_job(
    run: RunPaths, status: Dict[str, Any], spec: Dict[str, Any], env: Dict[str, str], guardian: Guardian
) -> None:
    started = time.monotonic()
    now = now_iso(time.time())
    status = move(run, status, states.RUNNING, prepared_at=now, started_at=now)
    try:
        job = _start(run, job_command(run, spec), env)
    except OSError as error:
        return _fail(run, "start_failed", f"{spec['command'][0]} could not be started: {error.strerror}.")
    guardian.guard(job)
    try:
        # imported while the job runs: the modules that finish are not on the way to its start
        from espalier.lifecycle.finish import finish_job
        from espalier.runner.requests import Attendant

        attendant = Attendant(run)
        outcome = watch.watch(run, job, started, spec.get("max_run_duration_seconds"), attendant.look)
    except BaseException:  # nobody would watch it any more
        posix.kill_group(job, signal.SIGKILL)
        raise
    if outcome.stopped_by is not None:
        posix.kill_processes_of_run(spec["id"])  # those that left its process group
    attendant.close()
    if os.path.isdir(run.children):
        from espalier.runner.children import wait_for_children

        guardian.job_ended()
        status, outcome = wait_for_children(run, status, outcome)
    finish_job(run, status, outcome)


def _start(run: RunPaths, command: List[str], env: Dict[str, str]) -> int:
    os.makedirs(os.path.dirname(run.log), exist_ok=True)
    actions: List[Tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, run.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    os.chdir(run.work)  # posix_spawn cannot set it for the child alone
    try:
        return posix.spawn_session(command, env, actions)
    finally:
        os.chdir("/")


def _take_over(run: RunPaths, lease_fd: int) -> None:
    """In the guardian: the runner died, the job is dead."""
    from espalier.lifecycle.finish import clean, finish_lost

    status = read_status(run)
    if states.is_final(status["state"]):
        clean(run)  # it died between the end and this
    else:
        finish_lost(run, status)
    release(run, lease_fd)


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


def _fail(run: RunPaths, code: str, message: str, *classes: str) -> None:
    from espalier.lifecycle.finish import finish, plain_error

    status = read_status(run)
    if not states.is_final(status["state"]):
        finish(run, status, states.FAILED, {**plain_error(code, message), "class": list(classes)})


def release(run: RunPaths, lease_fd: int) -> None:
    """Give the slot back and start who is next, in one critical section, so that no wake-up is lost."""
    from espalier.queue.step import release_and_step

    release_and_step(run.root, lease_fd)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
