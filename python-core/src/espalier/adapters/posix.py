"""What the runner and the queue need from a POSIX system: who a process is, locks, starting processes,
and time that has passed.

Standard library only: the runner loads this file.
"""

import os
import signal
import sys
import time
from _thread import get_ident
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Set, Tuple

from espalier.base.errors import EspalierError

if sys.platform != "win32":
    import fcntl

# How a file is opened to be locked: no FIFO that a job put in its place is waited for, and no link followed.
_LOCKABLE = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
# Where jobs can run. Elsewhere workspaces can still be read.
RUNS_JOBS = sys.platform.startswith("linux")
_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)  # goes on while the machine is suspended


def refuse_where_no_jobs_run() -> None:
    """Raises EspalierError `not_supported` on systems that run no jobs yet."""
    if not RUNS_JOBS:
        raise EspalierError(
            "not_supported",
            f"Can't start runs on this system ({sys.platform}) yet.",
            "Workspaces can be read here; submit on Linux.",
        )


@lru_cache(maxsize=None)
def boot_id() -> str:
    """Identifies this boot of this machine, which no process outlives; empty where the system does not tell."""
    return read_system("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()


def read_system(path: str) -> bytes:
    """What a file of `/proc` or `/sys` says; empty where it can't be read. (A file object costs more than that.)"""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return b""
    data = b""
    try:
        while True:
            part = os.read(fd, 1 << 16)
            if not part:
                return data
            data += part
    except OSError:  # it belonged to a process that ended just now
        return b""
    finally:
        os.close(fd)


def read_text(path: str) -> str:
    """What that file says, as text."""
    return read_system(path).decode("utf-8", "replace")


def process_start(pid: int) -> Optional[int]:
    """Start time of a living process in clock ticks since boot; None if it is dead or a zombie.

    With the boot id it identifies a process beyond reuse of its number.
    """
    fields = read_system(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return None if not fields or fields[0] in (b"Z", b"X") else int(fields[19])


def host_name() -> str:
    """This host's name. (`socket` says the same, and takes the runner 5 ms to load.)"""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket

    return socket.gethostname()


def user_name() -> str:
    """The user's name; the number where it has none, as in many containers."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())


def try_lock(fd: int, shared: bool = False) -> bool:
    """Take the flock of an open file without waiting, the exclusive one or one that others may share."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(fd: int) -> None:
    """Take the exclusive flock of an open file, waiting for it."""
    fcntl.flock(fd, fcntl.LOCK_EX)


# The locks that threads hold by `holding`: device, inode, process, thread.
_held: Set[Tuple[int, int, int, int]] = set()


@contextmanager
def holding(fd: int) -> Iterator[None]:
    """Hold the exclusive flock of an open file in the block. The caller closes the file.

    Raises:
        EspalierError: `not_supported` when this thread holds it already: a signal handler calls espalier, and has
            interrupted a call of espalier, which would never go on.
    """
    found = os.fstat(fd)
    mark = (found.st_dev, found.st_ino, os.getpid(), get_ident())
    if mark in _held:
        message = "Can't do this in a signal handler that has interrupted another call of espalier."
        raise EspalierError("not_supported", message, "Note the signal in the handler, and call espalier afterwards.")
    _held.add(mark)
    try:
        lock(fd)
        yield
    finally:
        _held.discard(mark)


def unlock(fd: int) -> None:
    """Give the flock of an open file back."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def open_lockable(path: str) -> int:
    """Open a file to lock and to hand on. Never as 0, 1 or 2, which a session may have closed: a process started
    with the descriptor gets new ones, and the lock would be lost."""
    return above_standard(os.open(path, _LOCKABLE))


def sync_file_system(fd: int) -> bool:
    """Make all that was written to an open file's file system durable, in one go: that takes 5,000 small files a
    fiftieth of the time that they take one after another.

    Returns:
        False where the system can't do that.

    Raises:
        OSError: the disk has failed.
    """
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        return False
    if library.syncfs(fd) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def above_standard(fd: int) -> int:
    """An open file under a number above 2; the other is closed."""
    if fd > 2:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)


def is_unlocked(path: str) -> bool:
    """Whether no process holds the lock of a file; False also where that isn't known."""
    return _is_held(path) is False


def is_locked(path: str) -> bool:
    """Whether a process holds the lock of a file; False also where that isn't known."""
    return _is_held(path) is True


def _is_held(path: str) -> Optional[bool]:
    """Whether a process holds the lock of a file; None where that isn't known."""
    try:
        fd = os.open(path, _LOCKABLE)
    except OSError:
        return None
    try:
        return not try_lock(fd)
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(fd)


def spawn_detached(argv: List[str], env: Dict[str, str], log: int, keep_fd: Optional[int]) -> int:
    """Start a process in a new session, stdin empty, stdout and stderr to an open file, which is closed here.

    `posix_spawn` and not `subprocess`: the module costs a finishing runner 10 ms to import, and forking an R
    session with its threads and gigabytes is to be avoided.

    Args:
        keep_fd: A descriptor the process inherits, if it exists; everything else it closes itself.
    """
    if keep_fd is not None:
        os.set_inheritable(keep_fd, True)
    try:
        return spawn_writing(argv, env, log)
    finally:
        os.close(log)
        if keep_fd is not None:
            os.set_inheritable(keep_fd, False)


def spawn_writing(argv: List[str], env: Dict[str, str], output: int, errors: Optional[int] = None) -> int:
    """Start a process in a new session, its input empty.

    Args:
        output: An open file for what it prints.
        errors: Another for what it prints as errors.
    """
    actions: List[Tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, 1 if errors is None else errors, 2),
    ]
    return spawn_session(argv, env, actions)


def spawn_session(argv: List[str], env: Dict[str, str], actions: List[Tuple[Any, ...]]) -> int:
    """`posix_spawn` in a new session with default signals, also if the starting process ignored or blocked some."""
    # all of them: with SIGCHLD ignored, as some daemons leave it, the exit status of the job would be lost
    defaults = catchable_signals()
    return os.posix_spawn(argv[0], argv, env, file_actions=actions, setsid=True, setsigdef=defaults, setsigmask=[])


@lru_cache(maxsize=None)
def catchable_signals() -> FrozenSet[int]:
    """All signals that a process can ignore."""
    return frozenset(map(int, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))


@contextmanager
def ending_tidily() -> Iterator[None]:
    """In the block TERM ends this process as an error would, so that what was begun is cleaned up; where nothing else
    was agreed about that signal."""
    import threading

    is_main = threading.current_thread() is threading.main_thread()
    is_default = is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not is_default:
        yield
        return

    def end(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def path_through(fd: int) -> str:
    """A path to an open folder for functions that take no descriptor: no link that leads there is followed again."""
    return f"/proc/self/fd/{fd}"


def path_of_open(fd: int) -> str:
    """Where a file or folder that this process has open is now; empty where the system does not tell."""
    try:
        return os.readlink(path_through(fd))
    except OSError:
        return ""


def speak_to(log: int) -> None:
    """Let what this process prints go to an open file, which is closed here."""
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)


def close_inherited(*keep: Optional[int]) -> None:
    """Close every descriptor above 2, but for some: an R session's open files must not live on in its jobs."""
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else map(str, range(3, 256)):
        fd = int(name)
        if fd > 2 and fd not in keep:
            try:
                os.close(fd)
            except OSError:
                continue


def stamp() -> Dict[str, Any]:
    """This moment, to be measured from later, by any process and after a reboot."""
    return {"time": time.time(), "boot": boot_id(), "clock": _clock()}


def elapsed(since: object) -> float:
    """Seconds since a stamp; never negative. Across a reboot the wall clock has to do."""
    if not isinstance(since, dict):
        return 0.0
    try:
        same_boot = since["boot"] and since["boot"] == boot_id()
        passed = _clock() - float(since["clock"]) if same_boot else time.time() - float(since["time"])
    except (KeyError, TypeError, ValueError):
        return 0.0
    return max(passed, 0.0)


def _clock() -> float:
    return time.clock_gettime(_CLOCK) if _CLOCK is not None else time.monotonic()
@contextmanager
def undisturbed() -> Iterator[None]:
    """In the block nothing is interrupted (USR1, ALRM), so that what others were asked for isn't forgotten; it is right
    after."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR1, signal.SIGALRM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
