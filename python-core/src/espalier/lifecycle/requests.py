"""`requests/` of a run: what its job asks for and what it is answered, as files.

A job may put anything there, and anything in the folder's place: it is opened by descriptor, no link is followed, and
nothing is read that is long or no plain file.
"""

import contextlib
import errno
import json
import os
import stat
import time
from typing import Any, Dict, Iterator, List

from espalier.adapters import posix
from espalier.adapters.files import first_names
from espalier.base.errors import EspalierError
from espalier.base.paths import FORMAT, RunPaths, temporary
from espalier.base.records import RECORD_BYTES, dump_record
from espalier.base.request_paths import answer, is_request, taken

_LIMIT_BYTES = 4 << 20
# Characters of an error that a job gets. (It may name what the job asked for.)
_MESSAGE = 4000
# So many names there are looked at; who asks for something takes its answers away.
_NAMES = 100_000
# (a process that was just started by who held it before keeps it until it executes its program)
_LOCK_SECONDS = 1.0
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class RequestBox:
    """An open `requests/`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def alone(self) -> bool:
        """Hold the box's lock, for as long as it is open; False when another process keeps it."""
        deadline = time.monotonic() + _LOCK_SECONDS
        while not posix.try_lock(self._fd):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def pending(self) -> List[str]:
        """Names of the requests that have no answer, in the order of their making."""
        names = set(first_names(self._fd, _NAMES))
        open_ones = [name for name in names if is_request(name) and answer(name) not in names]
        return sorted(open_ones, key=lambda name: (name.rpartition("-")[0], int(name.rpartition("-")[2][:-5])))

    def made_at(self, name: str) -> int:
        """When a request was written, seconds since 1970. Raises OSError."""
        return int(os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mtime)

    def read(self, name: str) -> Dict[str, Any]:
        """A request.

        Raises:
            OSError: it is gone.
            EspalierError: `bad_argument` when it isn't a plain file, or no request.
        """
        with os.fdopen(self._open_plain(name), "rb") as file:
            data = file.read(_LIMIT_BYTES + 1)
        try:
            record = json.loads(data) if len(data) <= _LIMIT_BYTES else None
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            limit = f"a JSON object with format {FORMAT}, of at most {_LIMIT_BYTES >> 20} MB"
            raise EspalierError("bad_argument", f"Can't read the request {name}: it isn't {limit}.")
        return record

    def _open_plain(self, name: str) -> int:
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=self._fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
                raise _no_plain_file(name) from error
            raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise _no_plain_file(name)
        return fd

    def take(self, name: str) -> None:
        """Show that another process is at a request."""
        with contextlib.suppress(FileExistsError):
            os.close(self._create(taken(name)))

    def answer(self, name: str, content: Dict[str, Any]) -> None:
        """Write a request's answer, whole, and remove the request, which may hold secrets."""
        data = dump_record({"format": FORMAT, **content})
        if len(data) > RECORD_BYTES:  # (no reader would take it)
            message = f"Can't return {len(data):,} bytes to a job: an answer has at most {RECORD_BYTES:,}."
            error = EspalierError("bad_argument", message, "Ask for less, such as the last lines of a log.")
            data = dump_record({"format": FORMAT, **error_answer(error)})
        aside = temporary("")
        fd = self._create(aside)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        os.rename(aside, answer(name), src_dir_fd=self._fd, dst_dir_fd=self._fd)
        self.forget(name)

    def forget(self, name: str) -> None:
        """Remove a request that has been answered."""
        for old in (name, taken(name)):
            with contextlib.suppress(OSError):
                os.unlink(old, dir_fd=self._fd)

    def _create(self, name: str) -> int:
        return os.open(name, _NEW, 0o600, dir_fd=self._fd)


@contextlib.contextmanager
def open_box(run: RunPaths) -> Iterator[RequestBox]:
    """Open a run's `requests/`. Raises OSError when there is none, or something else in its place."""
    fd = os.open(run.requests, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield RequestBox(fd)
    finally:
        os.close(fd)


def _no_plain_file(name: str) -> EspalierError:
    return EspalierError("bad_argument", f"Can't read the request {name}: it isn't a plain file.")


def error_answer(error: EspalierError) -> Dict[str, Any]:
    """The answer to a request that was refused or failed."""
    message = error.message if len(error.message) <= _MESSAGE else f"{error.message[:_MESSAGE]}..."
    return {"error": {"code": error.code, "message": message, "hint": error.hint}}
