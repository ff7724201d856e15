"""Secrets of a job in a container: read there, and nowhere else to be found."""

import json
import os
import signal
from pathlib import Path
from typing import Any, Callable, List

import canary
import pytest
from espalier import Experiment, Keyvault, Run, ScriptRunConfig, Workspace
from job_runs import log_of, until, wait

TOKEN = "canary-token-5f1e/+x"
READ = "from espalier import Run; run = Run.get_context(); token = run.get_secret('token'); "


@pytest.fixture
def experiment(workspace: Callable[..., Workspace], base_image: str) -> Experiment:
    found = workspace()
    Keyvault(found.path).set_secrets({"token": TOKEN})
    return Experiment(found, "exp")


@pytest.fixture
def submit(experiment: Experiment, base_image: str) -> Callable[..., Run]:
    def submitted(command: Any, **fields: Any) -> Run:
        environment = {"name": "base", "docker": {"base_image": base_image}}
        return experiment.submit(
            ScriptRunConfig(command=command, environment=environment, docker={"network": "none"}, secrets=["token"], **fields)
        )

    return submitted


def private_files(run: Run) -> List[Path]:
    return list(Path("/dev/shm").glob(f"espalier-*/{run.id}"))


def test_read_and_hidden(submit: Callable[..., Run], experiment: Experiment) -> None:
    run = submit(["python3", "-c", READ + "print(len(token)); print('it is', token); raise SystemExit(token)"])
    details = wait(run)
    assert (details["status"], details["exitCode"]) == ("Failed", 1)
    assert log_of(run) == f"{len(TOKEN)}\nit is ***\n***\n"
    assert canary.in_folder(Path(run.workspace_path), "canary-token") == []
    assert "canary-token" not in json.dumps(details)
    assert private_files(run) == []


def test_where_it_is_while_the_job_runs(submit: Callable[..., Run], engine: Any) -> None:
    """In a file in memory that only the user reads; not in what the engine knows of the container, nor in its own log."""
    run = submit(["python3", "-c", READ + "print('on', token, flush=True); import time; time.sleep(300)"])
    until(lambda: log_of(run) == "on ***\n")
    (container,) = engine.containers.list(filters={"label": f"espalier.run={run.id}"})
    assert "canary-token" not in json.dumps(container.attrs)
    assert not container.attrs["LogPath"] or "canary-token" not in Path(container.attrs["LogPath"]).read_text()
    (file,) = private_files(run)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    mount = next(one for one in container.attrs["Mounts"] if one["Source"] == str(file))
    assert mount["RW"] is False
    run.cancel()
    assert wait(run)["status"] == "Canceled"
    until(lambda: private_files(run) == [])


def test_the_runner_is_killed(submit: Callable[..., Run]) -> None:
    run = submit(["python3", "-c", READ + "print('on', token, flush=True); import time; time.sleep(300)"])
    until(lambda: log_of(run) == "on ***\n")
    os.kill(json.loads(Path(run.run_dir, "status.json").read_text())["pid"], signal.SIGKILL)
    assert wait(run)["status"] == "Failed"
    until(lambda: private_files(run) == [])
    assert canary.in_folder(Path(run.workspace_path), "canary-token") == []


def test_r_in_a_container(submit: Callable[..., Run]) -> None:
    code = "cat(rev(strsplit(readLines(Sys.getenv('ESPALIER_SECRETS'), warn = FALSE)[3], '')[[1]]), sep = ''); stop(readLines(Sys.getenv('ESPALIER_SECRETS'), warn = FALSE)[3])"
    run = submit(["Rscript", "-e", code])
    details = wait(run)
    assert log_of(run).startswith(TOKEN[::-1]), log_of(run)
    assert "***" in details["error"]["message"]
    assert canary.in_folder(Path(run.workspace_path), "canary-token") == []
