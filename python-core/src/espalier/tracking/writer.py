"""The Python writer of event logs. Runs inside jobs: standard library only, Python 3.8 or later."""

import errno
import json
import os
import threading
import time
from typing import Any, Dict, Optional

from espalier.adapters import posix
from espalier.errors import EspalierError
from espalier.paths import FORMAT, RunPaths, payload
from espalier.records import replace_file
from espalier.values import to_json

LINE_LIMIT = 32_768
_STRING_LIMIT = 16_384
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class EventWriter:
    """Appends events of this process to a run. A forked child continues in a file of its own.

    Args:
        run_dir: The run folder.
        parts: Whether to write to `parts/`, not to `events/`.
    """

    def __init__(self, run_dir: str, parts: bool = False) -> None:
        self._run = RunPaths(run_dir)
        self._parts = parts
        self._lock = threading.Lock()
        self._pid = 0
        self._fd = -1
        self._seq = 0
        self._name = ""

    def metric(self, name: str, kind: str, value: Any, step: Optional[float] = None) -> None:
        """One scalar. `name` must have been checked, `value` be of `kind`.

        Raises:
            EspalierError: `bad_argument` for a string of more than 16,384 bytes as JSON.
        """
        text = _encode(to_json(value))
        if kind == "string" and len(text) > _STRING_LIMIT // 4:
            _check_length(name, text)
        end = "" if step is None else f',"step":{_encode(step)}'
        self._append("metric", f'"name":{_encode(name)},"kind":"{kind}","value":{text}{end}')

    def event(self, kind: str, fields: Dict[str, Any]) -> None:
        """Any other event; a body over the line limit goes to a payload file first."""
        body = _encode(fields)[1:-1]
        if len(body) < LINE_LIMIT // 4 or len(body.encode("utf-8", "surrogatepass")) < LINE_LIMIT - 200:
            self._append(kind, body)
        else:
            self._append_payload(kind, fields)

    def _append(self, kind: str, body: str) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._open()
            self._write(kind, body)

    def _write(self, kind: str, body: str) -> None:
        line = f'{{"type":"{kind}","seq":{self._seq},"time":{time.time():.6f},{body}}}\n'
        data = line.encode("utf-8", "backslashreplace")
        written = os.write(self._fd, data)
        if written < len(data):  # the disk is full: half a line would spoil the next one
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._seq += 1

    def _append_payload(self, kind: str, fields: Dict[str, Any]) -> None:
        label = "key" if self._parts else "name"
        rest = {key: value for key, value in fields.items() if key != label}
        data = _encode(rest).encode("utf-8", "backslashreplace")
        os.makedirs(self._run.payloads, exist_ok=True)
        with self._lock:
            if self._pid != os.getpid():
                self._open()
            # one critical section: the payload's name holds the sequence number of its line
            relative = payload(self._name, self._seq)
            replace_file(os.path.join(self._run.root, relative), data, self._run.payloads)
            self._write(kind, f'"{label}":{_encode(fields[label])},"payload":"{relative}"')

    def _open(self) -> None:
        if self._pid == 0:
            os.register_at_fork(after_in_child=self._after_fork)
        pid = os.getpid()
        self._name = f"py-{pid}-{os.urandom(4).hex()}"
        path = self._run.part_log(self._name) if self._parts else self._run.event_log(self._name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o666)
        header = {
            "type": "writer",
            "format": FORMAT,
            "writer": self._name,
            "pid": pid,
            "host": posix.host_name(),
            "time": round(time.time(), 6),
        }
        os.write(self._fd, _encode(header).encode() + b"\n")
        self._pid, self._seq = pid, 0

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # another thread may have held it


def _check_length(name: str, text: str) -> None:
    size = len(text.encode("utf-8", "backslashreplace"))
    if size > _STRING_LIMIT:
        raise EspalierError(
            "bad_argument",
            f"The value of {name!r} takes {size} bytes as JSON, a metric takes {_STRING_LIMIT}.",
            "Write long text to a file in outputs/.",
        )
