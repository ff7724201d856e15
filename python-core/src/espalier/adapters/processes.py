"""Processes as the system lists them, signals to those of a run, and the parent of its orphans.

Only where `/proc` is; elsewhere no process is found.
Standard library only: the runner loads this file.
"""

import contextlib
import os
import re
import signal
import sys
import time
from functools import lru_cache
from typing import AbstractSet, Dict, Iterable, List, Optional, Set

# Processes of ours that a job may have started, by looking at runs or submitting some. They aren't part of the job.
_OURS = rb"/espalier/(?:runner|keeper)/__main__\.py\0"

# How long a process may take to stand still.
_STOP_SECONDS = 0.003
_PR_SET_CHILD_SUBREAPER = 36


class Process:
    """One process that has not ended. (No NamedTuple: to make the class of one takes a runner 0.2 ms.)

    Args:
        start: Since boot, in clock ticks.
        ticks: Processor time, also of its children that have ended and were waited for, in clock ticks.
        pages: Resident memory.
    """

    __slots__ = ("group", "pages", "parent", "pid", "session", "start", "ticks")

    def __init__(self, pid: int, parent: int, group: int, session: int, start: int, ticks: int, pages: int) -> None:
        self.pid, self.parent, self.group, self.session = pid, parent, group, session
        self.start, self.ticks, self.pages = start, ticks, pages


def look_at(pid: int) -> Optional[Process]:
    """One process, or None when it has ended."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fields = os.read(fd, 4096).rpartition(b")")[2].split()
    except OSError:
        return None
    finally:
        os.close(fd)
    if not fields or fields[0] in b"ZX":
        return None
    ticks = int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), ticks, int(fields[21]))


def all_processes() -> Dict[int, Process]:
    """Every process of this system that has not ended, by its number."""
    names = os.listdir("/proc") if os.path.isdir("/proc/self") else []
    found = (look_at(int(name)) for name in names if name.isdecimal())
    return {process.pid: process for process in found if process is not None}


def with_descendants(
    roots: Iterable[int], processes: Dict[int, Process], spared: AbstractSet[int] = frozenset()
) -> List[Process]:
    """Some processes and all that descends from them, but for what is spared, what is ours, and what descends of it."""
    children: Dict[int, List[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: List[Process] = []
    seen: Set[int] = set(spared)
    pending = list(roots)
    while pending:
        pid = pending.pop()
        if pid in seen:
            continue
        seen.add(pid)
        here = processes.get(pid)
        if here is not None and not is_ours(here):
            found.append(here)
            pending.extend(children.get(pid, ()))
    return found


def is_ours(process: Process) -> bool:
    """Whether it is a runner, a guardian or a keeper: each of them leads a session."""
    return process.pid == process.session and re.search(_OURS, _read(process.pid, "cmdline")) is not None


def _read(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def is_r(pid: int) -> bool:
    """Whether a process is R, by the program that it executes, however it was started."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).split(" ")[0] == "R"
    except OSError:  # another user's
        return _read(pid, "comm") == b"R\n"


def interrupt(pid: int) -> bool:
    """Send INT to a process, unless it ignores it. It stands still meanwhile, so that what was seen holds.

    Returns:
        False when it ignores it.
    """
    send([pid], signal.SIGSTOP)
    deadline = time.monotonic() + _STOP_SECONDS
    while b"T (stopped)" not in _read(pid, "status") and time.monotonic() < deadline:
        pass
    heard = not ignores_interrupts(pid)
    if heard:
        send([pid], signal.SIGINT)
    send([pid], signal.SIGCONT)
    return heard


def ignores_interrupts(pid: int) -> bool:
    """Whether INT would be lost on a process, as on one that waits in `system()`."""
    found = re.search(rb"^SigIgn:\t([0-9a-f]+)$", _read(pid, "status"), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) & 1 << (signal.SIGINT - 1))


def ancestors(pids: AbstractSet[int], processes: Iterable[Process]) -> Set[int]:
    """Those of some processes that others of them descend from."""
    parents = {each.pid: each.parent for each in processes}
    found: Set[int] = set()
    for pid in pids:
        above = parents.get(pid)
        while above in parents and above not in found:
            found.add(above)
            above = parents[above]
    return found


def bytes_moved(pid: int) -> Optional[List[int]]:
    """Bytes that a process has read from disk and written to it, with its children that were waited for."""
    found = re.findall(rb"^(?:read|write)_bytes: (\d+)$", _read(pid, "io"), re.MULTILINE)
    return [int(number) for number in found] if len(found) == 2 else None


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to processes; those that are gone or another user's are left out."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def kill_group(leader: int, number: int) -> bool:
    """Signal a process group; False when nothing of it is left."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def processes_of_run(run_id: str) -> List[int]:
    """Processes of this user whose environment carries the run's id: what a dead runner may have left behind."""
    mark = b"ESPALIER_RUN_ID=" + run_id.encode("ascii")
    names = os.listdir("/proc") if os.path.isdir("/proc/self") else []
    return [int(name) for name in names if name.isdecimal() and mark in _read(int(name), "environ").split(b"\0")]


def become_subreaper() -> bool:
    """Make this process the one that orphans among its descendants fall to; for its life, its forks are none.

    Returns:
        False where the system cannot do it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return _prctl(_PR_SET_CHILD_SUBREAPER, 1) == 0
    except (ImportError, AttributeError, OSError):  # a Python that was built without libffi
        return False


def _prctl(option: int, value: int) -> int:
    try:
        # ctypes itself takes 2 ms to load, which is on every job's way; what it is made of takes 0.4 ms
        import _ctypes

        return int(_ctypes.call_function(_address(), (option, value, 0, 0, 0)))
    except AttributeError:
        import ctypes

        return int(ctypes.CDLL(None).prctl(option, value, 0, 0, 0))


@lru_cache(maxsize=None)
def _address() -> int:
    import _ctypes

    return int(_ctypes.dlsym(_ctypes.dlopen(None, 2), "prctl"))  # type: ignore[arg-type]


def helper_command(program: str, *arguments: str) -> List[str]:
    """How a helper of the runner is started: as this process was, isolated, its bytecode where ours is."""
    prefix = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else []
    return [sys.executable, "-I", "-S", "-X", "utf8", *prefix, program, *arguments]


def helper_variables() -> Dict[str, str]:
    """What a helper inherits."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def end_child(pid: int, seconds: float = 10.0) -> None:
    """Ask a child, which leads a session, to end, and kill it with its session when it does not."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGTERM)
    wait_for_child(pid, seconds)


def wait_for_child(pid: int, seconds: float) -> None:
    """Wait for the end of a child, which leads a session, and kill it with its session when that does not come."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ChildProcessError):  # another thread has collected it
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                kill_group(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return
            time.sleep(0.005)
