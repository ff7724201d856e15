import json
import os
import signal
from pathlib import Path
from typing import Any, Callable

import pytest
from espalier import Experiment, Host, Run, Workspace
from espalier.adapters.posix import process_start
from espalier.jobs import commit as submission
from espalier.queue import nudge as module

Submit = Callable[..., Run]


@pytest.fixture
def left_alone(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A queued run, as after a reboot: nobody has looked, and this process has never made a step."""
    with monkeypatch.context() as patch:
        patch.setattr(submission, "step_locked", lambda queue: None)
        run = submit("true")
    monkeypatch.setattr(module, "_last", float("-inf"))
    return run


@pytest.mark.parametrize(
    "call",
    [
        lambda run: Workspace.open("ws", os.path.dirname(run.workspace_path)),
        lambda run: Workspace.get("ws", os.path.dirname(run.workspace_path)),
        lambda run: Workspace(run.workspace_path).id,
        lambda run: Experiment(Workspace(run.workspace_path), "exp").list_runs(),
        lambda run: run.get_status(),
        lambda run: run.get_details(),
        lambda run: run.follow(),
        lambda run: Host.resources(cpus=1),
    ],
)
def test_whatever_is_asked_moves_the_queue_on(left_alone: Run, call: Callable[[Run], Any], reach: Any) -> None:
    call(left_alone)
    reach(lambda: json.loads(Path(left_alone.run_dir, "status.json").read_text())["state"] == "Completed")


def test_not_more_often_than_once_a_second(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(module, "step", lambda: steps.append(1))
    monkeypatch.setattr(module, "_last", float("-inf"))
    for _ in range(50):
        module.nudge()
    assert len(steps) == 1


def test_the_status_of_a_run_whose_runner_and_guardian_died(submit: Submit, reach: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit("echo x; sleep 60")
    reach(lambda: run.follow()["log"])
    runner = run._status()["pid"]
    parent = int(Path("/proc", str(runner), "stat").read_text().rpartition(")")[2].split()[1])
    for pid in (parent, runner):
        os.kill(pid, signal.SIGKILL)
    monkeypatch.setattr(module, "_last", float("-inf"))
    reach(lambda: process_start(runner) is None)
    assert run.get_status() == "Failed"
