"""Digests of what decides what a run executes: its definition and its variables. And what tells a copy of a run, in a
folder that was copied or restored from a backup before it ended, which is never executed from there.

They are taken at submit and kept in the run's ticket and lease, in the queue's own folder, where no job writes; an
attempt starts only if they match. The run's status has them too, for the case that the queue's folder is lost.
Standard library only.

Where a run was submitted is known by its `spec.json`, which is never replaced: a copy of it has another inode and
another time of change, neither of which a process can set. (A folder that is renamed keeps both; a file system that
gives files new inodes at will keeps the times.)
"""

import os
from typing import Any, Dict, Mapping

from espalier.base import states
from espalier.base.hashing import sha256
from espalier.base.model.status import Status
from espalier.base.paths import ENV, SPEC, RunPaths
from espalier.base.records import parse_record, read_plain, read_record

# The records that are frozen at submit.
FROZEN = (SPEC, ENV)


def record_digests(records: Mapping[str, bytes]) -> Dict[str, str]:
    """The digests of a run's frozen records.

    Args:
        records: Name of the file -> what it holds; others are left out.

    Returns:
        Name of the file -> its SHA-256, as hex digits.
    """
    return {name: _digest(records[name]) for name in FROZEN if name in records}


def _digest(data: bytes) -> str:
    return str(sha256(data).hexdigest())


def known_digests(found: Mapping[str, object]) -> Dict[str, str]:
    """Those of the digests that a ticket, a lease or a status holds that are any."""
    return {name: text for name, text in found.items() if name in FROZEN and isinstance(text, str)}


def is_replaced(run: RunPaths, digests: Mapping[str, str]) -> bool:
    """Whether a run's definition is known not to be what it was at submit.

    Args:
        digests: What the queue, or its status, knows.
    """
    if SPEC not in digests:
        return False
    try:
        Frozen(run, {SPEC: digests[SPEC]})
    except Changed:
        return True
    return False


class Changed(Exception):
    """A frozen record isn't what it was at submit. The text is its path."""


class Frozen:
    """A run's frozen records: each is read once, and what is checked is what is parsed.

    Raises:
        Changed: one of them isn't what it was.
    """

    def __init__(self, run: RunPaths, digests: Mapping[str, str]) -> None:
        self._root = run.root
        self._data: Dict[str, bytes] = {}
        for name, digest in digests.items():
            path = os.path.join(run.root, name)
            try:
                self._data[name] = read_plain(path)
            except OSError as error:
                raise Changed(path) from error
            if _digest(self._data[name]) != digest:
                raise Changed(path)

    def record(self, name: str) -> Dict[str, Any]:
        """One of them, parsed; read only now where the queue doesn't know its digest. Raises as `read_record`."""
        path = os.path.join(self._root, name)
        return parse_record(path, self._data[name]) if name in self._data else read_record(path)


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
    """The same of a run that the queue itself has there: where its definition has been replaced by another it isn't
    a copy but a changed run. Its runner refuses it; if it was executed before, it ends as any other whose runner died.

    Args:
        digests: What the queue knows of its frozen records; where it knows nothing, a queued run's status does.

    Raises:
        FileNotFoundError: it has no definition.
    """
    if not digests and status.state == states.QUEUED:
        digests = known_digests(status.digests)
    return is_copy(run, status) and not is_replaced(run, digests)
