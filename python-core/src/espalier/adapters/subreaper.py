"""Being the parent of every orphan below: a job's processes cannot leave the tree of the process that watches it."""

import sys
from functools import lru_cache

_PR_SET_CHILD_SUBREAPER = 36


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
