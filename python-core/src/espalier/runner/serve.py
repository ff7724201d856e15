"""The runner: executes a prepared run and records its end, then the next in the queue, as long as runs are short: a new
interpreter for each would cost more than they do.

Started by file path in isolated mode (`__main__.py`); nothing it loads needs more than the standard library. It leads a
session and holds the run's lease by the inherited descriptor.
"""

import contextlib
import gc
import os
import signal
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Callable, Optional

from espalier.adapters import posix
from espalier.adapters.cgroup import leave_job
from espalier.adapters.homes import state_folder
from espalier.adapters.inside import open_log
from espalier.adapters.processes import become_subreaper, kill_group
from espalier.adapters.trust import refuse_foreign_run
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import decode, decoded
from espalier.base.model.job import JobEnv, JobSpec
from espalier.base.model.resolve import shown_command
from espalier.base.model.status import Status, plain_error
from espalier.base.model.ticket import AHEAD, Claim, TicketRecord
from espalier.base.paths import ENV, SPEC, RunPaths, started_notes
from espalier.base.records import now_iso
from espalier.base.scratch_paths import ScratchPaths
from espalier.executors.contract import Executor
from espalier.executors.registry import built_in, executor_of
from espalier.lifecycle.digests import Changed, Frozen, known_digests
from espalier.lifecycle.place import Place
from espalier.lifecycle.scratch import make_scratch, note_beginning, record_of, scratch_of
from espalier.lifecycle.status import move, read_status
from espalier.queue.started import note_start
from espalier.runner.ahead import LONG_SECONDS, load_all, load_next
from espalier.runner.patience import Impatience, block_signals, patience
from espalier.runner.prepare import RunnersJob

if TYPE_CHECKING:
    from espalier.executors.contract import Launch
    from espalier.runner.secrets import Attached

# So long one runner takes run after run. A new one has the code that is installed by then.
_SERVES_SECONDS = 60.0
# So long one that was started ahead waits for its run.
_AHEAD_SECONDS = 600.0


def main(run_dir: str, fd: int) -> None:
    """Execute the run and those that follow, and leave the queue going on, also after errors."""
    posix.close_inherited(fd)
    leave_job()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # a job or a reader may wake us before, between or after runs
    load_in_time()
    guardian, born = os.getpid(), time.monotonic()
    is_ahead = run_dir.startswith(AHEAD)
    claimed = _heard_of(fd, run_dir[len(AHEAD) :]) if is_ahead else Claim(run_dir, fd)
    while claimed is not None:
        os.set_inheritable(claimed.lease, False)
        place = Place(RunPaths(claimed.run_dir))
        in_order = guarded(place, partial(_serve, claimed, guardian, place))
        young = time.monotonic() - born < _SERVES_SECONDS
        claimed = _release(claimed._replace(run_dir=place.now().root), take=in_order and young)
        place.close()
        if claimed is not None:  # (else the process of each further run would load it for itself)
            list(load_next())


def _heard_of(fd: int, executor: str) -> Optional[Claim]:
    """The run that a runner gets which was started ahead; None where there is none.

    Args:
        executor: The name of what executes it.
    """
    import _socket
    import select

    own = built_in(executor)
    if own is not None:
        own.load()
    with contextlib.closing(_socket.socket(fileno=fd)) as connection:
        for _ in load_next():
            if select.select([connection], [], [], 0)[0]:
                break
        connection.settimeout(_AHEAD_SECONDS)
        try:
            data, rights, _, _ = connection.recvmsg(1 << 16, _socket.CMSG_SPACE(4))
        except OSError:  # (another process has the other end open, and no submit waits for us)
            return None
    if not data:
        return None
    run = RunPaths(os.fsdecode(data))
    with contextlib.suppress(OSError):
        posix.speak_to(open_log(run.root, run.runner_log))
    (lease,) = memoryview(rights[0][2]).cast("i")
    return Claim(run.root, lease)


