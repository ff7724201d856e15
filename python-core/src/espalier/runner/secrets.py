"""The secrets of a job: fetched from the keyvault, given to it, and hidden in what it prints.

The values are in this process's memory, and in a sealed file there that the job's processes open; nowhere else.
"""

import contextlib
import json
import os
import signal
import sys
from typing import Any, Dict, List, Optional, Tuple

from espalier.adapters import posix
from espalier.adapters.private import path_of, private_file, remove_private_file, sealed_memory
from espalier.errors import CODES, EspalierError
from espalier.paths import RunPaths
from espalier.runner.hidden_events import hide_in_events
from espalier.runner.output import MaskedLog
from espalier.vault.channel import VARIABLE, load_secrets

_HAND_OUT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "vault", "hand_out.py")
# Variables that the process which opens the keyvault needs.
_NEEDED = ("PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "ESPALIER_STATE_DIR")


class Attached:
    """A job's secrets, as long as it is executed.

    Args:
        run: Its run.
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
        self._log = MaskedLog(run.log, self._values)

    @property
    def variables(self) -> Dict[str, str]:
        """What the job is told, where it sees this host's processes."""
        return {VARIABLE: self._path}

    @property
    def output(self) -> Tuple[Any, ...]:
        """The action by which a process's standard output goes to the run's log, the secrets in it hidden."""
        return self._log.output

    def file(self) -> str:
        """A file with the secrets, for a job in a container, which has to find its path in ESPALIER_SECRETS.

        Raises:
            EspalierError: `not_supported`.
        """
        self._file = True
        try:
            return private_file(os.path.basename(self._run.root), self._data)
        except OSError as error:
            message = f"There is no place in memory for the secrets of this job: {error.strerror}."
            raise EspalierError("not_supported", message, "A job in a container needs /dev/shm for them.") from error

    def started(self) -> None:
        """The job has been started with `output`."""
        self._log.begin()

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


def attach(run: RunPaths, spec: Dict[str, Any], env: Dict[str, Any]) -> Optional[Attached]:
    """Fetch the secrets of a run's job; None when it has none.

    Args:
        spec: The run's definition.
        env: Its `env.json`.

    Raises:
        EspalierError: `secret_missing`, `keyvault_locked`, ...
    """
    return Attached(run, _fetched(run, env)) if spec.get("secrets") else None


def _fetched(run: RunPaths, env: Dict[str, Any]) -> bytes:
    ours, theirs = os.pipe()
    actions: List[Tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, theirs, 1),
        (os.POSIX_SPAWN_OPEN, 2, run.runner_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666),
    ]
    # (the interpreter that the modules it needs were found by; ours may be another)
    argv = [str(env.get("core_python") or sys.executable), "-I", "-S", "-X", "utf8", _HAND_OUT, run.root]
    try:
        pid = posix.spawn_session(argv, {name: os.environ[name] for name in _NEEDED if name in os.environ}, actions)
    except OSError as error:
        os.close(ours)
        raise EspalierError("internal", f"{argv[0]} could not be started: {error.strerror}.") from error
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
        message = "The process that opens the keyvault died."
        return EspalierError("internal", message, f"See {run.runner_log}.")
