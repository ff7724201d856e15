"""Tickets (queued runs) and leases (claimed runs) as files; all of it under the allocator's lock."""

import contextlib
import json
import os
import time
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.clock import elapsed, stamp
from espalier.paths import QueuePaths, is_run_id, is_ticket_of
from espalier.records import dump_record, replace_file, write_file
from espalier.resources import Resources, resources_of

DEFAULT_PRIORITY = 5
# The field of a lease that names what was handed out.
_GPU_IDS = "gpu_ids"


class Ticket(NamedTuple):
    """One queued run: where its ticket lies, where its folder is, what it needs and what it waits for."""

    path: str
    run_id: str
    run_dir: str
    record: Dict[str, Any]

    @property
    def needs(self) -> Resources:
        return resources_of(self.record)

    @property
    def depends_on(self) -> List[str]:
        """The runs that have to complete before this one starts."""
        return [run_id for run_id in _texts(self.record.get("depends_on")) if is_run_id(run_id)]

    @property
    def pause_left(self) -> float:
        """Seconds until it may be tried again."""
        return _seconds(self.record.get("wait_seconds")) - elapsed(self.record.get("queued"))

    @property
    def has_expired(self) -> bool:
        """Whether it has been queued for longer than it wants to be."""
        limit = _seconds(self.record.get("queue_timeout_seconds"))
        return limit > 0 and elapsed(self.record.get("queued")) > limit


class Lease(NamedTuple):
    """One claimed run."""

    path: str
    run_id: str
    run_dir: str
    takes: Resources
    gpu_ids: Tuple[str, ...]
    attempt: int


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _texts(value: object) -> List[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _load(path: str) -> Optional[Dict[str, Any]]:
    """A ticket's or lease's content, or None if the file is gone or was cut by a crash."""
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read())
    except (OSError, ValueError):
        return None
    good = isinstance(record, dict) and isinstance(record.get("run_dir"), str) and is_run_id(str(record.get("run_id")))
    return record if good else None


def add_ticket(
    paths: QueuePaths, run_dir: str, spec: Mapping[str, Any], attempt: int = 1, wait_seconds: float = 0.0
) -> None:
    """Put a run at the end of the queue, also when the clock has been set back since others came.

    Args:
        spec: The run's definition; what is missing in it has its default.
        attempt: Which attempt it is queued for.
        wait_seconds: How long it may not be started.
    """
    run_id = os.path.basename(run_dir)
    record: Dict[str, Any] = {"format": 1, "run_id": run_id, "run_dir": run_dir, "queued": stamp(), "attempt": attempt}
    record.update(resources_of(spec.get("resources") or {}).record())
    for name in ("depends_on", "queue_timeout_seconds"):
        if spec.get(name):
            record[name] = spec[name]
    if wait_seconds > 0:
        record["wait_seconds"] = wait_seconds
    folder = paths.waiting if "wait_seconds" in record or "depends_on" in record else paths.tickets
    priority = spec.get("priority")
    priority = priority if isinstance(priority, int) and 1 <= priority <= 9 else DEFAULT_PRIORITY
    path = paths.ticket(folder, priority, max(time.time_ns(), _last(paths) + 1), run_id)
    replace_file(path, dump_record(record), paths.root)


def _last(paths: QueuePaths) -> int:
    """The highest sequence number in the queue."""
    numbers = (name.split("-")[1] for name in _names(paths) if name.count("-") > 1)
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def _names(paths: QueuePaths) -> List[str]:
    return os.listdir(paths.tickets) + os.listdir(paths.waiting)


def tickets(folder: str) -> Iterator[Ticket]:
    """The tickets of a folder, the first first. Unreadable ones are removed: their run is found again by its folder."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        record = _load(path)
        if record is None:
            remove(path)
        else:
            yield Ticket(path, record["run_id"], record["run_dir"], record)


def may_start(paths: QueuePaths, ticket: Ticket) -> None:
    """Move a ticket from those that may not be started yet to its place among the others."""
    os.replace(ticket.path, os.path.join(paths.tickets, os.path.basename(ticket.path)))


def find_ticket(paths: QueuePaths, run_id: str) -> Optional[str]:
    """Path of a run's ticket, if it has one."""
    for folder in (paths.tickets, paths.waiting):
        for name in os.listdir(folder):
            if is_ticket_of(name, run_id):
                return os.path.join(folder, name)
    return None


def read_ticket(path: str) -> Optional[Ticket]:
    """One ticket, or None if it is gone or cannot be read."""
    record = _load(path)
    return None if record is None else Ticket(path, record["run_id"], record["run_dir"], record)


def is_entry_of(path: str, run_dir: str) -> bool:
    """Whether a ticket or lease names this folder, by whatever path."""
    record = _load(path)
    if record is None or record["run_dir"] == run_dir:
        return True  # (an unreadable one may be this run's)
    try:
        return os.path.samefile(record["run_dir"], run_dir)
    except OSError:
        return False


def claim(paths: QueuePaths, ticket: Ticket, gpu_ids: Tuple[str, ...] = ()) -> Optional[int]:
    """Turn a ticket into a lease by rename; returns the open, locked lease, or None if somebody still holds it.

    Args:
        gpu_ids: Which graphics processors it is given.
    """
    path = paths.lease(ticket.run_id)
    if os.path.exists(path) and not is_dead(path):
        remove(ticket.path)  # a second ticket of a run that is being executed
        return None
    if gpu_ids:  # before the rename, so that nobody sees a lease that does not say what it has
        replace_file(ticket.path, dump_record({**ticket.record, _GPU_IDS: list(gpu_ids)}), paths.root)
    os.replace(ticket.path, path)
    fd = posix.open_lockable(path)
    if posix.try_lock(fd):
        return fd
    os.close(fd)
    return None


def open_lease(paths: QueuePaths, run_id: str, run_dir: str) -> int:
    """A lease that takes nothing, for an interactive run; the caller holds it by keeping the descriptor open."""
    path = paths.lease(run_id)
    record = {"format": 1, "run_id": run_id, "run_dir": run_dir, **Resources(cpus=0).record()}
    write_file(path, dump_record(record), mode=0o600)
    fd = posix.open_lockable(path)
    posix.lock(fd)
    return fd


def leases(paths: QueuePaths) -> List[Lease]:
    """All leases, dead or alive."""
    found = []
    for name in sorted(os.listdir(paths.leases)):
        path = os.path.join(paths.leases, name)
        lease = read_lease(path)
        if lease is not None:
            found.append(lease)
        elif is_dead(path):
            remove(path)
    return found


def read_lease(path: str) -> Optional[Lease]:
    """One lease, or None if it is gone or cannot be read."""
    record = _load(path)
    if record is None:
        return None
    takes = resources_of({"cpus": record.get("slots"), **record})  # (slots: in leases of earlier versions)
    attempt = record.get("attempt")
    attempt = attempt if isinstance(attempt, int) else 1
    return Lease(path, record["run_id"], record["run_dir"], takes, tuple(_texts(record.get(_GPU_IDS))), attempt)


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
