"""Tickets (queued runs) and leases (claimed runs) as files; all of it under the allocator's lock."""

import contextlib
import json
import os
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from espalier.adapters import posix
from espalier.paths import QueuePaths, is_run_id, is_ticket_of
from espalier.records import dump_record, replace_file, write_file


class Ticket(NamedTuple):
    """One queued run: where its ticket lies and where its folder is."""

    path: str
    run_id: str
    run_dir: str


class Lease(NamedTuple):
    """One claimed run."""

    path: str
    run_id: str
    run_dir: str
    slots: int


def _load(path: str) -> Optional[Dict[str, Any]]:
    """A ticket's or lease's content, or None if the file is gone or was cut by a crash."""
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read())
    except (OSError, ValueError):
        return None
    good = isinstance(record, dict) and isinstance(record.get("run_dir"), str) and is_run_id(str(record.get("run_id")))
    return record if good else None


def add_ticket(paths: QueuePaths, run_id: str, run_dir: str) -> None:
    """Put a run at the end of the queue, also when the clock has been set back since others came."""
    record = {"format": 1, "run_id": run_id, "run_dir": run_dir}
    replace_file(paths.ticket(max(time.time_ns(), _last(paths) + 1), run_id), dump_record(record), paths.root)


def _last(paths: QueuePaths) -> int:
    """The highest sequence number in the queue."""
    numbers = (name.split("-")[1] for name in os.listdir(paths.tickets) if name.count("-") > 1)
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def tickets(paths: QueuePaths) -> Iterator[Ticket]:
    """The queue, its head first. Unreadable tickets are removed: their run is found again by its folder."""
    for name in sorted(os.listdir(paths.tickets)):
        path = os.path.join(paths.tickets, name)
        record = _load(path)
        if record is None:
            remove(path)
        else:
            yield Ticket(path, record["run_id"], record["run_dir"])


def find_ticket(paths: QueuePaths, run_id: str) -> Optional[str]:
    """Path of a run's ticket, if it has one."""
    for name in os.listdir(paths.tickets):
        if is_ticket_of(name, run_id):
            return os.path.join(paths.tickets, name)
    return None


def is_entry_of(path: str, run_dir: str) -> bool:
    """Whether a ticket or lease names this folder, by whatever path."""
    record = _load(path)
    if record is None or record["run_dir"] == run_dir:
        return True  # (an unreadable one may be this run's)
    try:
        return os.path.samefile(record["run_dir"], run_dir)
    except OSError:
        return False


def claim(paths: QueuePaths, ticket: Ticket) -> Optional[int]:
    """Turn a ticket into a lease by rename; returns the open, locked lease, or None if somebody still holds it."""
    path = paths.lease(ticket.run_id)
    if os.path.exists(path) and not is_dead(path):
        remove(ticket.path)  # a second ticket of a run that is being executed
        return None
    os.replace(ticket.path, path)
    fd = posix.open_lockable(path)
    if posix.try_lock(fd):
        return fd
    os.close(fd)
    return None


def open_lease(paths: QueuePaths, run_id: str, run_dir: str) -> int:
    """A lease that takes no slot, for an interactive run; the caller holds it by keeping the descriptor open."""
    path = paths.lease(run_id)
    write_file(path, dump_record({"format": 1, "run_id": run_id, "run_dir": run_dir, "slots": 0}), mode=0o600)
    fd = posix.open_lockable(path)
    posix.lock(fd)
    return fd


def leases(paths: QueuePaths) -> List[Lease]:
    """All leases, dead or alive."""
    found = []
    for name in sorted(os.listdir(paths.leases)):
        path = os.path.join(paths.leases, name)
        record = _load(path)
        if record is None:
            if is_dead(path):
                remove(path)
        else:
            found.append(Lease(path, record["run_id"], record["run_dir"], int(record.get("slots", 1))))
    return found


def is_dead(path: str) -> bool:
    """Whether a lease exists that nobody holds any more."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return posix.try_lock(fd)
    finally:
        os.close(fd)


def remove(path: str) -> None:
    """Remove a ticket or lease; no error if it is gone."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
