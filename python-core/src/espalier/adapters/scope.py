"""A scope of the user's systemd manager. What stays in a login session's own scope is killed with the session where the
machine is set up so (logind's KillUserProcesses); a scope of its own lives on, if the user lingers.

Standard library only: the runner loads this file.
"""

import os
import re
from typing import Iterable, List, Optional

from espalier.adapters.posix import spawn_session

_SESSION = r"/session-[^/]+\.scope$"
_MANAGER = [
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
    "StartTransientUnit",
    "ssa(sv)a(sa(sv))",
]


def is_wanted(groups: str = "/proc/self/cgroup", runtime: Optional[str] = None) -> bool:
    """Whether this process lies in a login session's scope, and the user has a manager to ask for another.

    Args:
        groups: The file that tells the control groups of this process.
        runtime: The user's runtime folder. Default: that of this user.
    """
    try:
        with open(groups, encoding="utf-8") as file:
            in_session = re.search(_SESSION, file.read(), re.MULTILINE) is not None
    except OSError:
        return False
    return in_session and os.path.exists(os.path.join(runtime or _runtime(), "bus"))


def enter(run_id: str, pids: Iterable[int], path: Optional[str] = None) -> Optional[int]:
    """Ask for a scope with processes in it, which they may divide further. Not waited for.

    Args:
        run_id: The scope is named by it.
        pids: The processes.
        path: Folders to look for `busctl` in. Default: those of this process.

    Returns:
        The process that asks, a child of this one; None where there is no such program.
    """
    folders = (path or os.environ.get("PATH", os.defpath)).split(os.pathsep)
    program = next((p for p in (os.path.join(f, "busctl") for f in folders) if os.access(p, os.X_OK)), None)
    if program is None:
        return None
    argv = [program, "--user", "--quiet", "call", *_MANAGER, *_unit(run_id, sorted(pids))]
    env = {"PATH": os.defpath, "XDG_RUNTIME_DIR": _runtime()}
    actions = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    try:
        return spawn_session(argv, env, list(actions))
    except OSError:
        return None


def _unit(run_id: str, pids: List[int]) -> List[str]:
    """The arguments of the call: name, mode, properties, no further units."""
    numbers = [str(len(pids)), *map(str, pids)]
    properties = ["3", "PIDs", "au", *numbers, "Delegate", "b", "true", "CollectMode", "s", "inactive-or-failed"]
    return [f"espalier-{run_id}.scope", "fail", *properties, "0"]


def _runtime() -> str:
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
