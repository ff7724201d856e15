"""The names of the queue of one host and user, on disk. Pure: no function here touches the disk."""

import os
import re

from espalier.base.paths import CONFIG, KEEPER_LOG, LEASES, QUEUE, TICKETS, started_notes

# Where the name of a ticket has its sequence number.
SEQUENCE = slice(2, 22)
_RECORD = ".json"
_TICKET = r"^[0-9]+-[0-9]{20}-"


class QueuePaths:
    """The names of the queue of one host and user.

    Args:
        state: espalier's folder of state, the same on all hosts.
    """

    def __init__(self, state: str, host: str) -> None:
        self.root = os.path.join(state, QUEUE, host)
        top = os.path.join(self.root, "")  # (each step of the queue makes these again)
        self.lock = top + "lock"
        self.tickets = top + TICKETS
        # Tickets of runs that may not be started yet.
        self.waiting = top + "waiting"
        self.leases = top + LEASES
        self.started = started_notes(state, host)
        self.config = top + CONFIG
        # Held by the keeper as long as it lives, and what it has to say.
        self.keeper = top + "keeper.lock"
        self.keeper_log = top + KEEPER_LOG

    def ticket(self, folder: str, priority: int, sequence: int, run_id: str) -> str:
        """A ticket in `tickets` or `waiting`. Names sort by priority (1 to 9, the highest first), then by sequence
        number (nanoseconds)."""
        return os.path.join(folder, f"{10 - priority}-{sequence:020d}-{run_id}{_RECORD}")

    def lease(self, run_id: str) -> str:
        return os.path.join(self.leases, run_id + _RECORD)


def is_ticket_of(name: str, run_id: str) -> bool:
    """Whether a file of `tickets/` is this run's."""
    return name.endswith(f"-{run_id}{_RECORD}")


def is_lease_or_ticket_of(name: str, run_id: str) -> bool:
    """Whether a file of the queue is this run's."""
    return name == run_id + _RECORD or is_ticket_of(name, run_id)


def run_of_lease(name: str) -> str:
    """The id of the run that a lease is of; what is none gives some other text."""
    return name[: -len(_RECORD)] if name.endswith(_RECORD) else name


def run_in_queue(name: str) -> str:
    """The id of the run that a file of the queue is of. Of other files it is some other text."""
    return re.sub(_TICKET, "", run_of_lease(name))
