"""Runs in a folder that was copied or restored from a backup before they ended: never executed from there.

Where a run was submitted is known by its `spec.json`, which is never replaced: a copy of it has another inode and
another time of change, both of which nobody can set. (A folder that is renamed keeps both; a file system that gives
files new inodes at will keeps the times.)
"""

import os
from typing import Dict, Mapping

from espalier.base import states
from espalier.base.model.status import Status
from espalier.base.paths import RunPaths
from espalier.lifecycle.digests import is_replaced, known_digests


def origin_of(spec: str) -> Dict[str, int]:
    """What tells a `spec.json` from its copies, for the run's first status."""
    seen = os.stat(spec)
    return {"inode": seen.st_ino, "changed_ns": seen.st_ctime_ns}


def is_copy(run: RunPaths, status: Status) -> bool:
    """Whether this folder is a copy of the one that was submitted. Raises FileNotFoundError."""
    first = status.origin
    if first is None:
        return False
    now = origin_of(run.spec)
    return now["inode"] != first.get("inode") and now["changed_ns"] != first.get("changed_ns")


def is_written_here(run: RunPaths, status: Status) -> bool:
    """Whether this folder is certainly the one that was submitted: only that is executed, or collected for, where the
    queue knows nothing of it. A workspace may come from anybody, as part of a project; its records may name any host
    and user, but not the time at which they will be unpacked. Raises FileNotFoundError."""
    first = status.origin
    return first is not None and origin_of(run.spec)["changed_ns"] == first.get("changed_ns")


def is_copy_in_queue(run: RunPaths, status: Status, digests: Mapping[str, str]) -> bool:
    """The same of a run that the queue itself has there: where its definition has been replaced by another it is no
    copy but a changed run. Its runner refuses it; if it was executed before, it ends as any other whose runner died.

    Args:
        digests: What the queue knows of its frozen records; where it knows nothing, a queued run's status does.

    Raises:
        FileNotFoundError: it has no definition.
    """
    if not digests and status.state == states.QUEUED:
        digests = known_digests(status.digests)
    return is_copy(run, status) and not is_replaced(run, digests)
