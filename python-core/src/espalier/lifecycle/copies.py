"""Runs in a folder that was copied or restored from a backup before they ended: never executed from there.

Where a run was submitted is known by its `spec.json`, which is never replaced: a copy of it has another inode and
another time of change, both of which nobody can set. (A folder that is renamed keeps both; a file system that gives
files new inodes at will keeps the times.)
"""

import contextlib
import os
from typing import Any, Dict

from espalier import states
from espalier.lifecycle.finish import finish, plain_error
from espalier.paths import RunPaths


def origin_of(spec: str) -> Dict[str, int]:
    """What tells a `spec.json` from its copies, for the run's first status."""
    seen = os.stat(spec)
    return {"inode": seen.st_ino, "changed_ns": seen.st_ctime_ns}


def is_copy(run: RunPaths, status: Dict[str, Any]) -> bool:
    """Whether this folder is a copy of the one that was submitted. Raises FileNotFoundError."""
    first = status.get("origin")
    if not isinstance(first, dict):
        return False
    now = origin_of(run.spec)
    return now["inode"] != first.get("inode") and now["changed_ns"] != first.get("changed_ns")


def retire_copy(run: RunPaths, status: Dict[str, Any]) -> None:
    """End a run in a copy. Nothing is done to processes: they are the original's."""
    for _, path, home in run.kept:
        with contextlib.suppress(OSError):
            if os.readlink(path) != home:  # our own link, to where the original keeps its outputs
                os.unlink(path)
    message = (
        f"This folder was copied, or restored from a backup, while the run was {status['state']}. "
        "It is not executed from here, for the original may have been. Submit it again if it has not."
    )
    finish(run, status, states.FAILED, plain_error("copied", message))
