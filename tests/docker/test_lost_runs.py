"""Runs in containers whose runner, supervisor or engine dies: the container is found again, and the run gets its end."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.adapters.engine import Engine
from espalier.adapters.processes import all_processes
from espalier.lifecycle.container_record import Box, read_box
from espalier.lifecycle.status import read_status
from espalier.paths import RunPaths, WorkspacePaths
from espalier.prepare.look import _remove_forgotten


@pytest.fixture
def submit(workspace: Callable[..., Workspace], base_image: str) -> Callable[..., Run]:
    """Submits a command in a container of the base image."""
    experiment = Experiment(workspace(), "exp")
    environment = {"name": "base", "docker": {"base_image": base_image}}

    def submitted(command: str, **fields: Any) -> Run:
        config = {"environment": environment, "docker": {"network": "none"}, **fields}
        return experiment.submit(ScriptRunConfig(command=command, **config))

    return submitted


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def box_of(run: Run) -> Box:
    """Its container, once its job runs."""

    def running() -> Optional[Box]:
        box = read_box(RunPaths(run.run_dir))
        return box if box is not None and box.pid else None

    found: Box = until(running)
    return found


def processes_of(run: Run, word: str) -> List[int]:
    """Processes of espalier's that have a run's folder and a word in their arguments."""
    found = []
    for pid in all_processes():
        try:
            line = Path("/proc", str(pid), "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(run.run_dir) in line and word.encode() in line:
            found.append(pid)
    return found


def supervisor_of(run: Run) -> int:
    (pid,) = processes_of(run, "prepare/container.py")
    return pid


def runner_of(run: Run) -> int:
    return int(read_status(RunPaths(run.run_dir))["pid"])


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def ended(run: Run) -> Dict[str, Any]:
    details: Dict[str, Any] = run.wait_for_completion(raise_on_error=False)
    return details


def log_of(run: Run) -> str:
    return Path(RunPaths(run.run_dir).log).read_text()


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
    assert containers_of(engine, run) == []


def test_supervisor_killed_after_the_job_had_ended(submit: Callable[..., Run], engine: Any) -> None:
    """Its true exit status is recorded, and what it had printed to its end."""
    run = submit(WAITS)
    box_of(run)
    supervisor, runner = supervisor_of(run), runner_of(run)
    os.kill(runner, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGSTOP)
    Path(run.run_dir, "outputs", "go").touch()
    until(lambda: containers_of(engine, run)[0]["State"] == "exited")
    kill(supervisor)
    os.kill(runner, signal.SIGCONT)
    details = ended(run)
    assert (details["status"], details["exitCode"]) == ("Failed", 5)
    assert details["error"]["code"] == "job_failed"
    assert log_of(run) == "begun\nmore\n"
    assert containers_of(engine, run) == []


def test_runner_killed(submit: Callable[..., Run], engine: Any) -> None:
    run = submit(WAITS)
    box_of(run)
    kill(runner_of(run))
    details = ended(run)
    assert (details["status"], details["error"]["code"]) == ("Failed", "runner_lost")
    assert containers_of(engine, run) == []
    until(lambda: processes_of(run, "espalier/") == [])


def test_everything_killed(submit: Callable[..., Run], engine: Any) -> None:
    """Runner, guardian and supervisor: whoever looks has the container found."""
    run = submit(WAITS)
    box_of(run)
    kill(*processes_of(run, "espalier/"))
    until(lambda: ended_as(run, "runner_lost"))
    until(lambda: containers_of(engine, run) == [])


def test_everything_killed_after_the_job_had_ended(submit: Callable[..., Run], engine: Any) -> None:
    run = submit("echo begun; until test -e outputs/go; do sleep 0.05; done; echo more")
    box_of(run)
    ours = processes_of(run, "espalier/")
    for pid in ours:
        os.kill(pid, signal.SIGSTOP)
    Path(run.run_dir, "outputs", "go").touch()
    until(lambda: containers_of(engine, run)[0]["State"] == "exited")
    kill(*ours)
    until(lambda: run.get_status() == "Completed")
    details = run.get_details()
    assert details["exitCode"] == 0 and 0 < details["durationSeconds"] < 60
    assert log_of(run) == "begun\nmore\n"
    assert containers_of(engine, run) == []


def test_a_lost_run_is_tried_again(submit: Callable[..., Run], engine: Any) -> None:
    run = submit("test -e outputs/go && exit 0; echo begun; sleep 60", retry={"attempts": 2, "on": ["runner_lost"]})
    box_of(run)
    Path(run.run_dir, "outputs", "go").touch()
    kill(*processes_of(run, "espalier/"))
    until(lambda: run.get_status() == "Completed", 60)
    assert run.get_details()["attempt"] == 2
    assert containers_of(engine, run) == []


def test_runner_killed_while_it_prepares(submit: Callable[..., Run], engine: Any) -> None:
    """The container that was created and never started goes with the supervisor, or with the next attempt."""
    run = submit("echo done")
    until(lambda: processes_of(run, "prepare/container.py") or run.get_status() == "Completed")
    for pid in processes_of(run, "runner/__main__.py"):
        kill(pid)
    until(lambda: run.get_status() in ("Completed", "Failed"), 60)
    until(lambda: containers_of(engine, run) == [])


def frozen_before_its_start(run: Run, word: str) -> None:
    """Stops a process of a run's as soon as it is there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for pid in processes_of(run, word):
            os.kill(pid, signal.SIGSTOP)
            return
    raise AssertionError("it did not come")


def test_everything_killed_before_the_container_was_started(submit: Callable[..., Run], engine: Any) -> None:
    """The run may have begun, for its runner knows; nobody has noted the container's id."""
    run = submit("echo done")
    frozen_before_its_start(run, "prepare/container.py")
    until(lambda: read_status(RunPaths(run.run_dir)).get("started_at"))
    (made,) = containers_of(engine, run)
    assert made["State"] == "created"
    kill(*processes_of(run, "espalier/"))
    until(lambda: ended_as(run, "runner_lost"))
    until(lambda: containers_of(engine, run) == [])


def test_everything_killed_too_often_before_the_job_was_started(
    submit: Callable[..., Run], engine: Any
) -> None:
    """No further attempt finds the container."""
    run = submit("echo done")
    frozen_before_its_start(run, "prepare/container.py")
    for pid in processes_of(run, "runner/__main__.py"):
        os.kill(pid, signal.SIGSTOP)
    until(lambda: containers_of(engine, run))
    status = RunPaths(run.run_dir).status
    record = json.loads(Path(status).read_text())
    record.update(started_at=None, prepared_at=None, state="Preparing", runners=9)  # (as it was, the last time)
    Path(status).write_text(json.dumps(record))
    kill(*processes_of(run, "espalier/"))
    until(lambda: ended_as(run, "prepare_failed"))
    until(lambda: containers_of(engine, run) == [])


def test_folder_deleted_under_it(submit: Callable[..., Run], engine: Any) -> None:
    run = submit("sleep 2; echo there")
    box_of(run)
    shutil.rmtree(run.run_dir)
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
