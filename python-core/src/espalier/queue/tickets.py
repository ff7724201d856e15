"""Tickets (queued runs) and leases (claimed runs) as files; all of it under the allocator's lock."""

import errno
import json
import os
import time
import zlib
from typing import Any, Iterator, List, Mapping, Optional, Set, Tuple

from espalier.adapters import posix
from espalier.adapters.inside import append_text
from espalier.adapters.posix import elapsed, stamp
from espalier.base.model.codec import decode
from espalier.base.model.job import JobSpec
from espalier.base.model.record import Record
from espalier.base.model.ticket import TicketRecord
from espalier.base.paths import FORMAT, KEEPER_LOG, RunPaths, is_run_id
from espalier.base.queue_paths import (
    SEQUENCE,
    QueuePaths,
    is_lease_or_ticket_of,
    is_ticket_of,
    run_in_queue,
    run_of_lease,
)
from espalier.base.records import dump_record, fast_encoder, read_plain, replace_file, write_file
from espalier.base.resources import Resources

DEFAULT_PRIORITY = 5
# The field that tells whether the others are as they were written.
_CHECK = "check"
_sorted = fast_encoder(json.JSONEncoder(sort_keys=True))


class Ticket(Record):
    """One queued or claimed run: where its ticket or lease lies, and what that says."""

    path: str
    record: TicketRecord

    @property
    def run_id(self) -> str:
        return self.record.run_id

    @property
    def run_dir(self) -> str:
        return self.record.run_dir

    @property
    def needs(self) -> Resources:
        return self.record.needs

    @property
    def depends_on(self) -> List[str]:
        """The runs that have to complete before this one starts."""
        return [run_id for run_id in self.record.depends_on if is_run_id(run_id)]

    @property
    def pause_left(self) -> float:
        """Seconds until it may be tried again."""
        return self.record.wait_seconds - elapsed(self.record.queued)

    @property
    def has_expired(self) -> bool:
        """Whether it has been queued for longer than it wants to be."""
        limit = self.record.queue_timeout_seconds
        return limit > 0 and elapsed(self.record.queued) > limit

    def other(self, run_id: str) -> RunPaths:
        """Another run of the same workspace."""
        return RunPaths(self.run_dir).workspace.run(run_id)


def _load(path: str) -> Optional[TicketRecord]:
    """A ticket's or lease's content, or None if the file is gone or is damaged: cut by a crash, or changed by anybody
    but us."""
    try:
        record = json.loads(read_plain(path))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    found = decode(TicketRecord, record)
    return found if _is_named(found, path) and (_is_newer(found) or _is_whole(record)) else None


def _is_newer(record: TicketRecord) -> bool:
    return record.format > FORMAT


def _is_named(record: TicketRecord, path: str) -> bool:
    """Whether a record is of the run that its file, and the run's folder, are named by."""
    run_id, folder = record.run_id, record.run_dir
    return (
        is_run_id(run_id) and os.path.isabs(folder) and os.path.basename(folder) == run_id
        and is_lease_or_ticket_of(os.path.basename(path), run_id)
    )  # fmt: skip


def _is_whole(record: Mapping[str, Any]) -> bool:
    """Whether a record is as it was written; those of earlier versions do not say."""
    return _CHECK not in record or record[_CHECK] == _checksum(record)


def _checksum(record: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in record.items() if name != _CHECK}
    return f"{zlib.crc32(_sorted(rest).encode('utf-8', 'backslashreplace')):08x}"


def _dump(record: TicketRecord) -> bytes:
    fields = record.record()
    return dump_record({**fields, _CHECK: _checksum(fields)})


def add_ticket(
    paths: QueuePaths,
    run_dir: str,
    spec: JobSpec,
    attempt: int = 1,
    wait_seconds: float = 0.0,
    digests: Optional[Mapping[str, str]] = None,
    sequence: Optional[int] = None,
) -> str:
    """Put a run at the end of the queue, also when the clock has been set back since others came.

    Args:
        attempt: Which attempt it is queued for.
        wait_seconds: How long it may not be started.
        digests: Of its frozen records (`lifecycle/digests.py`); without them changes aren't noticed.
        sequence: Its number in the queue, where `next_sequence` was asked before.

    Returns:
        The path of its ticket.
    """
    run_id = os.path.basename(run_dir)
    record = TicketRecord(
        run_id, run_dir, stamp(), attempt, spec.resources.cpus, spec.resources.gpus, spec.resources.memory or None,
        spec.depends_on, spec.queue_timeout_seconds or 0.0, max(wait_seconds, 0.0), dict(digests or {}),
    )  # fmt: skip
    folder = paths.waiting if record.wait_seconds or record.depends_on else paths.tickets
    priority = spec.priority if 1 <= spec.priority <= 9 else DEFAULT_PRIORITY
    path = paths.ticket(folder, priority, next_sequence(paths) if sequence is None else sequence, run_id)
    replace_file(path, _dump(record), paths.root)
    return path


