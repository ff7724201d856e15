"""The way of a job's output to the run's log where secrets are hidden in it: a pipe, and a thread that empties it."""

import contextlib
import os
import threading
from typing import List, Optional

from espalier.adapters.private import widen_pipe
from espalier.base.records import write_all
from espalier.vault.credentials import LogMasker

_PIECE = 256 * 1024
# So long after the job's end whatever still has its output open is waited for, seconds. All of its processes have
# been ended by then; one that could not be may go on and print, for nobody.
_LAST_SECONDS = 10.0


class MaskedLog:
    """The log of one job.

    Args:
        log: The log, open; it is closed here.
        secrets: The texts to hide in it.
    """

    def __init__(self, log: int, secrets: List[str]) -> None:
        self._masker = LogMasker(secrets)
        self._log = log
        self._pipe, self._theirs = os.pipe()
        widen_pipe(self._pipe, 4 * _PIECE)
        self._lock = threading.Lock()
        self._ended = False
        self._thread: Optional[threading.Thread] = None

    @property
    def output(self) -> int:
        """The open file by which a process that is being started prints into it."""
        return self._theirs

    def begin(self) -> None:
        """All processes that print into it have been started."""
        os.close(self._theirs)
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until everything that was printed is in the log."""
        if self._thread is not None:
            self._thread.join(_LAST_SECONDS)
        with self._lock:
            if not self._ended:
                self._end()

    def _copy(self) -> None:
        while True:
            data = os.read(self._pipe, _PIECE)
            with self._lock:
                if self._ended:
                    return
                if not data:
                    return self._end()
                self._write(self._masker.feed(data))

    def _end(self) -> None:
        self._ended = True
        self._write(self._masker.close())
        os.close(self._log)

    def _write(self, data: bytes) -> None:
        # what a full disk refuses is lost, as it is to a job that writes its log itself; the job goes on
        with contextlib.suppress(OSError):
            write_all(self._log, data)
