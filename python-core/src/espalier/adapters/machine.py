"""What this machine, or the container it is, has. Standard library only."""

import os
from typing import Tuple

from espalier.adapters import posix

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_GPUS = "/proc/driver/nvidia/gpus"


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
