"""How a job's container is set up, beside its image. Checked here: nothing a job may ask for reaches outside of it.

What lies at the paths of its mounts is looked at by `executors/docker/mounts.py`, at submit and when the container is
created.
"""

import os
import re
from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional, Sequence, Union

from espalier.base.arguments import classed
from espalier.base.errors import EspalierError
from espalier.base.model.codec import given_fields
from espalier.base.names import is_within
from espalier.base.resources import SMALLEST_SHM, bytes_of

_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_USER = re.compile(r"[0-9]{1,10}(?::[0-9]{1,10})?")
# Where a container has its own.
_SYSTEM = tuple("/" + name for name in ("proc", "sys", "dev", "run", "var/run"))


@classed
@dataclass(frozen=True)
class DockerOptions:
    """How a job's container is set up. `cpus` and `memory` of the job are its limits, `gpus` what it sees.

    Args:
        shm_size: Size of /dev/shm, `2 GB` or bytes. None: what the environment says, else the engine's own.
        network: `bridge`, `none`, `host`, or the name of a network of the engine.
        mounts: Files and folders of this host that the job can read, at the same paths; or path here -> path there.
        init: Run a small init as the first process, which passes signals on and collects what has ended.
        user: `uid` or `uid:gid` the job runs as. None: who submits, so that its files are theirs.
    """

    shm_size: Union[int, str, None] = None
    network: str = "bridge"
    mounts: Union[Sequence[str], Mapping[str, str]] = field(default_factory=dict)
    init: bool = True
    user: Optional[str] = None

    def __post_init__(self) -> None:
        if self.shm_size is not None and bytes_of(self.shm_size, "docker: shm_size") < SMALLEST_SHM:
            raise _bad(f"shm_size must be at least {SMALLEST_SHM} bytes, not {self.shm_size!r}.")
        if not _NETWORK.fullmatch(self.network):
            raise _bad(f"network must be 'bridge', 'none', 'host' or the name of a network, not {self.network!r}.")
        if self.user is not None and not _USER.fullmatch(self.user):
            raise _bad(f"user must be 'uid' or 'uid:gid', as numbers, not {self.user!r}.")
        if self.user is not None and int(self.user.partition(":")[0]) == 0 and not _is_root():
            raise _bad("user 0 is root: without root's rights you couldn't remove the job's files.")
        object.__setattr__(self, "mounts", _checked_mounts(self.mounts))

    @property
    def places(self) -> Dict[str, str]:
        """Path on this host -> path in the container."""
        return dict(self.mounts)  # type: ignore[arg-type]


def checked_docker(value: object) -> Optional[DockerOptions]:
    """The options of a job that runs in a container; None where it runs without.

    Args:
        value: None or False: without. True: as it is by default. Else options, or their fields.

    Raises:
        EspalierError: `bad_argument`.
    """
    if value is None or value is False:
        return None
    if value is True:
        return DockerOptions()
    if isinstance(value, DockerOptions):
        return value
    return DockerOptions(**given_fields(DockerOptions, value, where="docker"))


def _checked_mounts(given: Union[Sequence[str], Mapping[str, str]]) -> Dict[str, str]:
    if not isinstance(given, Mapping):
        given = {path: path for path in given}
    for source, target in given.items():
        for path in (source, target):
            if not os.path.isabs(path) or path != os.path.normpath(path):
                raise _bad(f"mounts: {path!r:.200} isn't an absolute path without `.` and `..`.")
            if any(ord(char) < 32 or ord(char) == 127 for char in path):
                raise _bad(f"mounts: {path!r:.200} holds control characters.")
        if target == "/" or any(is_within(target, folder) for folder in _SYSTEM):
            raise _bad(f"mounts: nothing can be mounted on {target} of a container.")
    if len(set(given.values())) < len(given):
        raise _bad("mounts: two of them have the same place in the container.")
    return dict(given)


def _is_root() -> bool:
    return hasattr(os, "getuid") and os.getuid() == 0


def _bad(message: str) -> EspalierError:
    return EspalierError("bad_argument", "docker: " + message)
