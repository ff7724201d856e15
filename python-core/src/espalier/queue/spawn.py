"""Starting runners and the keeper: detached processes of this interpreter that no process waits for."""

import array
import contextlib
import errno
import os
import signal
import sys
from typing import TYPE_CHECKING, Iterator, List, Optional

from espalier.adapters import posix
from espalier.adapters.homes import chosen_scratch, state_folder
from espalier.adapters.inside import open_log
from espalier.base.errors import EspalierError
from espalier.base.model.record import Record
from espalier.base.model.ticket import AHEAD
from espalier.base.paths import RunPaths
from espalier.base.queue_paths import QueuePaths
from espalier.queue.capacity import capacity
from espalier.queue.home import queue_paths

try:  # (see adapters/engine.py)
    import _socket
except ImportError:
    import socket as _socket  # type: ignore[no-redef]
if TYPE_CHECKING:
    from _socket import socket as Socket

_CORE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUNNER = os.path.join(_CORE, "runner", "__main__.py")
RECONCILER = os.path.join(_CORE, "runner", "reconcile.py")
KEEPER = os.path.join(_CORE, "keeper", "__main__.py")

# Where no process can be started for these reasons, that may pass: a limit, a full disk.
_PASSING = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT)


class Ahead(Record):
    """A runner that has no run yet, and the connection on which it hears of one."""

    pid: int
    connection: "Socket"


_ahead: List[Ahead] = []
# Processes this one started: it is their parent and must collect them, or they stay as zombies while R lives.
_children: List[int] = []


def spawn_runner(run: RunPaths, lease: int) -> None:
    """Start a runner for one claimed run, or give it to one that has been started ahead. Raises OSError.

    Args:
        lease: The open, locked lease, which the runner inherits.
    """
    while _ahead:
        with contextlib.closing(_ahead.pop().connection) as runner, contextlib.suppress(OSError):  # (it has died)
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [lease]))]
            runner.sendmsg([os.fsencode(run.root)], rights, _socket.MSG_NOSIGNAL)
            return
    _spawn([RUNNER, run.root, str(lease)], open_log(run.root, run.runner_log), lease)


def is_exhausted(error: OSError) -> bool:
    """Whether a process could not be started for a reason that may pass."""
    return error.errno in _PASSING


def spawn_ahead(executor: str) -> Ahead:
    """Start a runner that loads, and waits for its run: the next that is started. Raises OSError.

    Args:
        executor: The name of what executes that.

    Returns:
        What `dismiss` takes.
    """
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        log = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        runner = Ahead(_spawn([RUNNER, AHEAD + executor, str(theirs.fileno())], log, theirs.fileno()), ours)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    _ahead.append(runner)
    return runner


def dismiss(runner: Ahead) -> None:
    """End a runner that was started ahead, if it has been given no run. By itself it would end after a moment, and stay
    as a zombie; and not at all while a process that was forked meanwhile has the connection open."""
    try:
        _ahead.remove(runner)
    except ValueError:
        return
    runner.connection.close()
    with contextlib.suppress(OSError):  # (who ignores CHLD, or has collected it, isn't its parent any more)
        if os.waitpid(runner.pid, os.WNOHANG)[0] == 0:
            os.kill(runner.pid, signal.SIGKILL)
            os.waitpid(runner.pid, 0)
    with contextlib.suppress(ValueError):
        _children.remove(runner.pid)


def spawn_reconciler(run: RunPaths, lease: Optional[int]) -> None:
    """Start what ends a run whose runner is dead, and of which its executor may hold something. Raises OSError.

    Args:
        lease: The open, locked lease, which it inherits; None where there is none.
    """
    arguments = [RECONCILER, run.root] + ([] if lease is None else [str(lease)])
    _spawn(arguments, open_log(run.root, run.runner_log), lease)


def spawn_keeper(paths: QueuePaths, lock: int) -> None:
    """Start the keeper of a queue. Raises OSError.

    Args:
        lock: The open, locked file by which it is elected, which it inherits.
    """
    _spawn([KEEPER, str(lock)], open_log(paths.root, paths.keeper_log), lock)


def keep_going(paths: QueuePaths) -> None:
    """Start the keeper if something is queued and there is none. Under the allocator's lock."""
    if not anything_queued(paths):
        return
    with contextlib.suppress(OSError):  # the next look tries again
        fd = os.open(paths.keeper, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(fd)
        fd = posix.open_lockable(paths.keeper)
        try:
            if posix.try_lock(fd):
                spawn_keeper(paths, fd)
        finally:
            os.close(fd)


def anything_queued(paths: QueuePaths) -> bool:
    """Whether a run waits for its turn, or for something else."""
    return bool(os.listdir(paths.tickets) or os.listdir(paths.waiting))


def _spawn(arguments: List[str], log: int, keep_fd: Optional[int]) -> int:
    argv = [interpreter(), "-I", "-S", "-X", "utf8"]
    prefix = _pycache_prefix()
    if prefix:
        argv += ["-X", f"pycache_prefix={prefix}"]
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    env["ESPALIER_STATE_DIR"] = state_folder()  # resolved: it works in another folder
    scratch = chosen_scratch()
    if scratch:
        env["ESPALIER_SCRATCH_DIR"] = scratch
    pid = posix.spawn_detached(argv + arguments, env, log, keep_fd)
    _children.append(pid)
    collect_ended()
    return pid


def _pycache_prefix() -> Optional[str]:
    """Where this process's own bytecode of espalier lies, if not beside its source (which may be read-only)."""
    here, cached = os.path.dirname(os.path.abspath(__file__)), globals().get("__cached__")
    folder = os.path.dirname(cached) if cached else ""
    return folder[: -len(here)] if folder.endswith(here) and folder != here else None


def collect_ended() -> None:
    """Collect what this process started and has ended."""
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


@contextlib.contextmanager
def runner_ahead(executor: str) -> Iterator[None]:
    """In the block a runner may be loading, which the first run has that is started there; it ends where there is none.

    Args:
        executor: The name of what executes the run that is to come.
    """
    ahead = None
    with contextlib.suppress(EspalierError, OSError):  # (then the run's own runner is started, as without this)
        if _is_wanted():
            ahead = spawn_ahead(executor)
    try:
        yield
    finally:
        if ahead is not None:
            dismiss(ahead)


def _is_wanted() -> bool:
    """Whether a run that is queued now would probably be started at once, by this process."""
    if not posix.RUNS_JOBS or os.environ.get("ESPALIER_RUN_DIR"):
        return False
    paths = queue_paths()
    return not anything_queued(paths) and len(os.listdir(paths.leases)) < capacity(paths).cpus
