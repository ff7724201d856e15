"""The secrets of a job: fetched from the keyvault, given to it, and hidden in what it prints.

The values are in this process's memory, and in a sealed file there that the job's processes open; nowhere else.
"""

import contextlib
import errno
import json
import os
import signal
import sys
import threading
from functools import partial
from typing import Any, Callable, List, Optional

from espalier.adapters import posix
from espalier.adapters.inside import logs_of, names_in, open_log, replace_inside
from espalier.adapters.private import path_of, private_file, remove_private_file, sealed_memory, widen_pipe
from espalier.base.errors import CODES, EspalierError
from espalier.base.model.job import JobEnv, JobSpec
from espalier.base.os_errors import os_error
from espalier.base.paths import PRELUDE_WRITER, RunPaths
from espalier.base.records import PAYLOAD_BYTES, read_plain, write_all
from espalier.executors.contract import Secrets
from espalier.vault.channel import VARIABLE, load_secrets
from espalier.vault.credentials import LogMasker
from espalier.vault.masking import Masker

# What names something; the rest of an event is what somebody said.
_NAMES = ("type", "writer", "payload")
# No line of the prelude's is longer, bytes.
_LONGEST = 1 << 20
_AGENT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "vault", "agent.py")
# Variables that the process which opens the keyvault needs.
_NEEDED = ("PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "ESPALIER_STATE_DIR")
_PIECE = 256 * 1024
# So long after the job's end whatever still has its output open is waited for, seconds. All of its processes have
# been ended by then; one that could not be may go on and print without a reader.
_LAST_SECONDS = 10.0


class Attached(Secrets):
    """A job's secrets, as long as it is executed.

    Args:
        data: What the job reads (`vault/channel.py`).
    """

    def __init__(self, run: RunPaths, data: bytes) -> None:
        self._run, self._data = run, data
        self._values = list(load_secrets(data).values())
        self._file = False
        try:
            self._path = path_of(sealed_memory(data))  # closed with this process, which ends with the run
        except (OSError, AttributeError):  # an old kernel
            self._path = self.file()
        self.variables = {VARIABLE: self._path}
        self._log = MaskedLog(open_log(run.root, run.log), self._values)
        self.output = self._log.output

    def file(self) -> str:
        """A file with the secrets, for a job in a container, which has to find its path in ESPALIER_SECRETS. Raises
        EspalierError: `not_supported`."""
        self._file = True
        try:
            return private_file(os.path.basename(self._run.root), self._data)
        except OSError as error:
            message = f"Can't keep this job's secrets in memory: {error.strerror}."
            raise EspalierError("not_supported", message, "A job in a container needs /dev/shm for them.") from error

    def started(self) -> None:
        """The job has been started with `output`."""
        self._log.begin()

    def hide(self, text: str) -> str:
        """A text with `***` in place of each of them."""
        return _hidden(Masker(self._values), text)

    def finish(self) -> None:
        """The job has ended: all it printed is in the log after this, and no file with its secrets is left."""
        self._log.finish()
        self.remove_file()
        with contextlib.suppress(OSError):
            hide_in_events(self._run, self._values)

    def remove_file(self) -> None:
        """Remove what `file` made."""
        if self._file:
            remove_private_file(os.path.basename(self._run.root))


def attach(run: RunPaths, spec: JobSpec, env: JobEnv) -> Optional[Attached]:
    """Fetch the secrets of a run's job; None when it has none.

    Args:
        env: Its `env.json`.

    Raises:
        EspalierError: `secret_missing`, `keyvault_locked`, ...
    """
    return Attached(run, _fetched(run, env)) if spec.secrets else None


def _fetched(run: RunPaths, env: JobEnv) -> bytes:
    ours, theirs = os.pipe()
    # (the interpreter that the modules it needs were found by; ours may be another)
    argv = [env.core_python or sys.executable, "-I", "-S", "-X", "utf8", _AGENT, run.root]
    try:
        with logs_of(run, run.runner_log) as (said,):
            variables = {name: os.environ[name] for name in _NEEDED if name in os.environ}
            pid = posix.spawn_writing(argv, variables, theirs, said)
    except OSError as error:
        os.close(ours)
        raise os_error(error) or error from error
    finally:
        os.close(theirs)
    try:
        with open(ours, "rb") as file:
            data = file.read()
        status = os.waitpid(pid, 0)[1]
    except BaseException:  # called off
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise
    if status or data.startswith(b"{") or not data:
        raise _refusal(run, data)
    return data


def _refusal(run: RunPaths, data: bytes) -> EspalierError:
    try:
        told = json.loads(data)["error"]
        code = told["code"] if told["code"] in CODES else "internal"
        return EspalierError(code, str(told["message"]), str(told["hint"]))
    except (ValueError, KeyError, TypeError):
        message = "Can't open the keyvault: its process died."
        return EspalierError("internal", message, f"See {run.runner_log}.")


def hide_in_events(run: RunPaths, secrets: List[str]) -> None:
    """Hide secrets in the event logs, and the payloads, of R's prelude. Raises OSError.

    Args:
        run: A run whose job has ended.
    """
    hidden = partial(_hidden, Masker(secrets))
    for folder in (run.events, run.payloads):
        for name in _listed(folder):
            if name.startswith(PRELUDE_WRITER):
                _hide(run, os.path.join(folder, name), hidden)


def _hidden(masker: Masker, text: str) -> str:
    shown = masker.feed(text.encode("utf-8", "surrogatepass")) + masker.close()
    return shown.decode("utf-8", "replace")


def _listed(folder: str) -> List[str]:
    """The names in a folder; none where there is none, or a job put a link in its place."""
    try:
        return names_in(folder)
    except OSError:
        return []


def _hide(run: RunPaths, path: str, hidden: Callable[[str], str]) -> None:
    try:
        data = read_plain(path, limit=PAYLOAD_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:  # nothing that R's prelude wrote: what may hold a secret isn't kept
            os.unlink(path)
        return
    lines = [_hidden_line(line, hidden) for line in data.split(b"\n")]
    if lines != data.split(b"\n"):
        replace_inside(run.root, path, b"\n".join(lines))


def _hidden_line(line: bytes, hidden: Callable[[str], str]) -> bytes:
    if len(line) > _LONGEST:  # nothing that R's prelude wrote, and as values it might need any amount of memory
        return hidden(line.decode("utf-8", "replace")).encode()
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return line
    shown = _hidden_value(event, hidden)
    return line if shown == event else json.dumps(shown, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _hidden_value(value: Any, hidden: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, list):
        return [_hidden_value(item, hidden) for item in value]
    if isinstance(value, dict):
        return {key: item if key in _NAMES else _hidden_value(item, hidden) for key, item in value.items()}
    return value


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
