"""Runs in containers whose runner, supervisor or engine dies: the container is found again, and the run gets its end."""

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest
from engines import HeldEngine
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.adapters.engine import Engine
from espalier.adapters.processes import all_processes
from espalier.base.paths import RunPaths, WorkspacePaths
from espalier.executors.docker.look import _remove_forgotten
from espalier.executors.docker.record import Box, read_box
from espalier.lifecycle.status import read_status
from espalier.queue.home import queue_paths
from espalier.queue.step import step
from job_runs import log_of, until
from scratch import copy_of

Held = Callable[[str], HeldEngine]


@pytest.fixture
def submit(workspace: Callable[..., Workspace], base_image: str) -> Callable[..., Run]:
    """Submits a command in a container of the base image."""
    experiment = Experiment(workspace(), "exp")
    environment = {"name": "base", "docker": {"base_image": base_image}}

    def submitted(command: str, **fields: Any) -> Run:
        config = {"environment": environment, "docker": {"network": "none"}, **fields}
        return experiment.submit(ScriptRunConfig(command=command, **config))

    return submitted


def box_of(run: Run) -> Box:
    """Its container, once its job runs."""

    def running() -> Optional[Box]:
        box = read_box(RunPaths(run.run_dir))
        return box if box is not None and box.pid else None

    found: Box = until(running)
    return found


def ours_of(run: Run) -> List[int]:
    """Processes of espalier's that are about a run: its folder is in their arguments, or open, as its lease is."""
    folder, lease = os.fsencode(run.run_dir), os.fsencode(queue_paths().lease(run.id))
    found = []
    for pid in set(all_processes()) - {os.getpid()}:
        with contextlib.suppress(OSError):
            line = Path("/proc", str(pid), "cmdline").read_bytes()
            fds = list(map(target_of, Path("/proc", str(pid), "fd").iterdir()))
            if b"espalier/" in line and (folder in line or any(each == lease or each.startswith(folder) for each in fds)):
                found.append(pid)
    return found


def target_of(link: Path) -> bytes:
    with contextlib.suppress(OSError):  # a file that has been closed just now
        return os.fsencode(os.readlink(link))
    return b""


def supervisor_of(run: Run) -> int:
    """What stands for its job, once its runner has noted it."""
    note = RunPaths(run.run_dir).processes
    until(lambda: os.path.exists(note))
    return int(json.loads(Path(note).read_text())["job_pid"])


def runner_of(run: Run) -> int:
    return int(read_status(RunPaths(run.run_dir)).pid)


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def ended(run: Run) -> Dict[str, Any]:
    details: Dict[str, Any] = run.wait_for_completion(raise_on_error=False)
    return details


def containers_of(engine: Any, run: Run) -> Any:
    # (a list of what is known of each would look at each, and one may be gone by then)
    return engine.api.containers(all=True, filters={"label": f"espalier.run={run.id}"})


WAITS = "echo begun; until test -e outputs/go; do sleep 0.05; done; echo more; exit 5"


def test_supervisor_killed(submit: Callable[..., Run], engine: Any) -> None:
    run = submit(WAITS)
    box_of(run)
    kill(supervisor_of(run))
    details = ended(run)
    assert (details["status"], details["error"]["code"]) == ("Failed", "runner_lost"), details["error"]
    assert "supervises" in details["error"]["message"]
    until(lambda: containers_of(engine, run) == [])


def test_supervisor_killed_after_the_job_had_ended(submit: Callable[..., Run], engine: Any) -> None:
    """Its true exit status is recorded, and what it had printed to its end."""
    run = submit(WAITS)
    box_of(run)
    supervisor, runner = supervisor_of(run), runner_of(run)
    os.kill(runner, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGSTOP)
    (copy_of(run) / "outputs" / "go").touch()
    until(lambda: containers_of(engine, run)[0]["State"] == "exited")
    kill(supervisor)
    os.kill(runner, signal.SIGCONT)
    details = ended(run)
    assert (details["status"], details["exitCode"]) == ("Failed", 5)
    assert details["error"]["code"] == "job_failed"
    assert log_of(run) == "begun\nmore\n"
    until(lambda: containers_of(engine, run) == [])


def test_runner_killed(submit: Callable[..., Run], engine: Any) -> None:
    run = submit(WAITS)
    box_of(run)
    kill(runner_of(run))
    details = ended(run)
    assert (details["status"], details["error"]["code"]) == ("Failed", "runner_lost")
    until(lambda: containers_of(engine, run) == [])
    until(lambda: ours_of(run) == [])


def test_everything_killed(submit: Callable[..., Run], engine: Any) -> None:
    """Runner, guardian and supervisor: whoever looks has the container found."""
    run = submit(WAITS)
    box_of(run)
    kill(*ours_of(run))
    until(lambda: ended_as(run, "runner_lost"))
    until(lambda: containers_of(engine, run) == [])


def test_everything_killed_after_the_job_had_ended(submit: Callable[..., Run], engine: Any) -> None:
    run = submit("echo begun; until test -e outputs/go; do sleep 0.05; done; echo more")
    box_of(run)
    ours = ours_of(run)
    for pid in ours:
        os.kill(pid, signal.SIGSTOP)
    (copy_of(run) / "outputs" / "go").touch()
    until(lambda: containers_of(engine, run)[0]["State"] == "exited")
    kill(*ours)
    until(lambda: run.get_status() == "Completed")
    details = run.get_details()
    assert details["exitCode"] == 0 and 0 < details["durationSeconds"] < 60
    assert log_of(run) == "begun\nmore\n"
    until(lambda: containers_of(engine, run) == [])


