"""Loading before it is needed: what a job's run and its end take, while the runner has nothing else to do; and all that
the end of a long run takes, because espalier may be upgraded in place while its job runs, and what is loaded after that
belongs to another version than the rest.

Standard library only.
"""

import contextlib
import os
import sys
from typing import Iterator

from espalier import lifecycle, queue
from espalier.adapters import posix
from espalier.base.model.codec import decode
from espalier.base.model.job import JobSpec

# Shorter jobs end before everything is loaded, and would wait for it. Seconds.
LONG_SECONDS = 2.0
_STEPS = (
    "runner.watch", "lifecycle.collect", "lifecycle.end", "lifecycle.comparison", "runner.after",
)  # fmt: skip
# What many need to be made ready.
_BEFORE = ("executors.local", "runner.inputs", "runner.workdir")
_ALSO = (
    "base.accel", "adapters.copying", "runner.asked", "runner.children", "runner.inputs",
    "store.input_digests", "store.packs", "store.trees", "base.values",
)  # fmt: skip


def load_next(is_ready: bool = False) -> Iterator[None]:
    """Load one module after the other of those that each run needs, as long as the caller goes on.

    Args:
        is_ready: Whether the run is ready to start.
    """
    for name in _STEPS if is_ready else (*_BEFORE, *_STEPS):
        if f"espalier.{name}" not in sys.modules:  # (the guardian asks after each run)
            with posix.undisturbed():
                __import__(f"espalier.{name}")
            yield
    import resource  # noqa: F401

    from espalier.adapters import oom

    # (what is found out once, and by the processes of further runs otherwise again and again)
    decode(JobSpec, {})
    oom.hierarchies()
    posix.catchable_signals()


def load_all() -> None:
    """Load all that the end of a run may need, which takes a tenth of a second. What can't be loaded is tried again
    where it is needed."""
    names = [f"espalier.{name}" for name in _ALSO]
    for room in (lifecycle, queue):
        names += [f"{room.__name__}.{name[:-3]}" for name in os.listdir(room.__path__[0]) if name.endswith(".py")]
    for name in names:
        with contextlib.suppress(Exception):
            __import__(name)
