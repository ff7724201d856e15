"""The scheduling step: reap what died, start what waits.

Short, and anyone may call it: submit, a finishing runner, a reader.
Standard library, L0 and the POSIX adapter only: the runner calls it too.
"""

import os
import sys
from typing import Any, Dict, List, Optional

from espalier import states
from espalier.adapters import posix
from espalier.errors import EspalierError
from espalier.lifecycle.children import is_canceled
from espalier.lifecycle.copies import is_copy, retire_copy
from espalier.lifecycle.failure import log_tail
from espalier.lifecycle.finish import canceled_message, clean, finish, finish_lost, plain_error
from espalier.lifecycle.status import move, read_status
from espalier.lifecycle.waiting import yields_slot
from espalier.paths import QueuePaths, RunPaths
from espalier.queue.cascade import take_out_children
from espalier.queue.home import allocator, max_concurrent_runs, queue_paths, state_folder
from espalier.queue.tickets import Lease, Ticket, add_ticket, claim, find_ticket, is_dead, leases, remove, tickets

_RUNNER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "runner", "__main__.py")


# How often a run is tried whose runner dies before the job starts: one that cannot work must not be tried for ever.
_ATTEMPTS = 3


def step() -> None:
    """Move this host's queue on."""
    if not posix.RUNS_JOBS:
        return
    paths = queue_paths()
    with allocator(paths):
        step_locked(paths)


def release_and_step(run_dir: str, lease_fd: int) -> None:
    """Give up a lease and move the queue on."""
    paths = queue_paths()
    with allocator(paths):
        take_out_children(paths, RunPaths(run_dir))
        remove(paths.lease(os.path.basename(run_dir)))
        os.close(lease_fd)
        step_locked(paths)


def step_locked(paths: QueuePaths) -> None:
    """The step itself, under the allocator's lock."""
    collect_ended_runners()
    used = sum(lease.slots for lease in _reap(paths) if not yields_slot(RunPaths(lease.run_dir)))
    limit = max_concurrent_runs(paths)
    if used >= limit:
        return
    for ticket in tickets(paths):
        if _start(paths, ticket):
            used += 1
        if used >= limit:
            return


def _reap(paths: QueuePaths) -> List[Lease]:
    """Settle leases nobody holds any more; returns the living ones."""
    alive = []
    for lease in leases(paths):
        if is_dead(lease.path):
            if settle(paths, lease.run_id, lease.run_dir):
                take_out_children(paths, RunPaths(lease.run_dir))
                remove(lease.path)
        else:
            alive.append(lease)
    return alive


def settle(paths: QueuePaths, run_id: str, run_dir: str) -> bool:
    """Bring a run whose runner is dead to a legal state: queued again if its job was never started, else Failed.

    Returns:
        True when nothing is left to do for it.
    """
    run = RunPaths(run_dir)
    try:
        status = read_status(run)
        if states.is_final(status["state"]):
            clean(run)
        elif is_copy(run, status):
            retire_copy(run, status)
        elif status.get("started_at"):
            posix.kill_processes_of_run(run_id)
            finish_lost(run, read_status(run))
        else:
            _queue_again(paths, run, run_id, status)
    except FileNotFoundError:
        pass  # deleted
    except OSError:
        return False  # a full or read-only disk: the next step tries again
    except Exception:
        pass  # damaged or newer: nothing of it can be executed, and the others must go on
    return True


def _queue_again(paths: QueuePaths, run: RunPaths, run_id: str, status: Dict[str, Any]) -> None:
    from espalier.lifecycle.collect import remove_working_copy

    remove_working_copy(run)
    attempt = int(status.get("attempt", 1))
    if attempt >= _ATTEMPTS:
        message = f"The runner died {attempt} times before the job was started."
        finish(run, status, states.FAILED, plain_error("prepare_failed", message, log_tail(run.runner_log)))
        return
    move(run, status, states.QUEUED, attempt=attempt + 1)
    if find_ticket(paths, run_id) is None:  # there is one if we were killed here before
        add_ticket(paths, run_id, run.root)


def _start(paths: QueuePaths, ticket: Ticket) -> bool:
    """Start one queued run; False if there was nothing to start."""
    try:
        return _start_one(paths, ticket)
    except Exception:
        return False  # its workspace takes no file just now, or it is damaged: it waits, and the others go on


def _start_one(paths: QueuePaths, ticket: Ticket) -> bool:
    run = RunPaths(ticket.run_dir)
    try:
        status = read_status(run)
    except (FileNotFoundError, EspalierError):
        # submit was killed before the run existed, or the run was deleted or damaged
        remove(ticket.path)
        return False
    if states.is_final(status["state"]) or status.get("started_at"):
        remove(ticket.path)
        return False
    if is_copy(run, status):
        retire_copy(run, status)
        remove(ticket.path)
        return False
    if is_canceled(run):
        finish(run, status, states.CANCELED, plain_error("canceled", canceled_message(run)))
        remove(ticket.path)
        return False
    lease = claim(paths, ticket)
    if lease is None:
        return False
    try:
        _spawn_runner(run, lease)
    except OSError as error:
        message = f"The runner could not be started: {error.strerror}."
        finish(run, status, states.FAILED, plain_error("start_failed", message))
        remove(paths.lease(ticket.run_id))
        return False
    finally:
        os.close(lease)
    return True


def _spawn_runner(run: RunPaths, lease: int) -> None:
    log_folder = os.path.dirname(run.runner_log)
    os.makedirs(log_folder, exist_ok=True)
    argv = [interpreter(), "-I", "-S", "-X", "utf8"]
    prefix = _pycache_prefix()
    if prefix:
        argv += ["-X", f"pycache_prefix={prefix}"]
    argv += [_RUNNER, run.root, str(lease)]
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    env["ESPALIER_STATE_DIR"] = state_folder()  # resolved: the runner works in another folder
    _children.append(posix.spawn_detached(argv, env, run.runner_log, lease))
    collect_ended_runners()


def _pycache_prefix() -> Optional[str]:
    """Where this process's own bytecode of espalier lies, if not beside its source (which may be read-only)."""
    here, cached = os.path.dirname(os.path.abspath(__file__)), globals().get("__cached__")
    folder = os.path.dirname(cached) if cached else ""
    return folder[: -len(here)] if folder.endswith(here) and folder != here else None


# Runners this process started: it is their parent and must collect them, or they stay as zombies while R lives.
_children: List[int] = []


def collect_ended_runners() -> None:
    """Collect runners that this process started and that have ended."""
    for pid in list(_children):
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            ended = True
        if ended:
            _children.remove(pid)


def interpreter() -> str:
    """The Python that runs the runner: this one, even when it is embedded in another program (R)."""
    for path in (getattr(sys, "_base_executable", None), sys.executable):
        if path and os.path.basename(path).startswith("python") and os.access(path, os.X_OK):
            return str(path)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return os.path.join(sys.base_exec_prefix, "bin", version)
