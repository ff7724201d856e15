"""The keeper: `python -I -S keeper/__main__.py LOCK_FD`. Without an argument it makes one step, and is gone.

While anything is queued it calls the scheduling step on a timer. So it does what needs a clock: time-outs in the
queue, further attempts after a pause, dependencies that end on other hosts, runs whose runner and guardian both died.
It holds no state: killed, the next step starts another. It is gone as soon as nothing is queued.
"""

import os
import sys
import time

# appended, not prepended: the folder may be a site-packages, and the standard library comes first
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from espalier.adapters import posix
from espalier.base.errors import EspalierError
from espalier.base.queue_paths import QueuePaths
from espalier.queue.admission import expire
from espalier.queue.home import allocator, queue_paths
from espalier.queue.spawn import anything_queued
from espalier.queue.step import step_locked

# How often it acts, and how often it looks whether it is still needed. Seconds.
_ACT_SECONDS = 1.0
_LOOK_SECONDS = 0.1


def main(lock_fd: int) -> None:
    """Serve this host's queue until nothing is queued in it."""
    posix.close_inherited(lock_fd)
    os.set_inheritable(lock_fd, False)
    os.chdir("/")
    acted = time.monotonic()
    while not _gone(lock_fd):
        time.sleep(_LOOK_SECONDS)
        if time.monotonic() - acted >= _ACT_SECONDS:
            acted = time.monotonic()
            _act()


def _act() -> None:
    try:
        paths = queue_paths()
        with allocator(paths):
            expire(paths)
            step_locked(paths)
    except (OSError, EspalierError) as error:  # a full disk, a folder that was removed: it may be mended
        print(f"{error}", file=sys.stderr)


def _gone(lock_fd: int) -> bool:
    """Give the lock back if nothing is queued. Under the allocator's lock, so that no submit believes in a keeper
    that is about to leave."""
    paths = queue_paths()
    if _queued(paths):
        return False
    with allocator(paths):
        if _queued(paths):
            return False
        os.close(lock_fd)
        return True


def _queued(paths: QueuePaths) -> bool:
    try:
        return anything_queued(paths)
    except OSError:  # the folder was removed: whoever queues next makes it anew, with a keeper of its own
        return False


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(int(sys.argv[1]))
    else:
        _act()
