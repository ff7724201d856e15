"""What a run is asked from outside: to be canceled, and that its runner looks at what was asked of it. A runner that
isn't reached notices within a second."""

import contextlib
import os
import signal
import time
from typing import Optional

from espalier.adapters import posix
from espalier.adapters.inside import replace_inside
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.model.codec import encode, read_as
from espalier.base.model.status import Cancel, Status
from espalier.base.paths import RunPaths
from espalier.base.records import dump_record, now_iso
from espalier.lifecycle.digests import is_copy
from espalier.lifecycle.status import status_of


def ask_to_cancel(run: RunPaths, parent: Optional[str] = None) -> None:
    """Write the request by which a run is canceled, unless it has been asked already.

    Args:
        parent: The run with which it is canceled.
    """
    if not os.path.exists(run.cancel):
        asked = Cancel(now_iso(time.time()), posix.user_name(), parent)
        replace_inside(run.root, run.cancel, dump_record(encode(asked)))


def canceled_message(run: RunPaths) -> str:
    """Who asked for the cancel, as far as it is known."""
    try:
        asked = read_as(Cancel, run.cancel)
        return f"Canceled with its parent, {asked.parent}." if asked.parent else f"Canceled by {asked.by}."
    except Exception:  # no request file: a signal from outside, the machine shutting down
        return "Canceled: the runner got a signal to stop from outside espalier."


def wake_runner(run: RunPaths, status: Optional[Status] = None) -> bool:
    """Make a run's runner look at what was asked of it (SIGUSR1), if the process with its number still is it.

    A run that a session records has no runner: its process is the session, which the signal would end.

    Args:
        status: The run's, if it was read after the request was written.

    Returns:
        Whether that runner exists.
    """
    status = status or status_of(run)
    if status is None or states.is_final(status.state) or status.pid is None or status.pid_start is None:
        return False
    try:
        if status.is_recorded or is_copy(run, status):  # (the process of a copy is the original's)
            return False
    except (OSError, EspalierError):
        return False
    if status.boot_id != posix.boot_id() or posix.process_start(status.pid) != status.pid_start:
        return False
    with contextlib.suppress(OSError):  # it ended just now, or is another user's
        os.kill(status.pid, signal.SIGUSR1)
    return True
