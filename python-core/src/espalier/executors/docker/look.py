"""Finding a container whose supervisor is dead, and seeing to its end: `python -I -S look.py RUN_DIR`.

If it had ended normally, its exit status and the rest of what it printed are recorded; if it still runs it is killed;
either way it is removed. Standard library only.
"""

import contextlib
import os
import sys
import time
from typing import Any, Dict, List

if __name__ == "__main__":  # (see runner/__main__.py)
    sys.path.append(os.path.abspath(__file__).rsplit(os.sep, 4)[0])

from espalier.adapters import posix
from espalier.adapters.engine import Engine, EngineError, wait_for_engine
from espalier.adapters.engine_stream import EngineGone
from espalier.adapters.inside import open_log
from espalier.adapters.processes import kill_group
from espalier.base.errors import EspalierError
from espalier.base.paths import RunPaths
from espalier.base.records import read_record, readable_record, seconds_of
from espalier.executors.docker.config import RUN_LABEL, WORKSPACE_LABEL
from espalier.executors.docker.record import Box, read_box, write_box

# How long an engine is waited for, which may be being restarted, and a supervisor that is about its end. Seconds.
ENGINE_SECONDS = 20.0
_SUPERVISOR_SECONDS = 12.0
# How long it may take to answer. Seconds.
_ANSWER_SECONDS = 10.0


def look(run: RunPaths) -> Box:
    """See to the end of a run's container.

    Returns:
        What is known of it now: `state` is `ended` where it had ended normally, else `stopped`.
    """
    _wait_for_supervisor(run)
    box = read_box(run)
    assert box is not None
    if box.removed:
        return box
    engine = Engine(box.engine, _ANSWER_SECONDS)
    if not wait_for_engine(engine, ENGINE_SECONDS):
        box = _unanswered(box, f"the engine at {engine.address} does not answer")
    else:
        try:
            box = _seen_to(engine, run, box)
            _remove_forgotten(engine, run)
        except (EngineError, EngineGone) as error:
            box = _unanswered(box, str(error))
    write_box(run, box)
    return box


def _wait_for_supervisor(run: RunPaths) -> None:
    """One that lives has heard that its runner died, and ends the container itself."""
    note = readable_record(run.processes)
    pid, start = note.get("job_pid"), note.get("job_start")
    if note.get("boot_id") != posix.boot_id() or not isinstance(pid, int) or pid <= 1 or start is None:
        return
    deadline = time.monotonic() + _SUPERVISOR_SECONDS
    while posix.process_start(pid) == start:
        if time.monotonic() > deadline:
            kill_group(pid, 9)
            return
        time.sleep(0.02)


def _seen_to(engine: Engine, run: RunPaths, box: Box) -> Box:
    found = engine.labelled(f"{RUN_LABEL}={os.path.basename(run.root)}")
    ran, is_known = box.state != "stopped", box.state == "ended"
    if not is_known:
        box = box._replace(state="stopped")
    for one in found:
        state = engine.inspect(one["Id"])["State"]
        if state["Status"] == "exited" and ran and not is_known:
            ended_at = seconds_of(str(state.get("FinishedAt"))[:26])
            box = box._replace(state="ended", exit_code=int(state["ExitCode"]), ended_at=ended_at)
            box = box._replace(oom_killed=bool(state.get("OOMKilled")))
        elif state["Running"]:
            engine.kill(one["Id"])
        with contextlib.suppress(OSError, EngineError):
            _catch_up(engine, run, one["Id"], box)
        engine.remove(one["Id"])
    return box._replace(removed=True, pid=0)


def _unanswered(box: Box, why: str) -> Box:
    """How it ended stays as its supervisor noted it."""
    return box if box.state == "ended" else box._replace(state="stopped", engine_error=why)


def _catch_up(engine: Engine, run: RunPaths, container: str, box: Box) -> None:
    """Add to the run's log what the container printed after its supervisor died."""
    if box.masked:  # nobody masks it any more
        return
    fd = open_log(run.root, run.log)
    try:
        skip = os.fstat(fd).st_size - box.log_start
        for data in engine.logs(container):
            os.write(fd, data[max(skip, 0) :])
            skip -= len(data)
    finally:
        os.close(fd)


def _remove_forgotten(engine: Engine, run: RunPaths) -> None:
    """Remove containers of this workspace whose runs are gone: a user deleted their folders."""
    workspace = run.workspace
    with contextlib.suppress(OSError, EspalierError):
        workspace_id = read_record(workspace.record, follow=True)["id"]
        for one in engine.labelled(f"{WORKSPACE_LABEL}={workspace_id}"):
            if _is_forgotten(one):
                engine.remove(one["Id"])


def _is_forgotten(container: Dict[str, Any]) -> bool:
    """Whether the folder is gone that it was made for; that may lie in a copy of this workspace, with its id."""
    name = str((container.get("Labels") or {}).get(RUN_LABEL))
    places = [str(mount.get("Source")) for mount in container.get("Mounts") or []]
    own = {os.path.dirname(place) for place in places}
    own = {folder for folder in own if os.path.basename(folder) == name}
    return bool(own) and not any(map(os.path.isdir, own))


def main(arguments: List[str]) -> int:
    """See to the end of the container of a run whose runner lives and waits."""
    return 0 if look(RunPaths(arguments[0])).removed else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
