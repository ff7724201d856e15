"""What this machine, or the container it is, has: processors, memory, GPUs and the memory in use on them, its system.

Standard library only: the runner loads this file.
"""

import contextlib
import os
import re
import signal
from typing import AbstractSet, Dict, Optional, Set, Tuple

from espalier.adapters import posix

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_GPUS = "/proc/driver/nvidia/gpus"
_GPU_DEVICE = "/dev/nvidiactl"
_SMI_ARGUMENTS = ["--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
# It takes up to half a second of processor time.
_SMI_PAUSE_SECONDS = 60.0


def processors() -> int:
    """The processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def gpu_ids() -> Tuple[str, ...]:
    """One for each device that NVIDIA's driver lists."""
    try:
        return tuple(str(number) for number in range(len(os.listdir(_GPUS))))
    except OSError:
        return ()


def memory() -> int:
    """Bytes of this machine, or of the container it is."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP_LIMITS:
        try:
            found.append(int(posix.read_system(path)))
        except ValueError:  # no such limit, or "max"
            continue
    return min(found)


def platform_of_machine() -> str:
    """As Docker writes it: `linux/amd64`."""
    import platform

    machine = platform.machine().lower()
    system = platform.system().lower()
    return f"{system}/" + {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def system_name() -> str:
    """What compiled programs depend on: processor, system and its release, `x86_64-linux-debian-12`."""
    import platform

    names = {"ID": "", "VERSION_ID": ""}
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.strip().partition("=")
                if name in names:
                    names[name] = value.strip("\"'")
    except OSError:
        pass
    parts = (platform.machine().lower(), platform.system().lower(), names["ID"], names["VERSION_ID"])
    return "-".join(part for part in parts if part)


class GpuProbe:
    """Asks now and then."""

    def __init__(self) -> None:
        self._program = _program() if os.path.exists(_GPU_DEVICE) else None
        self._child: Optional[int] = None
        self._children: Set[int] = set()
        self._pipe = -1
        self._due = 0.0
        self._known: Optional[Dict[int, int]] = None

    @property
    def is_there(self) -> bool:
        """Whether it can be asked."""
        return self._program is not None

    def owns(self, pid: int) -> bool:
        """Whether a child that has ended was one of ours."""
        if pid not in self._children:
            return False
        self._children.discard(pid)
        self._child = None
        self._known = _parse(_read_all(self._pipe))
        return True

    def running(self) -> Set[int]:
        """Our child, while it runs."""
        return set(self._children)

    def held_by(self, pids: AbstractSet[int], now: float) -> Optional[int]:
        """Bytes that processes held by the last answer, None if there is none; asks again when it is time to."""
        if self._program is not None and self._child is None and now >= self._due:
            self._ask(self._program, now)
        if self._known is None:
            return None
        return sum(size for pid, size in self._known.items() if pid in pids)

    def _ask(self, program: str, now: float) -> None:
        self._due = now + _SMI_PAUSE_SECONDS
        self._pipe, end = os.pipe()
        os.set_blocking(self._pipe, False)
        actions = [(os.POSIX_SPAWN_DUP2, end, 1), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
        try:
            self._child = os.posix_spawn(
                program, [program, *_SMI_ARGUMENTS], dict(os.environ), file_actions=actions, setsigmask=[],
                setsigdef=[signal.SIGTERM],
            )  # fmt: skip
            self._children.add(self._child)
        except OSError:
            self._program = None
            os.close(self._pipe)
        finally:
            os.close(end)


def _program() -> Optional[str]:
    # (`shutil.which` would load half a dozen modules of archives into each runner)
    places = (os.path.join(folder, "nvidia-smi") for folder in os.environ.get("PATH", os.defpath).split(os.pathsep))
    return next((path for path in places if os.access(path, os.X_OK)), None)


def _read_all(pipe: int) -> str:
    try:
        with contextlib.suppress(BlockingIOError):  # more than a pipe holds isn't an answer of it
            return os.read(pipe, 65536).decode("utf-8", "replace")
        return ""
    finally:
        os.close(pipe)


def _parse(text: str) -> Dict[int, int]:
    """Lines `pid, MiB`."""
    found = re.findall(r"^\s*(\d+)\s*,\s*(\d+)\s*$", text, re.MULTILINE)
    held: Dict[int, int] = {}
    for pid, size in found:  # one process may use several
        held[int(pid)] = held.get(int(pid), 0) + int(size) * 1024 * 1024
    return held