def _serve(claimed: Claim, guardian: int, place: Place) -> None:
    """In a separate process: one run, from its claim to its end."""
    run = RunPaths(claimed.run_dir)
    try:
        status = _status_if_ours(run)
        if status is not None:
            posix.speak_to(open_log(run.root, run.runner_log))
            execute(run, claimed, place, status)
    except Exception as error:
        is_left = getattr(error, "code", None) == "newer_format"  # (to the newer espalier that has made it)
        # (where the workspace was renamed while the run was prepared, the next runner tries again)
        if not is_left and not (place.explains(error) and place.following(_can_be_queued_again)):
            _fail_by(place.now(), error)
    if has_lost(guardian):
        _release(claimed._replace(run_dir=place.now().root), take=False)


def _release(claimed: Claim, take: bool) -> Optional[Claim]:
    """Give the run's place back and start who is next, in one critical section, so that no wake-up is lost."""
    from espalier.queue.step import release_and_step  # (not on the way to the start of the first job)

    return release_and_step(claimed, take)


def _status_if_ours(run: RunPaths) -> Optional[Status]:
    """The run's status; None if another runner has or had this run. The queue hands it out once, but two queues may
    know it: two sessions with different state folders, or a state folder that was deleted. The lock lasts as long as we
    do."""
    fd = posix.open_lockable(run.spec)  # (on NFS an exclusive lock needs a writable file)
    try:
        alone = posix.try_lock(fd)
    except OSError:  # a file system without locks
        alone = True
    status = read_status(run)
    is_ours = alone and not status.started_at and not states.is_final(status.state)
    return status if is_ours else None


def execute(run: RunPaths, claimed: Claim, place: Place, status: Status) -> None:
    """Prepare, start, watch, finish. The lock that says that the run is ours says that its status is as it was read."""
    pid, lease = os.getpid(), _lease_of(claimed)
    try:
        frozen = Frozen(run, known_digests(lease.digests))
        doubt = refuse_foreign_run(run)
    except Changed as changed:
        if place.explains(changed):
            raise
        from espalier.runner.after import fail_changed

        return fail_changed(run, str(changed))
    except EspalierError:
        return  # (opened to others since it was claimed: it is queued again, and the queue tells why it waits there)
    spec, given = decoded(JobSpec, run.spec, frozen.record(SPEC)), decoded(JobEnv, run.env, frozen.record(ENV))
    directory = spec.working_copy.directory if spec.working_copy else ""
    if doubt is not None and doubt not in status.warnings:
        status = status._replace(warnings=(*status.warnings, doubt))
    if status.scratch:
        _clear_away(run, status)
    try:
        scratch = make_scratch(run, given.scratch, directory)
    except EspalierError as error:
        if place.explains(error):
            raise
        return _fail_with(run, "prepare_failed", error)
    status = move(
        run,
        status,
        states.PREPARING,
        pid=pid,
        boot_id=posix.boot_id(),
        pid_start=posix.process_start(pid),
        scratch=record_of(scratch),
    )
    place.tell(scratch)
    try:
        with patience(run, spec.prepare_timeout_seconds):
            if any(item.run for item in spec.inputs):
                from espalier.tracking.run_outputs import with_found_outputs

                spec = with_found_outputs(run.workspace, spec)
            executor, attached = executor_of(spec, run=run), _attach(run, spec, given)
            gpu_ids = list(lease.gpu_ids)
            launch = _prepare(executor, RunnersJob(run, spec, given, scratch, gpu_ids, attached, ExitStack()))
    except Impatience as stop:
        return _fail(run, stop.code, stop.message, state=stop.state)
    except EspalierError as error:
        if place.explains(error):
            raise
        return _fail_with(run, "prepare_failed", error)
    block_signals()
    become_subreaper()
    _execute_job(place, scratch, status, spec, executor, launch, attached)


def _clear_away(run: RunPaths, status: Status) -> None:
    """See `after.clear_away`."""
    scratch = scratch_of(run, status)
    if scratch is not None and not posix.is_locked(scratch.note):
        from espalier.runner.after import clear_away

        clear_away(run, status)


def _attach(run: RunPaths, spec: JobSpec, given: JobEnv) -> "Optional[Attached]":
    """The secrets of the job, if it is to have any."""
    if not spec.secrets:
        return None
    from espalier.runner.secrets import attach

    return attach(run, spec, given)


