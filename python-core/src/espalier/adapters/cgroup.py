"""A control group for a job's processes, where the system lets us make one (version 2, below our own), and a scope.

No process leaves it by what it does, it can be frozen while its processes are listed, and it outlives the process that
made it. Nothing is limited by it.

What stays in the scope of a login session is killed with the session where the machine is set up so (logind's
KillUserProcesses). A scope of the user's systemd manager lives on, if the user lingers.

Standard library only: the runner loads this file.
"""

import os
import re
import time
from typing import Iterable, List, Optional

from espalier.adapters.posix import read_text, spawn_session

_PREFIX = "espalier-"
# How long processes may take to stop in their tracks; those in a disk wait take longer, and are not waited for.
_FREEZE_SECONDS = 0.5
# How long a group may be found in use after its last process has ended.
_REMOVE_SECONDS = 0.5
_SESSION_SCOPE = r"/session-[^/]+\.scope$"
_SYSTEMD_CALL = [
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
    "StartTransientUnit",
    "ssa(sv)a(sa(sv))",
]


class Cgroup:
    """One control group."""

    def __init__(self, path: str) -> None:
        self.path = path

    def members(self) -> List[int]:
        """The processes in it and in groups below it."""
        found: List[int] = []
        for folder, _, _ in os.walk(self.path):
            found += [int(pid) for pid in read_text(os.path.join(folder, "cgroup.procs")).split()]
        return found

    def adopt(self, pids: List[int]) -> bool:
        """Move processes into it that are where we are, and have not been put elsewhere by intent.

        Returns:
            False when one of them could not be moved and still lives.
        """
        own = _group_of("self")
        moved = [pid for pid in pids if _group_of(str(pid)) == own]
        return all([_write(os.path.join(self.path, "cgroup.procs"), pid) for pid in moved])

    def freeze(self) -> bool:
        """Stop all that is in it, unseen by it; False when not everything stands still."""
        if not _write(os.path.join(self.path, "cgroup.freeze"), 1):
            return False
        deadline = time.monotonic() + _FREEZE_SECONDS
        while "frozen 1" not in read_text(os.path.join(self.path, "cgroup.events")):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        return True

    def thaw(self) -> None:
        """Let it go on."""
        _write(os.path.join(self.path, "cgroup.freeze"), 0)

    def kill(self) -> bool:
        """Kill all that is in it at once; False where the kernel cannot (before 5.14)."""
        return _write(os.path.join(self.path, "cgroup.kill"), 1)

    def remove(self) -> None:
        """Remove it, if nothing is left in it."""
        deadline = time.monotonic() + _REMOVE_SECONDS
        for folder, _, _ in os.walk(self.path, topdown=False):
            while not _removed(folder) and time.monotonic() < deadline:
                time.sleep(0.001)  # some kernels count a process for a moment after its end was told

    def cpu_seconds(self) -> float:
        """Processor time of all that was in it, from when it came in."""
        for line in read_text(os.path.join(self.path, "cpu.stat")).splitlines():
            if line.startswith("usage_usec "):
                return int(line.split()[1]) / 1e6
        return 0.0

    def peak_bytes(self) -> int:
        """The most memory it held, where the kernel counts that."""
        return int(read_text(os.path.join(self.path, "memory.peak")) or 0)


def make_cgroup(run_id: str) -> Optional[Cgroup]:
    """A control group for a run, below this process's own; None where none can be made."""
    own = own_folder()
    if own is None:
        return None
    group = Cgroup(os.path.join(own, _PREFIX + run_id))
    try:
        os.mkdir(group.path)
    except FileExistsError:
        pass
    except OSError:
        return None
    return group


def find_cgroup(run_id: str, recorded: Optional[str] = None) -> Optional[Cgroup]:
    """The control group of a run, by what is recorded of it, else below this process's own; None if there is none."""
    own = own_folder()
    places = [recorded, os.path.join(own, _PREFIX + run_id) if own else None]
    for path in places:
        # (what is recorded lies where the job can write: it must not lead anywhere else)
        if path and os.path.basename(path) == _PREFIX + run_id and os.path.isfile(os.path.join(path, "cgroup.procs")):
            return Cgroup(path)
    return None


def leave_job() -> None:
    """Go out of the control group of a job, which this process was started by: it is none of the job's."""
    own = own_folder()
    if own is not None and os.path.basename(own).startswith(_PREFIX):
        _write(os.path.join(os.path.dirname(own), "cgroup.procs"), os.getpid())


def own_folder() -> Optional[str]:
    """The folder of this process's control group; None where there is none of version 2."""
    own = _group_of("self")
    if own is None or ".." in own.split("/"):
        return None
    for line in read_text("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            root, place = before.split()[3:5]
            if own == root or own.startswith(root.rstrip("/") + "/"):
                return os.path.join(place, os.path.relpath(own, root)) if own != root else place
    return None


def _group_of(pid: str) -> Optional[str]:
    """The group of a process, as the process sees it; None where there is none of version 2."""
    lines = read_text(f"/proc/{pid}/cgroup").splitlines()
    return next((line[3:] for line in lines if line.startswith("0::")), None)


def _removed(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _write(path: str, value: int) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, b"%d" % value)
    except ProcessLookupError:  # it ended just now
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def is_scope_wanted(groups: str = "/proc/self/cgroup", runtime: Optional[str] = None) -> bool:
    """Whether this process lies in a login session's scope, and the user has a manager to ask for another.

    Args:
        groups: The file that tells the control groups of this process.
        runtime: The user's runtime folder. Default: that of this user.
    """
    try:
        with open(groups, encoding="utf-8") as file:
            in_session = re.search(_SESSION_SCOPE, file.read(), re.MULTILINE) is not None
    except OSError:
        return False
    return in_session and os.path.exists(os.path.join(runtime or _runtime_folder(), "bus"))


def enter_scope(run_id: str, pids: Iterable[int], path: Optional[str] = None) -> Optional[int]:
    """Ask for a scope with processes in it, which they may divide further. Not waited for.

    Args:
        run_id: The scope is named by it.
        path: Folders to look for `busctl` in. Default: those of this process.

    Returns:
        The process that asks, a child of this one; None where there is no such program.
    """
    folders = (path or os.environ.get("PATH", os.defpath)).split(os.pathsep)
    program = next((p for p in (os.path.join(f, "busctl") for f in folders) if os.access(p, os.X_OK)), None)
    if program is None:
        return None
    argv = [program, "--user", "--quiet", "call", *_SYSTEMD_CALL, *_scope_unit(run_id, sorted(pids))]
    env = {"PATH": os.defpath, "XDG_RUNTIME_DIR": _runtime_folder()}
    actions = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    try:
        return spawn_session(argv, env, list(actions))
    except OSError:
        return None


def _scope_unit(run_id: str, pids: List[int]) -> List[str]:
    """The arguments of the call: name, mode, properties, no further units."""
    numbers = [str(len(pids)), *map(str, pids)]
    properties = ["3", "PIDs", "au", *numbers, "Delegate", "b", "true", "CollectMode", "s", "inactive-or-failed"]
    return [f"espalier-{run_id}.scope", "fail", *properties, "0"]


def _runtime_folder() -> str:
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
