"""Tickets and leases of the queue (protocol.md, "The queue"): a lease is a ticket that was claimed."""

from typing import Any, Dict, Mapping, Optional, Tuple

from espalier.base.model.codec import sparse
from espalier.base.model.record import Record
from espalier.base.paths import FORMAT
from espalier.base.resources import Resources


class TicketRecord(Record):
    """What the queue knows of one run. A field of a wrong type counts as absent."""

    _is_lenient = True
    run_id: str = ""
    run_dir: str = ""
    # A moment, see `adapters/posix.py`.
    queued: Mapping[str, Any] = {}
    attempt: int = 1
    cpus: Optional[int] = None
    gpus: int = 0
    memory: Optional[int] = None
    depends_on: Tuple[str, ...] = ()
    queue_timeout_seconds: float = 0.0
    wait_seconds: float = 0.0
    # Of the run's frozen records, as they were at submit.
    digests: Mapping[str, Any] = {}
    # Of a lease: what was handed out.
    gpu_ids: Tuple[str, ...] = ()
    check: str = ""
    format: int = FORMAT
    more: Mapping[str, Any] = {}

    @property
    def needs(self) -> Resources:
        """What the run takes while it executes. (Leases of earlier versions have `slots`.)"""
        slots = self.more.get("slots")
        cpus = self.cpus if self.cpus is not None else slots if type(slots) is int else 1
        return Resources(_count(cpus, 1), _count(self.gpus, 0), _count(self.memory or 0, 0))


    def record(self) -> Dict[str, Any]:
        """As it is written, but for what makes sure of it."""
        return {**sparse(self, "format", "attempt", "gpus"), "cpus": self.cpus, "memory": self.memory}


def _count(value: int, default: int) -> int:
    return value if value >= 0 else default


class Claim(Record):
    """A run that this process has claimed: its folder, and its open, locked lease."""

    run_dir: str
    lease: int


# What a runner that is started before its run gets in place of that run's folder; what follows is the name of the run's
# executor.
AHEAD = "ahead:"
