"""Where the container engines of this machine listen. A job that reaches one of these sockets owns the machine.

An engine's socket is found by its usual place, by the variables and Docker contexts that name it, and by its name among
the sockets that this machine listens on. Its other names count too: bind mounts and hard links of it. Standard library
only, because the runner asks before it creates a container.
"""

import contextlib
import glob
import json
import os
import re
import stat
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Set, Tuple

from espalier.adapters.engine import address
from espalier.adapters.homes import home_folder

# By these a container would reach the kernel, other processes, the machine's services, or an engine's own files.
SYSTEM_FOLDERS = (
    *("/proc", "/sys", "/dev", "/run", "/var/run"),
    *("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers"),
)
# Variables by which clients find an engine, and Docker's folder of contexts.
NAMED_BY = ("DOCKER_HOST", "CONTAINER_HOST", "CONTAINERD_ADDRESS", "BUILDKIT_HOST")
CONFIG_VARIABLE = "DOCKER_CONFIG"
# What the name of an engine's socket looks like, wherever it lies.
_ENGINE_NAME = re.compile(r"(docker|dockerd|containerd|podman|crio|buildkitd?|cri-dockerd)([-_.].*)?\.sock")
_ON_ANY_MACHINE = (
    "/var/run/*.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
    "/var/lib/lxd/unix.socket",
    "/var/lib/incus/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
)
_IN_RUNTIME = ("docker.sock", "docker/*.sock", "containerd/*.sock", "podman/podman.sock", "buildkit/*.sock")
_IN_HOME = (
    ".docker/run/*.sock",
    ".docker/desktop/*.sock",
    ".docker/*.sock",
    ".colima/*/*.sock",
    ".lima/*/sock/*.sock",
    ".rd/*.sock",
    ".orbstack/run/*.sock",
    ".local/share/containers/podman/machine/*/*.sock",
    ".local/share/containers/podman/machine/*.sock",
)

Identity = Tuple[int, int]


class Found(NamedTuple):
    """The sockets of this machine, by the real paths that lead to them.

    Args:
        engines: Those of container engines, with what each is as a file.
        others: Those of other programs that listen.
    """

    engines: Dict[str, Identity]
    others: List[str]


def find_sockets(variables: Mapping[str, str], folders: List[str]) -> Found:
    """Find the sockets of this machine that programs listen on.

    Args:
        folders: Folders that may be a user's home, to be looked into for an engine's.
    """
    listening = sorted({os.path.realpath(path) for path in _listening() if _identity(path)})
    named = {path for path in listening if _ENGINE_NAME.fullmatch(os.path.basename(path))}
    candidates = {os.path.realpath(path) for path in _candidates(variables, folders)} | named
    engines = {path: identity for path in candidates for identity in [_identity(path)] if identity}
    for path, identity in list(engines.items()):
        engines.update(dict.fromkeys(_mounted_elsewhere(path, identity), identity))
    return Found(engines, [path for path in listening if path not in engines])


def hard_link_below(folder: str, engines: Mapping[str, Identity]) -> Optional[str]:
    """Find a hard link to an engine's socket below a folder. Walks it only if a socket on its disk has several names.

    Returns:
        Its path; None if there is none.
    """
    try:
        device = os.stat(folder).st_dev
    except OSError:
        return None
    linked = {identity for path, identity in engines.items() if identity[0] == device and _links(path) > 1}
    if not linked:
        return None
    for parent, _, names in os.walk(folder):
        for name in names:
            if _identity(os.path.join(parent, name)) in linked:
                return os.path.join(parent, name)
    return None


def _candidates(variables: Mapping[str, str], folders: List[str]) -> Iterator[str]:
    yield from _paths(address(variables))
    for name in NAMED_BY:
        yield from _paths(variables.get(name, ""))
    home = home_folder() or "/"
    for host in _contexts(variables.get(CONFIG_VARIABLE) or os.path.join(home, ".docker")):
        yield from _paths(host)
    for pattern in _ON_ANY_MACHINE:
        yield from glob.iglob(pattern)
    runtime = variables.get("XDG_RUNTIME_DIR", "")
    places = [(runtime, _IN_RUNTIME)] if os.path.isabs(runtime) else []
    for folder, patterns in [*places, (home, _IN_HOME), *((folder, _IN_HOME) for folder in folders)]:
        for pattern in patterns:
            yield from glob.iglob(os.path.join(glob.escape(folder), pattern))


def _paths(host: str) -> Iterator[str]:
    """The path in an engine's address, if it has one. Containerd's may be without a scheme."""
    path = host[len("unix://") :] if host.startswith("unix://") else host
    if os.path.isabs(path):
        yield path


def _contexts(folder: str) -> Iterator[str]:
    """The addresses that Docker's contexts name."""
    for path in glob.iglob(os.path.join(glob.escape(folder), "contexts", "meta", "*", "meta.json")):
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            with open(path, "rb") as file:
                endpoints = json.loads(file.read(1 << 20))["Endpoints"]
            yield from [str(one.get("Host") or "") for one in endpoints.values()]


def _identity(path: str) -> Optional[Identity]:
    """What a socket is as a file; None if there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISSOCK(found.st_mode) else None


def _links(path: str) -> int:
    try:
        return os.stat(path).st_nlink
    except OSError:
        return 0


def _listening() -> Set[str]:
    """The paths of the sockets that programs of this machine listen on, as far as it tells."""
    found = set()
    with contextlib.suppress(OSError), open("/proc/net/unix", "rb") as file:
        for line in file:
            fields = line.rstrip(b"\n").split(None, 7)
            if len(fields) == 8 and fields[7].startswith(b"/") and int(fields[3], 16) & 0x10000:
                found.add(os.fsdecode(fields[7]))
    return found


def _mounted_elsewhere(path: str, identity: Identity) -> Iterator[str]:
    """The other paths of a socket: it, or a folder above it, is mounted at a second place."""
    mounts = list(_mounts())
    inside = [mount for mount in mounts if _rest(path, mount.point) is not None]
    if not inside:
        return
    of = max(inside, key=lambda mount: len(mount.point))
    on_disk = _joined(of.root, _rest(path, of.point) or "")
    for mount in mounts:
        rest = _rest(on_disk, mount.root) if mount.device == of.device else None
        other = _joined(mount.point, rest) if rest is not None else path
        if other != path and _identity(other) == identity:
            yield other


class _Mount(NamedTuple):
    device: bytes
    root: str
    point: str


def _mounts() -> Iterator[_Mount]:
    with contextlib.suppress(OSError), open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            fields = line.split()
            yield _Mount(fields[2], _unescaped(fields[3]), _unescaped(fields[4]))


def _unescaped(field: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), field))


def _rest(path: str, folder: str) -> Optional[str]:
    """A path relative to a folder that is above it, or is it; None if none of that."""
    if path == folder:
        return ""
    above = folder.rstrip("/") + "/"
    return path[len(above) :] if path.startswith(above) else None


def _joined(folder: str, rest: str) -> str:
    return os.path.join(folder, rest) if rest else folder
