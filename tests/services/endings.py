"""How services end with whoever wanted them."""

import ctypes
import signal
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Called in a child between fork and exec: the kernel ends it when its parent ends, however that happens."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def wait_for_end(pid: int) -> None:
    """Return when that process has ended, or is a zombie."""
    while True:
        try:
            with open(f"/proc/{pid}/stat", "rb") as stream:
                state = stream.read().rpartition(b")")[2].split()[0]
        except OSError:
            return
        if state in (b"Z", b"X"):
            return
        time.sleep(0.3)
