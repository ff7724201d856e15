"""Which attempts at runs this queue has started: a note each, outside of the workspace.

A workspace that is put back from a backup, file by file in place, isn't a copy, and has runs as queued that
have been executed since. The notes know better. Standard library, L0 to L2 only: the runner calls it.
"""

import contextlib
import os
import time

from espalier.adapters.files import remove_tree
from espalier.base.records import make_private_folder

# Notes lie in a folder for each month in which runs were submitted, and go when that is so long ago.
_MONTH_SECONDS = 30 * 86_400
_MONTHS = 12


def note_start(notes: str, run_id: str, attempt: int) -> None:
    """Note, once the run's own record of it is durable, that an attempt is about to be started. Never fails.

    Args:
        notes: The folder of the queue's notes.
    """
    path = _note(notes, run_id, attempt)
    with contextlib.suppress(OSError):
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            make_private_folder(folder)
            _forget_old(notes)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def was_started(notes: str, run_id: str, attempt: int) -> bool:
    """Whether that attempt has been started by this queue."""
    return os.path.exists(_note(notes, run_id, attempt))


def _note(notes: str, run_id: str, attempt: int) -> str:
    month = int(run_id.rsplit("_", 2)[1]) // _MONTH_SECONDS  # (an id has the time of the submit in it)
    return os.path.join(notes, str(month), f"{run_id}.{attempt}")


def _forget_old(notes: str) -> None:
    oldest = time.time() // _MONTH_SECONDS - _MONTHS
    for name in os.listdir(notes):
        # (of a clock that was never set, too; the folder just made is kept)
        if name.isdecimal() and 0 < int(name) < oldest:
            remove_tree(os.path.join(notes, name))
