"""Runs whose job is in a container, with a real engine: what it sees, may, and what becomes of it."""

import time
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from espalier import Experiment, Run, ScriptRunConfig, Workspace
from espalier.paths import RunPaths


@pytest.fixture
def submit(workspace: Callable[..., Workspace], base_image: str, tmp_path: Path) -> Callable[..., Run]:
    """Submits a job in a container of the base image."""
    experiment = Experiment(workspace(), "exp")
    environment = {"name": "base", "docker": {"base_image": base_image}}
    (tmp_path / "project").mkdir()

    def submitted(**fields: Any) -> Run:
        config = {"environment": environment, "docker": {"network": "none"}, **fields}
        if "entry_script" in config:
            config.setdefault("source_directory", str(tmp_path / "project"))
        return experiment.submit(ScriptRunConfig(**config))

    return submitted


def wait(run: Run) -> Dict[str, Any]:
    run.wait_for_completion(raise_on_error=False, show_output=False)
    details: Dict[str, Any] = run.get_details()
    return details


def log_of(run: Run) -> str:
    return Path(RunPaths(run.run_dir).log).read_text()


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def containers_of(engine: Any, run: Run) -> Any:
    return engine.containers.list(all=True, filters={"label": f"espalier.run={run.id}"})


def test_a_command(submit: Callable[..., Run], engine: Any) -> None:
    run = submit(command="echo out; echo err >&2; echo kept > outputs/a; exit 3")
    details = wait(run)
    assert (details["status"], details["exitCode"]) == ("Failed", 3)
    assert log_of(run) == "out\nerr\n"
    assert Path(run.run_dir, "outputs", "a").read_text() == "kept\n"
    assert containers_of(engine, run) == []
