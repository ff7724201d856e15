"""A run's environment, made ready before its job starts by a separate process: `provision/__main__.py RUN_DIR`.

That needs the whole core and may take an hour; the runner hears a cancel and the time limit meanwhile. Loaded only for
runs that have an environment. Standard library only.
"""

import os
from typing import Any, Dict, Mapping, Optional

from espalier.adapters import posix
from espalier.adapters.inside import logs_of, make_inside, replace_inside
from espalier.adapters.processes import end_child, helper_command
from espalier.adapters.tree import Tree
from espalier.base.errors import CODES, EspalierError
from espalier.base.model.job import JobEnv
from espalier.base.paths import RunPaths
from espalier.base.records import dump_record, readable_record
from espalier.lifecycle.log_text import last_lines

# So much of what a process wrote that ended without a message is in the error.
_TAIL_BYTES, _TAIL_LINES = 4_000, 10
_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")


class Preparation:
    """The process that makes an environment ready.

    Args:
        env: What its `env.json` holds.
    """

    def __init__(self, run: RunPaths, env: JobEnv) -> None:
        self._run = run
        make_inside(run.root, run.job)
        variables = {**os.environ, **env.preparing, "ESPALIER_RUN_ID": os.path.basename(run.root)}
        # (the interpreter that the modules it needs were found by; ours may be another)
        command = [env.core_python or helper_command(_PROGRAM)[0], *helper_command(_PROGRAM, run.root)[1:]]
        with logs_of(run, run.build_log, run.runner_log) as (built, said):
            self._pid: Optional[int] = posix.spawn_writing(command, variables, built, said)

    def wait(self) -> Dict[str, Any]:
        """Wait until it is ready.

        Returns:
            What has been made ready (protocol.md, `.job/environment.json`).

        Raises:
            EspalierError: why it could not be made.
        """
        assert self._pid is not None
        status = os.waitpid(self._pid, 0)[1]
        pid, self._pid = self._pid, None
        self._end_rest(pid)
        return _prepared(self._run, status)

    def call_off(self) -> None:
        """End it, and what it has started."""
        if self._pid is not None:
            pid, self._pid = self._pid, None
            end_child(pid)
            self._end_rest(pid)

    def _end_rest(self, pid: int) -> None:
        """Of what a builder started nothing is left."""
        Tree(os.path.basename(self._run.root), pid, None).kill()


def _prepared(run: RunPaths, status: int) -> Dict[str, Any]:
    """What was made ready for a run.

    Args:
        status: Of the process that did it, as `os.wait` gives it.

    Raises:
        EspalierError: why it could not be made.
    """
    record = readable_record(run.prepared)
    if not record:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit status {os.WEXITSTATUS(status)}"
        message = f"Can't prepare the environment: its process ended with {how}, without a message."
        # (a traceback of its last lines, where it died of an exception)
        message = "\n".join([message, *last_lines(run.runner_log, _TAIL_BYTES)[-_TAIL_LINES:]])
        raise EspalierError("internal", message, f"See {run.runner_log}.")
    error = record.get("error")
    if error:
        code = error.get("code") if error.get("code") in CODES else "internal"
        raise EspalierError(str(code), str(error.get("message")), str(error.get("hint", "")))
    return record


def record_prepared(run: RunPaths, record: Mapping[str, Any]) -> None:
    """Record what is ready for a run, for its job's time and for good."""
    data = dump_record(record)
    replace_inside(run.root, run.prepared, data)
    replace_inside(run.root, run.environment_record, data)
