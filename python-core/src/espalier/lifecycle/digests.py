"""Digests of what decides what a run executes: its definition and its variables.

They are taken at submit and kept in the run's ticket and lease, in the queue's own folder, where no job writes; an
attempt starts only if they match. The run's status has them too, for the case that the queue's folder is lost.
Standard library only.
"""

import os
from typing import Any, Dict, Mapping

from espalier.base.hashing import sha256
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

    Args:
        run: The run.
        digests: What the queue knows.

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
