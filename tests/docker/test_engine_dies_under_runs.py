"""The engine ends, comes back, or is not there at all for runs whose job is in a container."""

import signal
import time
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from engines import OwnEngine, dead_socket
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.base.paths import RunPaths

Submit = Callable[[str], Run]


@pytest.fixture
def submit(workspace: Callable[..., Workspace], small_image: str, own_engine: OwnEngine) -> Submit:
    """Submits a command in a container of the second engine."""
    own_engine.load(small_image)
    environment = {"name": "small", "docker": {"base_image": small_image}}
    experiment = Experiment(workspace(), "exp")
    return lambda command: experiment.submit(
        ScriptRunConfig(command=command, environment=environment, docker={"network": "host"})
    )


def ended(run: Run) -> Dict[str, Any]:
    run.wait_for_completion(raise_on_error=False, show_output=False)
    details: Dict[str, Any] = run.get_details()
    return details


def until_it_says(run: Run, text: str) -> None:
    deadline = time.monotonic() + 60
    log = Path(RunPaths(run.run_dir).log)
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < deadline, run.get_details()
        time.sleep(0.05)


def until_it_is_gone(engine: OwnEngine) -> None:
    """A container is removed once its run has its end."""
    deadline = time.monotonic() + 20
    while engine.containers():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_engine_is_not_there(
    workspace: Callable[..., Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", dead_socket(tmp_path))
    environment = {"name": "small", "docker": {"base_image": "nothing:1"}}
    run = Experiment(workspace(), "exp").submit(ScriptRunConfig(command="true", environment=environment, docker=True))
    details = ended(run)
    assert details["status"] == "Failed"
    assert "isn't running" in details["error"]["message"]
    assert details["error"]["class"][0] == "espalier_error_docker_unavailable"


def test_the_engine_is_restarted_under_a_job(submit: Submit, own_engine: OwnEngine) -> None:
    run = submit("echo begun; sleep 60; echo over")
    until_it_says(run, "begun")
    own_engine.stop()
    own_engine.start()
    details = ended(run)
    assert (details["status"], details["error"]["code"]) == ("Failed", "engine_lost")
    until_it_is_gone(own_engine)
    assert ended(submit("echo begun"))["status"] == "Completed"


def test_the_engine_crashes_under_a_job_and_comes_back(submit: Submit, own_engine: OwnEngine) -> None:
    run = submit("echo begun; sleep 60; echo over")
    until_it_says(run, "begun")
    own_engine.kill()
    own_engine.start()
    details = ended(run)
    assert (details["status"], details["error"]["code"]) == ("Failed", "engine_lost")
    until_it_is_gone(own_engine)


@pytest.mark.parametrize("crash", [False, True])
def test_the_job_outlives_the_engine(submit: Submit, own_engine: OwnEngine, crash: bool) -> None:
    """Whose log has what it printed meanwhile, and within a line as well."""
    own_engine.stop()
    own_engine.live_restore = True
    own_engine.start()
    count = "i=0; while test $i -lt 100; do i=$((i + 1)); echo -n $i; sleep 0.1; echo; done"
    run = submit(f"echo begun; {count}; exit 3")
    until_it_says(run, "\n10\n")
    own_engine.kill() if crash else own_engine.stop()
    time.sleep(1)
    own_engine.start()
    details = ended(run)
    assert (details["status"], details["exitCode"], details["error"]["code"]) == ("Failed", 3, "job_failed")
    printed = Path(RunPaths(run.run_dir).log).read_text().split()
    assert printed == ["begun", *map(str, range(1, 101))]
    until_it_is_gone(own_engine)


def test_the_engine_hangs_under_a_canceled_job(
    submit: Submit, workspace: Callable[..., Workspace], own_engine: OwnEngine
) -> None:
    """The run ends all the same, and nobody waits for the engine with the queue's lock: meanwhile others are executed."""
    run = submit("echo begun; sleep 60")
    until_it_says(run, "begun")
    own_engine.signal(signal.SIGSTOP)
    try:
        run.cancel()
        other = Experiment(workspace(), "other").submit(ScriptRunConfig(command="true"))
        assert ended(other)["status"] == "Completed"
        assert run.get_status() == "CancelRequested", "its runner still waits for the engine"
        details = ended(run)
    finally:
        own_engine.signal(signal.SIGCONT)
    assert details["status"] == "Canceled"
    assert any("Can't remove" in text for text in details["warnings"])
