"""What a process of a job asks of espalier: a file in the run's folder, which the job's runner has carried out.

A job has neither the queue nor the state of the session that submitted it, so it changes nothing itself. Runs inside
jobs: standard library only, Python 3.8 or later.
"""

import contextlib
import os
import time
from itertools import count
from typing import Any, Dict, Iterator, Optional, Sequence

from espalier.adapters.inside import replace_inside
from espalier.base.errors import CODES, EspalierError
from espalier.base.paths import FORMAT, RunPaths
from espalier.base.records import PRIVATE_MODE, dump_record, read_record
from espalier.base.request_paths import answer, request, taken
from espalier.base.values import native, to_json
from espalier.lifecycle.ask import wake_runner
from espalier.lifecycle.place import job_folder
from espalier.lifecycle.waiting import marked_as_waiting

# How long to wait until a process is seen to handle it, and then for the answer, seconds.
_PATIENCE = 30.0
_LONG_PATIENCE = 3600.0
# Between two looks for the answer, seconds.
_PAUSES = (0.002, 0.05)
_writer = f"py-{os.getpid()}-{os.urandom(4).hex()}"
_numbers = count()


def own_run() -> Optional[RunPaths]:
    """The run of the job that this process belongs to; None outside of jobs."""
    folder = job_folder()
    return RunPaths(folder) if folder else None


def ask(job: RunPaths, op: str, **fields: Any) -> Dict[str, Any]:
    """Ask for something and wait for the answer. Raises EspalierError: `request_unanswered`, or what the answer says
    went wrong."""
    name = _new_name()
    data = dump_record({"format": FORMAT, "op": op, **{key: _encoded(value) for key, value in fields.items()}})
    replace_inside(job.root, os.path.join(job.requests, name), data, mode=PRIVATE_MODE)
    wake_runner(job)
    try:
        record = _answer(job, name)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(job.requests, answer(name)))
    error = record.get("error")
    if error:
        code = error["code"] if error["code"] in CODES else "internal"
        raise EspalierError(code, error["message"], error["hint"])
    return record


def call_in_job(job: RunPaths, run_id: str, member: str, **args: Any) -> Any:
    """Have an operation on a run carried out that the job itself may not: the job's own run, or one below. Raises
    EspalierError: as `ask`."""
    return ask(job, "call", **{"class": "Run", "member": member, "identity": {"id": run_id}, "args": args}).get("value")


def _new_name() -> str:
    global _writer
    if _writer.split("-")[1] != str(os.getpid()):  # a fork
        _writer = f"py-{os.getpid()}-{os.urandom(4).hex()}"
    return request(_writer, next(_numbers))


def _encoded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _encoded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encoded(item) for item in value]
    if value is None:
        return None
    value = native(value)
    if not isinstance(value, (bool, int, float, str)):
        raise EspalierError(
            "bad_argument", f"Can't pass a {type(value).__name__} from a job to espalier: {value!r:.100}."
        )
    return to_json(value)


def _answer(run: RunPaths, name: str) -> Dict[str, Any]:
    path, sign = (os.path.join(run.requests, file) for file in (answer(name), taken(name)))
    begun, pause = time.monotonic(), _PAUSES[0]
    while True:
        with contextlib.suppress(FileNotFoundError):
            return read_record(path)
        waited = time.monotonic() - begun
        if waited > _LONG_PATIENCE or (waited > _PATIENCE and not os.path.exists(sign)):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(run.requests, name))
            raise EspalierError(
                "request_unanswered",
                f"Can't get an answer to this job's request: none came within {waited:.0f} s.",
                "Is the runner of this job stopped, or the disk full? See system_logs/runner.log of the run.",
            )
        time.sleep(pause)
        pause = min(pause * 1.2, _PAUSES[1])


@contextlib.contextmanager
def giving_slot_away(runs: Sequence[RunPaths]) -> Iterator[None]:
    """While this process waits for runs: inside a job they may have the job's slot. Outside nothing."""
    run = own_run()
    if run is None or not os.path.isdir(run.root):
        yield
        return
    with marked_as_waiting(run, runs):
        wake_runner(run)
        yield
