"""GPU memory by process, asked of `nvidia-smi` where there is one; not waited for, it is there for the next sample."""

import contextlib
import os
import re
import signal
from typing import AbstractSet, Dict, Optional, Set

_DEVICE = "/dev/nvidiactl"
_ARGUMENTS = ["--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
# It takes up to half a second of processor time.
_PAUSE_SECONDS = 60.0


class GpuProbe:
    """Asks now and then."""

    def __init__(self) -> None:
        self._program = _program() if os.path.exists(_DEVICE) else None
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
        """Bytes that processes held by the last answer, None if there is none; asks anew when it is time to."""
        if self._program is not None and self._child is None and now >= self._due:
            self._ask(self._program, now)
        if self._known is None:
            return None
        return sum(size for pid, size in self._known.items() if pid in pids)

    def _ask(self, program: str, now: float) -> None:
        self._due = now + _PAUSE_SECONDS
        self._pipe, end = os.pipe()
        os.set_blocking(self._pipe, False)
        actions = [(os.POSIX_SPAWN_DUP2, end, 1), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
        try:
            self._child = os.posix_spawn(
                program, [program, *_ARGUMENTS], dict(os.environ), file_actions=actions, setsigmask=[],
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
        with contextlib.suppress(BlockingIOError):  # more than a pipe holds is no answer of it
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