def next_sequence(paths: QueuePaths) -> int:
    """The number in the queue of the run that comes next."""
    # (of hundreds of names, at each submit: as texts of one length they compare as numbers do)
    last = max((name[SEQUENCE] for name in _names(paths) if name[SEQUENCE].isdecimal()), default="0")
    return max(time.time_ns(), int(last) + 1)


def _names(paths: QueuePaths) -> List[str]:
    return os.listdir(paths.tickets) + os.listdir(paths.waiting)


def tickets(folder: str) -> Iterator[Ticket]:
    """The tickets of a folder, the first first. Damaged ones are removed: their run is found again by its folder. Those
    of a newer espalier are left to that."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        record = _load(path)
        if record is None:
            remove(path)
        elif not _is_newer(record):
            yield Ticket(path, record)


def runs_in_queue(paths: QueuePaths) -> Set[str]:
    """The ids of all runs that are queued or claimed, by the names of the files alone."""
    names = [*_names(paths), *os.listdir(paths.leases)]  # (the leases last: a ticket may become one meanwhile)
    return {run_in_queue(name) for name in names}


def claimed_runs(paths: QueuePaths) -> Set[str]:
    """The ids of all runs that are claimed, by the names of their leases alone."""
    return set(map(run_of_lease, os.listdir(paths.leases)))


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
    """One ticket or lease, or None if it is gone or cannot be read."""
    record = _load(path)
    return None if record is None else Ticket(path, record)


def is_entry_of(path: str, run_dir: str) -> bool:
    """Whether a ticket or lease names this folder, by any path."""
    record = _load(path)
    if record is None or record.run_dir == run_dir:
        return True  # (an unreadable one may be this run's)
    try:
        return os.path.samefile(record.run_dir, run_dir)
    except OSError:
        return False


def claim(paths: QueuePaths, ticket: Ticket, gpu_ids: Tuple[str, ...] = ()) -> Optional[int]:
    """Turn a ticket into a lease by rename; returns the open, locked lease, or None if another process still holds it.

    Args:
        gpu_ids: Which graphics processors it is given.
    """
    path = paths.lease(ticket.run_id)
    if os.path.exists(path) and not is_dead(path):
        remove(ticket.path)  # a second ticket of a run that is being executed
        return None
    if gpu_ids:  # before the rename, so that nobody sees a lease that does not say what it has
        replace_file(ticket.path, _dump(ticket.record._replace(gpu_ids=gpu_ids)), paths.root)
    os.replace(ticket.path, path)
    fd = posix.open_lockable(path)
    if posix.try_lock(fd):
        return fd
    os.close(fd)
    return None


def open_lease(paths: QueuePaths, run_id: str, run_dir: str) -> int:
    """A lease that takes nothing, for an interactive run; the caller holds it by keeping the descriptor open."""
    path = paths.lease(run_id)
    write_file(path, _dump(TicketRecord(run_id, run_dir, cpus=0)), mode=0o600)
    fd = posix.open_lockable(path)
    posix.lock(fd)
    return fd


def leases(paths: QueuePaths) -> List[Ticket]:
    """All leases, dead or alive."""
    found = []
    for name in sorted(os.listdir(paths.leases)):
        path = os.path.join(paths.leases, name)
        lease = read_ticket(path)
        if lease is not None:
            found.append(lease)
        elif is_dead(path):
            remove(path)
    return found


def is_dead(path: str) -> bool:
    """Whether a lease exists that no process holds any more. What isn't a plain file never was held."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return error.errno in (errno.EISDIR, errno.ELOOP, errno.ENXIO)
    try:
        return posix.try_lock(fd)
    finally:
        os.close(fd)


def remove_ticket_of(paths: QueuePaths, run_id: str) -> None:
    """Remove a run's ticket, if it has one."""
    ticket = find_ticket(paths, run_id)
    if ticket is not None:
        remove(ticket)


def remove(path: str) -> None:
    """Remove a ticket or lease; no error if it is gone. A folder in its place is set aside, and the queue goes on."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        if not os.path.isdir(path):
            raise
        _set_aside(path)


def _set_aside(path: str) -> None:
    """Move a folder that lies among the tickets or leases to the queue's own, and report it in the keeper's log."""
    top = os.path.dirname(os.path.dirname(path))
    aside = os.path.join(top, f"damaged-{os.path.basename(path)[:200]}-{os.urandom(4).hex()}")
    os.rename(path, aside)
    append_text(top, os.path.join(top, KEEPER_LOG), f"{path} was a folder, not a file. It's at {aside} now.\n")