def _prepare(executor: Executor, job: RunnersJob) -> "Launch":
    """Make a job ready; returns what launches it."""
    with job.undo:
        launch = executor.prepare(job)
        job.undo.pop_all()
    return launch


def _lease_of(claimed: Claim) -> TicketRecord:
    """What the lease says; nothing where it can't be read."""
    import json

    try:
        record = json.loads(os.pread(claimed.lease, os.fstat(claimed.lease).st_size, 0))
    except (OSError, ValueError):
        return TicketRecord()
    return decode(TicketRecord, record) if isinstance(record, dict) else TicketRecord()


def _execute_job(
    place: Place,
    scratch: ScratchPaths,
    status: Status,
    spec: JobSpec,
    executor: Executor,
    launch: "Launch",
    attached: "Optional[Attached]",
) -> None:
    started = time.monotonic()
    now = now_iso(time.time())
    ready = status
    status = place.following(lambda run: move(run, ready, states.RUNNING, prepared_at=now, started_at=now))
    note_start(started_notes(state_folder(), posix.host_name() or "localhost"), spec.id, status.attempt)
    try:
        note_beginning(scratch)
        job = place.following(launch) if executor.capabilities.relaunches else launch(place.now())
    except OSError as error:
        return _fail(place.now(), "start_failed", f"Can't start {shown_command(spec)[0]}: {error.strerror}.")
    except EspalierError as error:
        if os.path.exists(place.now().cancel):
            from espalier.lifecycle.ask import canceled_message

            return _fail(place.now(), "canceled", canceled_message(place.now()), state=states.CANCELED)
        return _fail_with(place.now(), "start_failed", error)
    try:
        from espalier.runner.after import see_to_the_end
    except BaseException:  # no process would watch it
        kill_group(job, signal.SIGKILL)
        raise
    see_to_the_end(place, status, spec, executor, job, started, attached)


def _can_be_queued_again(run: RunPaths) -> bool:
    status = read_status(run)
    return not status.started_at and not states.is_final(status.state)


def _fail_by(run: RunPaths, error: Exception) -> None:
    """Record what went wrong in the runner itself; never raises, the queue has to go on."""
    import traceback

    traceback.print_exc()
    try:
        if read_status(run).started_at:
            _fail(run, "runner_lost", f"The runner failed while the job ran: {error}")
        else:
            _fail(run, "prepare_failed", f"Can't prepare the run: {error}")
    except Exception:  # the run's folder was deleted, or cannot be written
        traceback.print_exc()


def _fail_with(run: RunPaths, code: str, error: EspalierError) -> None:
    from espalier.runner.after import fail_with

    fail_with(run, code, error)


def _fail(run: RunPaths, code: str, message: str, state: str = states.FAILED) -> None:
    from espalier.runner.after import fail

    fail(run, plain_error(code, message), state)


def load_in_time() -> None:
    """Let a guardian load all that the end of a long run takes, once `guarded` has waited for some time."""
    signal.signal(signal.SIGALRM, lambda *_: load_all())


def guarded(place: Place, execute: Callable[[], None]) -> bool:
    """Do something in a separate process, and wait for its end.

    Args:
        place: The folder of the run it is done for.

    Returns:
        False when that process was killed or failed. What it had started has been killed then.
    """
    become_subreaper()  # (before, for what that loads is then there for both)
    gc.freeze()  # (else looking for garbage writes to each object, and the two processes no longer share its memory)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()  # who kills the guardian's process group does not kill this one
            execute()
            code = 0
        finally:
            os._exit(code)
    signal.setitimer(signal.ITIMER_REAL, LONG_SECONDS)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            break
    signal.setitimer(signal.ITIMER_REAL, 0)
    if status == 0:
        return True
    from espalier.lifecycle.strays import end_strays

    end_strays(place.now(), reaper=os.getpid())
    return False


def has_lost(guardian: int) -> bool:
    """Whether the guardian of this process is dead."""
    return os.getppid() != guardian
