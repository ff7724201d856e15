"""The Python writer of event logs. Runs inside jobs: standard library only, Python 3.8 or later."""

import errno
import json
import os
import time
from typing import Any, Dict, List, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.inside import create_inside, replace_inside
from espalier.base import states
from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT, RunPaths, payload
from espalier.base.records import PAYLOAD_BYTES
from espalier.base.values import to_json
from espalier.lifecycle.place import job_folder
from espalier.lifecycle.status import check_formats, status_record

# A job's own run ends after the job: only what the job has left behind can come too late. Seconds between two looks.
_PAUSE_SECONDS = 1.0


class Gate:
    """What one process asks before it writes to a run."""

    def __init__(self, run: RunPaths) -> None:
        self._run = run
        job = os.environ.get("ESPALIER_RUN_DIR")
        self._is_own, self._in_job = job == run.root, bool(job)
        self._due = float("-inf")
        self._seen: Optional[Tuple[int, int]] = None

    def check(self) -> None:
        """Costs a look at the clock where it is the job's own run, and a `stat` elsewhere.

        Raises:
            EspalierError: `run_not_active`, `newer_format`.
            OSError: the same, in a job, which nothing that is logged may end.
        """
        if self._is_own:
            now = time.monotonic()
            if now < self._due:
                return
            self._due = now + _PAUSE_SECONDS
        try:
            self._look()
        except EspalierError as error:
            self._due, self._seen = float("-inf"), None
            if self._in_job:
                raise OSError(errno.EROFS, error.message.rstrip(".")) from error
            raise

    def _look(self) -> None:
        try:
            found = os.stat(self._run.status)
        except OSError:
            return
        mark = found.st_mtime_ns, found.st_ino
        if mark == self._seen:
            return
        if self._seen is None:
            check_formats(self._run)
        state = str(status_record(self._run)["state"])
        if states.is_final(state):
            run_id = os.path.basename(self._run.root)
            raise EspalierError(
                "run_not_active",
                f"Can't log to the run {run_id}: it has ended ({state}).",
                "Log while a run is active. Tags can be set at any time.",
                run_id=run_id,
            )
        self._seen = mark


LINE_LIMIT = 32_768
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class EventWriter:
    """Appends events of this process to a run.

    A log may be at any point of an append when a signal handler, a finalizer, another thread or a forked child appends
    too. None of them may wait for it: in a handler that would last for ever. So there are no locks. An append takes an
    idle log out of the list, which is one step of the interpreter's, and opens another where there is none. A log that
    was left in the middle, by an exception of a handler, never comes back.

    Args:
        parts: Whether to write to `parts/`, not to `events/`.
    """

    def __init__(self, run_dir: str, parts: bool = False) -> None:
        self._run = RunPaths(run_dir)
        self._gate = Gate(self._run)
        self._parts = parts
        self._idle: List[_Log] = []

    def metric(self, name: str, kind: str, value: Any, step: Optional[float] = None) -> None:
        """One scalar. `name` must have been checked, `value` be of `kind`, `step` be finite. Raises OSError: it cannot
        be written; nothing of it was."""
        end = "" if step is None else f',"step":{_encode(step)}'
        self._append("metric", f'"name":{_encode(name)},"kind":"{kind}","value":{_encode(to_json(value))}{end}')

    def event(self, kind: str, fields: Dict[str, Any]) -> None:
        """Any other event; a body over the line limit goes to a payload file first. Raises OSError: it cannot be
        written; nothing of it was."""
        body = _encode(fields)[1:-1]
        if len(body) < LINE_LIMIT // 4 or len(body.encode("utf-8", "surrogatepass")) < LINE_LIMIT - 200:
            self._append(kind, body)
        else:
            self._append(kind, "", fields)

    def check(self) -> None:
        """See that the run takes what is logged. Raises EspalierError `run_not_active`, `newer_format`; in its own job
        OSError."""
        self._gate.check()

    def close(self) -> None:
        """Close the logs that no process is writing to. What is logged afterwards begins another."""
        while True:
            try:
                log = self._idle.pop()  # one step: no handler or thread gets the same
            except IndexError:
                return
            log.close()

    def _append(self, kind: str, body: str, fields: Optional[Dict[str, Any]] = None) -> None:
        self._gate.check()
        try:
            log = self._idle.pop()
        except IndexError:
            self._follow()
            log = _Log(self._run, self._parts)
        if log.pid != os.getpid():  # its parent's
            return self._append(kind, body, fields)
        try:
            log.write(kind, body if fields is None else log.put_aside(fields))
        except OSError as error:
            if error.errno is not None:  # (the system's: nothing was written. A handler's has none)
                self._idle.append(log)
            raise
        self._idle.append(log)

    def _follow(self) -> None:
        """To where the job's own run has been moved."""
        if not os.path.isdir(self._run.root):
            folder = job_folder()
            if folder and os.path.basename(folder) == os.path.basename(self._run.root):
                self._run = RunPaths(folder)
                self._gate = Gate(self._run)


def _written_folder(run: RunPaths) -> RunPaths:
    """Where what is logged to a run is written: a job in a container writes what it logs to a child that it records by
    hand to its part of the run's folder."""
    own = os.environ.get("ESPALIER_RUN_DIR")
    place = RunPaths(own).recorded_by_hand(os.path.basename(run.root)) if own else run
    return place if os.path.isdir(place.root) else run


class _Log:
    """One file that one append after the other is written to. Raises OSError if it cannot be made."""

    def __init__(self, run: RunPaths, parts: bool) -> None:
        self.pid = os.getpid()
        run = _written_folder(run)
        self._run, self._label = run, "key" if parts else "name"
        self._name = f"py-{self.pid}-{os.urandom(4).hex()}"
        self._seq = 0
        path = run.part_log(self._name) if parts else run.event_log(self._name)
        self._fd = create_inside(run.root, path)
        try:
            self._write_whole(self._header())
        except BaseException:
            os.close(self._fd)
            os.unlink(path)
            raise

    def _header(self) -> bytes:
        header = {
            "type": "writer",
            "format": FORMAT,
            "writer": self._name,
            "pid": self.pid,
            "host": posix.host_name(),
            "time": round(time.time(), 6),
        }
        return _encode(header).encode() + b"\n"

    def write(self, kind: str, body: str) -> None:
        """Append an event."""
        line = f'{{"type":"{kind}","seq":{self._seq},"time":{time.time():.6f},{body}}}\n'
        self._write_whole(line.encode("utf-8", "backslashreplace"))
        self._seq += 1

    def put_aside(self, fields: Dict[str, Any]) -> str:
        """Write all but the name of the next event to a payload file; returns the body that refers to it."""
        rest = {key: value for key, value in fields.items() if key != self._label}
        relative = payload(self._name, self._seq)
        data = _encode(rest).encode("utf-8", "backslashreplace")
        if len(data) > PAYLOAD_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        replace_inside(self._run.root, os.path.join(self._run.root, relative), data)
        return f'"{self._label}":{_encode(fields[self._label])},"payload":"{relative}"'

    def close(self) -> None:
        """Close the file; in a forked child its parent's stays open in the parent."""
        os.close(self._fd)

    def _write_whole(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        if written < len(data):  # the disk is full: half a line would spoil the next one
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