def test_everything_killed_between_the_runs_end_and_that_of_its_container(
    submit: Callable[..., Run], engine: Any
) -> None:
    """Its end stays, and the container is removed all the same."""
    run = submit("echo done")
    status = RunPaths(run.run_dir).status
    deadline = time.monotonic() + 60
    while '"Completed"' not in Path(status).read_text():
        assert time.monotonic() < deadline
    ours = ours_of(run)
    for pid in ours:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    step()  # (as the next submit makes one)
    until(lambda: containers_of(engine, run) == [])
    assert (run.get_status(), log_of(run)) == ("Completed", "done\n")


def test_a_lost_run_is_tried_again(submit: Callable[..., Run], engine: Any) -> None:
    run = submit("test -e outputs/go && exit 0; echo begun; sleep 60", retry={"attempts": 2, "on": ["runner_lost"]})
    box_of(run)
    (copy_of(run) / "outputs" / "go").touch()
    kill(*ours_of(run))
    until(lambda: run.get_status() == "Completed", 60)
    assert run.get_details()["attempt"] == 2
    until(lambda: containers_of(engine, run) == [])


def test_supervisor_killed_before_its_container_runs(submit: Callable[..., Run], engine: Any) -> None:
    """The container is on its way to its start: the runner finds it by its label."""
    run = submit(WAITS)
    kill(supervisor_of(run))
    assert ended(run)["error"]["code"] == "runner_lost"
    until(lambda: containers_of(engine, run) == [])


def test_runner_killed_while_it_prepares(submit: Callable[..., Run], engine: Any) -> None:
    """The container that was created and never started goes before the next attempt."""
    run = submit("echo done")
    box = RunPaths(run.run_dir).container
    until(lambda: os.path.exists(box) or run.get_status() == "Completed")
    for pid in ours_of(run):
        kill(pid)
    until(lambda: run.get_status() in ("Completed", "Failed"), 60)
    until(lambda: containers_of(engine, run) == [])


def test_everything_killed_before_the_container_was_started(
    submit: Callable[..., Run], engine: Any, held: Held
) -> None:
    """The run may have begun, for its runner knows; nobody has noted the container's id."""
    start = held("/start")
    run = submit("echo done")
    assert start.asked.wait(30)
    assert read_status(RunPaths(run.run_dir)).get("started_at")
    (made,) = containers_of(engine, run)
    assert made["State"] == "created"
    kill(*ours_of(run))
    until(lambda: ended_as(run, "runner_lost"))
    until(lambda: containers_of(engine, run) == [])


def test_everything_killed_too_often_before_the_job_was_started(
    submit: Callable[..., Run], engine: Any, held: Held
) -> None:
    """No further attempt finds the container."""
    start = held("/start")
    run = submit("echo done")
    assert start.asked.wait(30)
    for pid in ours_of(run):
        os.kill(pid, signal.SIGSTOP)
    status = RunPaths(run.run_dir).status
    record = json.loads(Path(status).read_text())
    record.update(started_at=None, prepared_at=None, state="Preparing", runners=9)  # (as it was, the last time)
    Path(status).write_text(json.dumps(record))
    kill(*ours_of(run))
    until(lambda: ended_as(run, "prepare_failed"))
    until(lambda: containers_of(engine, run) == [])


def test_canceled_while_the_engine_creates_the_container(
    submit: Callable[..., Run], engine: Any, held: Held
) -> None:
    create = held("/create")
    run = submit("echo done")
    assert create.asked.wait(30)
    run.cancel()
    create.release()
    assert ended(run)["status"] == "Canceled"
    assert containers_of(engine, run) == []


def test_canceled_while_the_engine_starts_the_container(submit: Callable[..., Run], engine: Any, held: Held) -> None:
    start = held("/start")
    run = submit("sleep 60")
    assert start.asked.wait(30)
    run.cancel()
    start.release()
    assert ended(run)["status"] == "Canceled"
    until(lambda: containers_of(engine, run) == [])


def test_folder_deleted_under_it(submit: Callable[..., Run], engine: Any) -> None:
    run = submit("sleep 2; echo there")
    box_of(run)
    # (its runner may write there just now)
    until(lambda: shutil.rmtree(run.run_dir, ignore_errors=True) or not os.path.exists(run.run_dir))
    until(lambda: containers_of(engine, run) == [])


def test_workspace_renamed_under_it(submit: Callable[..., Run], engine: Any) -> None:
    run = submit(WAITS)
    box_of(run)
    moved = Path(run.workspace_path).with_name("moved")
    os.rename(run.workspace_path, moved)
    (copy_of(run) / "outputs" / "go").touch()
    found = Run(str(moved), run.id)
    details = ended(found)
    assert (details["status"], details["exitCode"], details["error"]["code"]) == ("Failed", 5, "job_failed")
    assert log_of(found) == "begun\nmore\n" and Path(found.run_dir, "outputs", "go").exists()
    until(lambda: containers_of(engine, run) == [])


def test_containers_of_a_copy_of_the_workspace_stay(
    submit: Callable[..., Run], engine: Any, tmp_path: Path
) -> None:
    """It has the same id, and not the same runs."""
    run = submit("sleep 60")
    box_of(run)
    original = RunPaths(run.run_dir)
    copy = WorkspacePaths(str(tmp_path / "copy"))
    os.makedirs(copy.root)
    shutil.copy(original.workspace.record, copy.record)
    _remove_forgotten(Engine({}), copy.run("exp_1_00000000"))
    assert len(containers_of(engine, run)) == 1
    run.cancel()
    until(lambda: containers_of(engine, run) == [])


def ended_as(run: Run, code: str) -> bool:
    return run.get_status() == "Failed" and run.get_details()["error"]["code"] == code
